"""What each role of ``roles.sql`` may do on Postgres, statement by statement (P50)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

import psycopg
import pytest
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.backends.sql.guards import APPEND_ONLY, ERASABLE, missing_guards
from charter_persist.backends.sql.migrate import upgrade
from charter_persist.backends.sql.schema import SCHEMA_HEAD, VERSION_TABLE, current_revision, tables_for
from charter_persist.errors import ReadOnlyError
from charter_persist.integrity.verify import Level, verify
from tests.integration.hostile import mapped, seed, statements

ROLES_SQL = files("charter_persist.backends.sql").joinpath("roles.sql").read_text()
GROUPS = ("charter_owner", "charter_migrator", "charter_app", "charter_auditor")
DENIED = "42501"
ALL_TABLES = sorted([table.name for table in tables_for("postgresql")] + [VERSION_TABLE])


@dataclass(frozen=True)
class Deployment:
    """A database with the four roles, and one login for each of those that people and programs work as."""

    admin: str
    logins: dict[str, str]

    def url(self, role: str) -> str:
        return self.logins[role]

    @contextmanager
    def as_role(self, role: str) -> Iterator[sa.Connection]:
        """A connection of a real login that is a member of the role; everything is undone."""
        engine = sa.create_engine(self.logins.get(role, self.admin), poolclass=sa.NullPool)
        with engine.connect() as connection:
            yield connection

    def execute(self, *texts: str) -> None:
        run(self.admin, *texts)

    def may(self, role: str, *texts: str) -> str:
        """The state that the server answers with: 00000 where the last statement was carried out."""
        with self.as_role(role) as connection:
            try:
                for text in texts:
                    connection.exec_driver_sql(text)
            except sa.exc.DBAPIError as exc:
                return str(getattr(exc.orig, "sqlstate", None))
        return "00000"


def run(url: str, *texts: str) -> None:
    """Run SQL as it is, as psql would."""
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        for text in texts:
            connection.execute(text.encode())


@pytest.fixture
def bare(postgres_database: str) -> Iterator[Deployment]:
    """Roles and logins, and no table yet; what was made on the server is taken away again."""
    present = group_roles(postgres_database)
    run(postgres_database, ROLES_SQL)
    names = {role: f"test_{role}_{secrets.token_hex(4)}" for role in GROUPS[1:]}
    password = secrets.token_hex(8)
    run(
        postgres_database,
        *(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE {role}" for role, name in names.items()),
    )
    base = sa.make_url(postgres_database)
    logins = {
        role: base.set(username=name, password=password).render_as_string(hide_password=False)
        for role, name in names.items()
    }
    yield Deployment(postgres_database, logins)
    run(postgres_database, *(f"DROP ROLE {name}" for name in names.values()))
    if not present:
        run(postgres_database, *(f"DROP OWNED BY {role} CASCADE" for role in GROUPS), f"DROP ROLE {', '.join(GROUPS)}")


def group_roles(url: str) -> set[str]:
    """Those of the four roles that the server has."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        query = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")
        return set(connection.scalars(query, {"names": list(GROUPS)}))


@pytest.fixture
def deployment(bare: Deployment) -> Deployment:
    """The documented order: roles, upgrade as migrator, roles again; then two rows in each append-only table."""
    upgrade(bare.url("charter_migrator"))
    bare.execute(ROLES_SQL)
    with sa.create_engine(bare.admin, poolclass=sa.NullPool).begin() as connection:
        for table in tables_for("postgresql"):
            if table.name != "journal_head":
                seed(connection, table, "charter")
    return bare


# The matrix


APP = {
    **{table: {"SELECT", "INSERT"} for table in APPEND_ONLY},
    **{table: {"SELECT", "INSERT", "UPDATE"} for table in (*ERASABLE, "execution", "message", "thread")},
    **{table: {"SELECT", "INSERT", "UPDATE", "DELETE"} for table in ("state_snapshot", "state_value")},
    "kv_change": {"SELECT", "INSERT", "DELETE"},
    "metadata_log": {"SELECT", "INSERT", "DELETE"},
    "kv_entry": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "kv_lease": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "lease": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "vector_collection": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "vector_document": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "store_identity": {"SELECT"},
    "journal_head": {"SELECT", "UPDATE"},
    "operation": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "intent": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "intent_edge": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "ref": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "session": {"SELECT", "INSERT", "UPDATE"},
    "session_candidate": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "session_stance": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    VERSION_TABLE: {"SELECT"},
}
RIGHTS = {"charter_app": APP, "charter_auditor": {table: {"SELECT"} for table in ALL_TABLES}}


@pytest.mark.spec("P50")
def test_each_table_has_exactly_the_rights_of_the_table(deployment: Deployment) -> None:
    query = sa.text(
        "SELECT privilege FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) privilege"
        " WHERE has_table_privilege(:role, :table, privilege) OR"
        " (privilege IN ('SELECT','INSERT','UPDATE','REFERENCES') AND has_any_column_privilege(:role, :table, privilege))"
    )
    assert sorted(APP) == ALL_TABLES
    with deployment.as_role("admin") as connection:
        for role, rights in RIGHTS.items():
            for table in ALL_TABLES:
                held = connection.scalars(query, {"role": role, "table": f"charter.{table}"})
                assert set(held) == rights[table], (role, table)


@pytest.mark.spec("P50")
@pytest.mark.parametrize("role", ["charter_app", "charter_auditor"])
def test_no_role_changes_what_was_recorded(deployment: Deployment, role: str) -> None:
    allowed = []
    for table in tables_for("postgresql"):
        if table.name not in APPEND_ONLY:
            continue
        for kind, texts in statements("postgresql", table, "charter.").items():
            answer = deployment.may(role, *texts)
            if answer != DENIED:
                allowed.append((table.name, kind, answer))
    # The application may add to these tables, so there the keys refuse; and it may compact some and empty payloads of
    # others, which their guards limit.
    expected = {"00000"} if role == "charter_auditor" else {"23505", "P0001"}
    assert {answer for *_, answer in allowed} <= expected - {"00000"}
    assert {table for table, _, answer in allowed if answer == "P0001"} <= {"kv_change", "metadata_log", *ERASABLE}
    assert {kind for _, kind, answer in allowed if answer == "23505"} <= {"insert over the key"}


OF_THE_OWNER = {
    "drop a table": ["DROP TABLE charter.object"],
    "drop a table and what needs it": ["DROP TABLE charter.object CASCADE"],
    "drop the schema": ["DROP SCHEMA charter CASCADE"],
    "rename the schema": ["ALTER SCHEMA charter RENAME TO other"],
    "rename a table": ["ALTER TABLE charter.object RENAME TO other"],
    "add a column": ["ALTER TABLE charter.object ADD COLUMN note text"],
    "drop a column": ["ALTER TABLE charter.object DROP COLUMN size"],
    "drop a check": ["ALTER TABLE charter.object DROP CONSTRAINT ck_object_digest_length"],
    "disable a guard": ["ALTER TABLE charter.object DISABLE TRIGGER guard_object_change"],
    "disable the user's triggers": ["ALTER TABLE charter.object DISABLE TRIGGER USER"],
    "disable all triggers": ["ALTER TABLE charter.object DISABLE TRIGGER ALL"],
    "drop a guard": ["DROP TRIGGER guard_object_change ON charter.object"],
    "replace the guards' function": [
        "CREATE OR REPLACE FUNCTION charter.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
    ],
    "drop the guards' function": ["DROP FUNCTION charter.refuse_change() CASCADE"],
    "add a trigger": [
        "CREATE TRIGGER extra BEFORE INSERT ON charter.object FOR EACH ROW EXECUTE FUNCTION charter.refuse_change()"
    ],
    "add a rule": ["CREATE RULE nothing AS ON INSERT TO charter.object DO INSTEAD NOTHING"],
    "add a policy": ["ALTER TABLE charter.object ENABLE ROW LEVEL SECURITY"],
    "make an index": ["CREATE INDEX extra ON charter.object (size)"],
    "make a table": ["CREATE TABLE charter.extra (id integer)"],
    "make a view": ["CREATE VIEW charter.extra AS SELECT 1 AS one"],
    "make a function": ["CREATE FUNCTION charter.extra() RETURNS integer LANGUAGE sql AS 'SELECT 1'"],
    "inherit a table": ["CREATE TEMP TABLE child () INHERITS (charter.object)"],
    "take a table": ["ALTER TABLE charter.object OWNER TO CURRENT_USER"],
    # Postgres only warns of a grant by someone who cannot give it.
    "give a right and use it": [
        "GRANT UPDATE ON charter.object TO PUBLIC",
        "UPDATE charter.object SET size = 0",
    ],
    "truncate": ["TRUNCATE charter.object"],
    "truncate a mutable table": ["TRUNCATE charter.session"],
    "remove the head row": ["DELETE FROM charter.journal_head"],
    "add a head row": ["INSERT INTO charter.journal_head VALUES (2, 0, 0, '')"],
    "remove a session": ["DELETE FROM charter.session"],
    "claim another version": [f"UPDATE charter.{VERSION_TABLE} SET version_num = '9999'"],
    "claim another identity": ["UPDATE charter.store_identity SET store_id = 'x'"],
    "add an identity": ["INSERT INTO charter.store_identity VALUES (2, 'x', 0)"],
    "act as a replica": ["SET session_replication_role = replica"],
    "become the owner": ["SET ROLE charter_owner"],
    "become the migrator": ["SET ROLE charter_migrator"],
    "join the owner": ["GRANT charter_owner TO CURRENT_USER"],
    "copy to a file": ["COPY charter.object TO '/tmp/charter-object.csv'"],
    "copy from a program": ["COPY charter.object FROM PROGRAM 'true'"],
    "read a file of the server": ["SELECT pg_read_file('/etc/passwd')"],
    "lock against readers": ["LOCK TABLE charter.ref IN ACCESS EXCLUSIVE MODE"],
}


@pytest.mark.spec("P50")
@pytest.mark.parametrize("role", ["charter_app", "charter_auditor"])
def test_what_an_owner_may_do_the_working_roles_may_not(deployment: Deployment, role: str) -> None:
    # An owner of UPDATE may lock a table; that harms nobody's data.
    answers = {kind: deployment.may(role, *texts) for kind, texts in OF_THE_OWNER.items()}
    harmless = {"lock against readers": "00000"} if role == "charter_app" else {}
    assert answers == {**dict.fromkeys(OF_THE_OWNER, DENIED), **harmless}


@pytest.mark.spec("P50")
def test_the_same_statements_are_sound(deployment: Deployment) -> None:
    # The control: the owner of the database is refused few of them, and never for a mistake of ours.
    answers = {kind: deployment.may("admin", *texts) for kind, texts in OF_THE_OWNER.items()}
    refused = {kind: answer for kind, answer in answers.items() if answer != "00000"}
    assert set(refused.values()) <= {"P0001", "23514", "23505", "23502"}
    assert len(refused) < 8


OF_THE_AUDITOR = [f"SELECT * FROM charter.{table}" for table in ALL_TABLES]


def another(table: str, **changed: str) -> str:
    """A statement that adds a row like the first one, but for some columns."""
    columns = [column.name for column in mapped(table).columns]
    values = ", ".join(changed.get(name, name) for name in columns)
    return f"INSERT INTO charter.{table} ({', '.join(columns)}) SELECT {values} FROM charter.{table} LIMIT 1"


OF_THE_APP = [
    *OF_THE_AUDITOR,
    another("object", position="9", digest="sha256('9')"),
    another("journal", position="9"),
    "INSERT INTO charter.object SELECT * FROM charter.object ON CONFLICT DO NOTHING",
    "SELECT * FROM charter.journal_head FOR NO KEY UPDATE",
    "UPDATE charter.journal_head SET position = position + 1",
    "INSERT INTO charter.ref SELECT * FROM charter.ref ON CONFLICT (name) DO UPDATE SET version = 9",
    "UPDATE charter.session SET state = 'ACTIVE'",
    "DELETE FROM charter.session_candidate",
    "DELETE FROM charter.session_stance",
    "DELETE FROM charter.operation",
    "DELETE FROM charter.metadata_log WHERE false",
    "CREATE TEMP TABLE staging (LIKE charter.object)",
    "NOTIFY charter",
]


@pytest.mark.spec("P50")
def test_the_application_may_do_its_work(deployment: Deployment) -> None:
    assert {text: deployment.may("charter_app", text) for text in OF_THE_APP} == dict.fromkeys(OF_THE_APP, "00000")


@pytest.mark.spec("P50")
def test_every_verb_of_a_unit_works_as_the_application(bare: Deployment) -> None:
    upgrade(bare.url("charter_migrator"))
    run(bare.admin, ROLES_SQL)
    with connect(bare.url("charter_app")) as store:
        for n in range(2):
            with store.begin() as uow:
                digest = uow.objects.put("doc", {"n": n})
                uow.refs.set("label", digest, expected=n)
                uow.metadata.set("key", n)
                uow.audit.append("PUT", scope="GLOBAL", subject=("doc", digest))
        with store.begin() as uow:
            uow.objects.put_many(("doc", {"bulk": n}) for n in range(600))  # through COPY, and beyond a tile
            uow.refs.delete("label", expected=2)
            uow.kv.set("/a", b"1")
            assert uow.metadata.compact() == 1
            session = uow.sessions.create(area_id="x", problem_statement="why", session_id="s")
            version = uow.sessions.snapshot(session.session_id)
            uow.sessions.add_candidate("s", {"text": "this"}, candidate_id="c")
        store.run(lambda uow: uow.sessions.rollback("s", to=version) and None, operation_id="op")
        store.run(lambda uow: uow.sessions.seal("s", "CLOSED"))
        store.run(lambda uow: uow.metadata.set("key", 3))
        store.run(lambda uow: uow.kv.compare_and_set("/a", b"2", expected=1))
        store.run(lambda uow: (uow.kv.compact(upto=5), uow.kv.erase("/a")))
        store.scrub()
    with connect(bare.url("charter_auditor"), read_only=True) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
    with connect(bare.url("charter_auditor")) as store, pytest.raises(ReadOnlyError), store.begin() as uow:
        uow.metadata.set("key", 4)


@pytest.mark.spec("P50")
def test_the_auditor_may_read_everything_and_write_nothing(deployment: Deployment) -> None:
    reads = dict.fromkeys(OF_THE_AUDITOR, "00000")
    assert {text: deployment.may("charter_auditor", text) for text in OF_THE_AUDITOR} == reads
    writes = [text for text in OF_THE_APP[len(OF_THE_AUDITOR) :] if "TEMP" not in text and "NOTIFY" not in text]
    assert {text: deployment.may("charter_auditor", text) for text in writes} == dict.fromkeys(writes, DENIED)


@pytest.mark.spec("P50")
def test_compaction_by_the_application_never_loses_a_current_value(deployment: Deployment) -> None:
    newer = another("metadata_log", position="9")
    replaced = "DELETE FROM charter.metadata_log WHERE position < 9 AND key = (SELECT key FROM charter.metadata_log WHERE position = 9)"
    assert deployment.may("charter_app", newer, replaced) == "00000"
    assert deployment.may("charter_app", newer, "DELETE FROM charter.metadata_log WHERE position = 9") == "P0001"


@pytest.mark.parametrize("role", ["charter_app", "charter_auditor"])
def test_the_working_roles_can_see_whether_schema_and_guards_are_sound(deployment: Deployment, role: str) -> None:
    with deployment.as_role(role) as connection:
        assert current_revision(connection, schema="charter") == SCHEMA_HEAD
        assert missing_guards(connection, schema="charter") == []


def test_a_stranger_may_not_even_look(deployment: Deployment) -> None:
    deployment.execute("DROP ROLE IF EXISTS charter_test_stranger", "CREATE ROLE charter_test_stranger")
    try:
        stranger = ["SET ROLE charter_test_stranger", "SELECT * FROM charter.object"]
        assert deployment.may("admin", *stranger) == DENIED
    finally:
        deployment.execute("DROP ROLE charter_test_stranger")


# Deploying


def owners(deployment: Deployment) -> set[str]:
    query = (
        "SELECT relowner::regrole::text FROM pg_class WHERE relnamespace = 'charter'::regnamespace"
        " UNION SELECT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'charter'::regnamespace"
        " UNION SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'charter'"
    )
    with deployment.as_role("admin") as connection:
        return set(connection.scalars(sa.text(query)))


@pytest.mark.spec("P50")
def test_what_a_migrator_makes_belongs_to_the_owner_of_the_schema(bare: Deployment) -> None:
    upgrade(bare.url("charter_migrator"))
    assert owners(bare) == {"charter_owner"}


@pytest.mark.spec("P50")
def test_a_schema_that_a_superuser_made_first_is_handed_over(bare: Deployment) -> None:
    bare.execute("DROP SCHEMA charter")
    upgrade(bare.admin)
    assert owners(bare) != {"charter_owner"}
    bare.execute(ROLES_SQL)
    assert owners(bare) == {"charter_owner"}
    assert bare.may("charter_app", "SELECT * FROM charter.object") == "00000"


def test_the_script_may_be_run_any_number_of_times_also_by_a_migrator(deployment: Deployment) -> None:
    query = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'charter'::regnamespace ORDER BY 1"
    with deployment.as_role("admin") as connection:
        before = connection.exec_driver_sql(query).all()
    run(deployment.admin, ROLES_SQL)
    run(deployment.url("charter_migrator"), ROLES_SQL)
    with deployment.as_role("admin") as connection:
        assert connection.exec_driver_sql(query).all() == before


def test_running_the_script_again_takes_back_what_was_given_by_hand(deployment: Deployment) -> None:
    deployment.execute(
        "GRANT ALL ON ALL TABLES IN SCHEMA charter TO charter_app, PUBLIC",
        "GRANT CREATE ON SCHEMA charter TO charter_app, PUBLIC",
        ROLES_SQL,
    )
    assert deployment.may("charter_app", "UPDATE charter.object SET size = 0") == DENIED
    assert deployment.may("charter_app", "CREATE TABLE charter.extra (id integer)") == DENIED


def test_a_table_of_a_later_upgrade_can_be_read_at_once(deployment: Deployment) -> None:
    with sa.create_engine(deployment.url("charter_migrator"), poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("SET ROLE charter_owner")
        connection.exec_driver_sql("CREATE TABLE charter.later (id integer)")
    assert deployment.may("charter_app", "SELECT * FROM charter.later") == "00000"
    assert deployment.may("charter_auditor", "SELECT * FROM charter.later") == "00000"
    assert deployment.may("charter_app", "INSERT INTO charter.later VALUES (1)") == DENIED


@pytest.mark.parametrize("role", ["charter_app", "charter_auditor"])
def test_the_working_roles_may_not_upgrade(bare: Deployment, role: str) -> None:
    with pytest.raises(ReadOnlyError, match=r"roles\.sql"):
        upgrade(bare.url(role))
    assert bare.may("admin", "SELECT * FROM charter.object") == "42P01"


def test_the_group_roles_cannot_log_in(bare: Deployment) -> None:
    with bare.as_role("admin") as connection:
        query = sa.text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'charter!_%' ESCAPE '!' AND rolcanlogin")
        assert set(connection.scalars(query)) & set(GROUPS) == set()


def test_another_schema_is_named_by_a_setting(bare: Deployment) -> None:
    named = f"SET charter.schema = 'Order'; {ROLES_SQL}"
    bare.execute(named)
    migrator = sa.make_url(bare.url("charter_migrator")).update_query_dict({"schema": "Order"})
    upgrade(migrator)
    bare.execute(named)
    assert bare.may("charter_app", 'SELECT * FROM "Order".object') == "00000"
    assert bare.may("charter_app", 'UPDATE "Order".object SET size = 0') == DENIED
