"""Searches that sqlite-vec and pgvector help with: the same answers, bit for bit, as reading the collection gives.

Where an interpreter loads no extensions, or a server has no pgvector, the same tests show that the store says so and
reads the collection. ``.ci/run`` runs them where both are there, and must be: it sets ``CHARTER_TEST_VECTOR_EXTENSIONS``.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from itertools import count
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from charter_persist import Store, connect
from charter_persist.backends.contract import VECTOR_COLLECTION
from charter_persist.backends.sql import nearest, nearest_sqlite
from charter_persist.errors import BackendError, IntegrityError
from charter_persist.model.vector import DistanceMetric, VectorDocument, VectorSearchResult
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.repositories import vector_cache
from tests.postgres.fixtures import MakePostgresDatabase

VECTORS_SQL = files("charter_persist.backends.sql").joinpath("vectors.sql").read_text()
METRICS = list(DistanceMetric)
ROWS_MIN, SHARE = nearest.ROWS_MIN, nearest.SHARE
REQUIRED = "CHARTER_TEST_VECTOR_EXTENSIONS"
NAMES = map("c{}".format, count())
Numbers = list[list[float]]


@dataclass(frozen=True)
class Helped:
    """A store whose smallest collections are large enough to ask for, and what is to help it: numpy for nothing."""

    store: Store
    url: str
    by: str

    @property
    def is_helped(self) -> bool:
        return self.by != "numpy"

    def fill(self, rows: Any, metric: DistanceMetric) -> str:
        name = next(NAMES)
        with self.store.begin() as uow:
            uow.vectors.ensure_collection(name, len(rows[0]), metric)
            uow.vectors.upsert_batch(
                name, (VectorDocument(f"{n:04}", "", list(row), {"n": n % 3}) for n, row in enumerate(rows))
            )
        return name

    def search(self, name: str, query: Any, limit: int, *, cold: bool = True) -> tuple[VectorSearchResult, ...]:
        if cold:
            vector_cache.CACHE.forget()
        with self.store.read() as view:
            return view.vectors.search(name, list(query), limit=limit)

    def candidates(self, name: str, query: Any, limit: int) -> Any:
        """What the database finds; None where it does not tell."""
        snapshot: Any = self.store._backend.snapshot()
        try:
            row = snapshot.get(VECTOR_COLLECTION, (name,))
            return snapshot.nearest(row, np.array(query, "<f4").tobytes(), limit)
        finally:
            snapshot.close()

    def execute(self, statement: str, **values: Any) -> None:
        with sa.create_engine(self.url, poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text(statement), values)

    def damage(self, name: str, embedding: bytes) -> None:
        table = "vector_document" if self.url.startswith("sqlite") else "charter.vector_document"
        self.execute(f"UPDATE {table} SET embedding = :e WHERE collection = :c AND id = '0003'", e=embedding, c=name)


def extension_of_sqlite() -> str:
    """What this interpreter can load, found out in another way than the store does."""
    can_load = "enable_load_extension" in dir(sqlite3.Connection) and find_spec("sqlite_vec") is not None
    return f"sqlite-vec {version('sqlite-vec')}" if can_load else "numpy"


def extension_of_postgres(url: str) -> str:
    """What the server has; ``vectors.sql`` has been run then."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        found = connection.exec_driver_sql("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
        if (number := found.scalar()) is None:
            return "numpy"
        for _ in range(2):
            driver: Any = connection.connection.driver_connection
            driver.execute(VECTORS_SQL)
    return f"pgvector {number}"


@pytest.fixture(params=["sqlite", "postgresql"])
def helped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Helped]:
    monkeypatch.setattr(nearest, "ROWS_MIN", 0)
    monkeypatch.setattr(nearest, "SHARE", 1)
    if request.param == "sqlite":
        url, by = f"sqlite:///{tmp_path / 'vectors.db'}", extension_of_sqlite()
        connect(url, migrate="upgrade").close()
    else:
        make: MakePostgresDatabase = request.getfixturevalue("make_postgres_database")
        url = make()
        connect(url, migrate="upgrade").close()
        by = extension_of_postgres(url)
    assert by != "numpy" or REQUIRED not in os.environ
    with connect(url) as store:
        yield Helped(store, url, by)
    vector_cache.CACHE.forget()


HUGE, TINY = 3e38, 1e-40
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1.0, -1.0, 0.5, HUGE, TINY]
)
FEW = st.sampled_from([0.0, 1.0, -1.0])
PLAIN = st.floats(-100, 100, width=32)


@st.composite
def searches(draw: st.DrawFn) -> tuple[DistanceMetric, Numbers, list[float], int]:
    """Embeddings with ties, zeros, near ties, and the ends of float32; a query, perhaps one of them; a limit."""
    metric, dimension = draw(st.sampled_from(METRICS)), draw(st.sampled_from([1, 2, 5, 16]))
    embedding = st.lists(draw(st.sampled_from([NUMBERS, FEW, PLAIN])), min_size=dimension, max_size=dimension)
    if metric is DistanceMetric.COSINE:
        embedding = embedding.filter(any)
    rows = draw(st.lists(embedding, min_size=1, max_size=25))
    if draw(st.booleans()):
        rows += [np.nextafter(np.array(row, "<f4"), np.float32(1)).tolist() for row in rows if any(row)]
    query = draw(embedding | st.sampled_from(rows))
    return metric, rows, query, draw(st.integers(1, len(rows) + 1))


@pytest.mark.spec("ENA-5")
def test_a_store_says_what_it_searches_with(helped: Helped) -> None:
    assert helped.store.diagnose().facts["vector_search"] == helped.by


@pytest.mark.spec("ENA-5")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(searches())
@example((DistanceMetric.EUCLIDEAN, [[1.0]] * 5 + [[2.0]], [1.0], 3))
def test_an_extension_changes_no_answer(helped: Helped, search: Any) -> None:
    metric, rows, query, limit = search
    name = helped.fill(rows, metric)
    found = helped.search(name, query, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_cache, "SEARCHES_BEFORE_READING", 0)
        assert helped.search(name, query, limit) == found
    lengths = [float(np.linalg.norm(np.array(row, float))) for row in [*rows, query]]
    if limit <= len(rows) and all(1e-6 < length < 1e14 for length in lengths):
        assert (helped.candidates(name, query, limit) is not None) == helped.is_helped


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
def test_a_large_collection_is_asked_for_a_few(
    helped: Helped, metric: DistanceMetric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the sizes that the package has: neither a smaller one, nor for many of them."""
    monkeypatch.setattr(nearest, "ROWS_MIN", ROWS_MIN)
    monkeypatch.setattr(nearest, "SHARE", SHARE)
    random = np.random.default_rng(2)
    name = helped.fill(random.standard_normal((ROWS_MIN, 4)).tolist(), metric)
    query = random.standard_normal(4).tolist()
    wanted = helped.search(name, query, 1_000)
    for limit in (1, 10, ROWS_MIN // SHARE):
        assert helped.search(name, query, limit) == wanted[:limit]
        assert len(helped.candidates(name, query, limit) or ()) == (limit if helped.is_helped else 0)
    assert helped.candidates(name, query, ROWS_MIN // SHARE + 1) is None
    helped.store.run(lambda uow: uow.vectors.delete(name, "0000"))
    assert helped.candidates(name, query, 1) is None


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
def test_a_wrong_bound_is_found(helped: Helped, metric: DistanceMetric, monkeypatch: pytest.MonkeyPatch) -> None:
    """What float32 cannot tell apart is found all the same, and would not be if it were taken at its word."""
    random = np.random.default_rng(1)
    rows = random.standard_normal(96) * (1 + 2e-7 * random.standard_normal((300, 96)))
    queries = random.standard_normal((10, 96)).tolist()
    name = helped.fill(rows.tolist(), metric)
    wanted = [helped.search(name, query, 300)[:10] for query in queries]
    assert [helped.search(name, query, 10) for query in queries] == wanted
    monkeypatch.setattr(nearest, "error_of_squares", lambda _dimension: 0.0)
    assert ([helped.search(name, query, 10) for query in queries] != wanted) == helped.is_helped


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
def test_damage_is_found_wherever_it_is(helped: Helped, metric: DistanceMetric) -> None:
    name = helped.fill([[1.0, n] for n in range(20)], metric)
    damaged = [b"", b"123", struct.pack("<3f", 1, 2, 3), struct.pack("<2f", float("nan"), 1)]
    damaged += [struct.pack("<2f", 1, float("-inf")), *([bytes(8)] if metric is DistanceMetric.COSINE else [])]
    for embedding in damaged:
        helped.damage(name, embedding)
        with pytest.raises(IntegrityError, match=name):
            helped.search(name, [1.0, 19.0], 2)


def test_what_is_searched_again_and_again_is_read(helped: Helped) -> None:
    """Twice the database finds; then the collection is in memory, where it fits. A filter reads it at once."""
    name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
    asked = vector_cache.SEARCHES_BEFORE_READING if helped.is_helped else 0
    vector_cache.CACHE.forget()
    kept = []
    for _ in range(4):
        helped.search(name, [1.0, 1.0], 2, cold=False)
        kept.append(bool(vector_cache.CACHE._kept))
    assert kept == [n >= asked for n in range(4)]
    vector_cache.CACHE.forget()
    with helped.store.read() as view:
        found = view.vectors.search(name, [1.0, 1.0], limit=2, filter=VectorFilter.equals("n", 1))
    assert [result.document.id for result in found] == ["0019", "0016"]
    assert vector_cache.CACHE._kept


def test_a_collection_beyond_memory_is_never_read_where_it_need_not_be(
    helped: Helped, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
    monkeypatch.setattr(vector_cache.CACHE, "bytes_max", 10)
    read: list[str] = []
    honest = vector_cache._read
    monkeypatch.setattr(vector_cache, "_read", lambda *given: read.append(name) or honest(*given))
    for _ in range(4):
        assert [each.document.id for each in helped.search(name, [1.0, 1.0], 2, cold=False)] == ["0019", "0018"]
    assert len(read) == (0 if helped.is_helped else 4)


def test_what_is_equally_near_comes_by_its_id(helped: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    """In however many blocks it is read, and in whatever order it was written."""
    names = ["\U0001f600", "b", "é", "a", "\ufb33", "Z", "aa", "c"]
    name = helped.fill([[0.0, 1.0]], DistanceMetric.DOT)
    helped.store.run(lambda uow: uow.vectors.upsert_batch(name, [VectorDocument(n, "", [1.0, 1.0]) for n in names]))
    monkeypatch.setattr(vector_cache, "BLOCK_BYTES", 3 * 8)
    for limit in range(1, 9):
        found = helped.search(name, [1.0, 1.0], limit)
        assert [result.document.id for result in found] == sorted(names, key=str.encode)[:limit]


def test_what_one_statement_would_not_get_through_is_read(helped: Helped) -> None:
    name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
    backend: Any = helped.store._backend
    for rows, is_asked in ((20, True), (19, False)):
        if helped.is_helped:
            backend.distances = backend.distances._replace(bytes_max=rows * 8)
        assert (helped.candidates(name, [1.0, 1.0], 2) is not None) == (is_asked and helped.is_helped)


def test_a_unit_finds_what_it_wrote(helped: Helped) -> None:
    name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
    with helped.store.begin() as uow:
        uow.vectors.upsert(name, VectorDocument("new", "", [9.0, 99.0]))
        assert [result.document.id for result in uow.vectors.search(name, [1.0, 1.0], limit=2)] == ["new", "0019"]


class TestSqlite:
    """How the extension comes into a connection."""

    @pytest.fixture
    def helped(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helped]:
        monkeypatch.setattr(nearest, "ROWS_MIN", 0)
        monkeypatch.setattr(nearest, "SHARE", 1)
        url = f"sqlite:///{tmp_path / 'vectors.db'}"
        with connect(url, migrate="upgrade") as store:
            yield Helped(store, url, extension_of_sqlite())

    def test_no_statement_can_load_another(self, helped: Helped) -> None:
        name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
        helped.search(name, [1.0, 1.0], 2)
        backend: Any = helped.store._backend
        snapshot = backend.snapshot()  # on the connection that was given back
        with pytest.raises(BackendError, match=r"not authorized|no such function"):
            snapshot._link.one("SELECT load_extension('vec0')")
        snapshot.close()

    def test_an_extension_that_does_not_load_is_an_error(self, helped: Helped) -> None:
        name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
        backend: Any = helped.store._backend
        if not helped.is_helped:
            assert backend.distances is None
            return
        backend.distances = backend.distances._replace(library="/nowhere/vec0")
        with pytest.raises(BackendError, match="nowhere"):
            helped.search(name, [1.0, 1.0], 2)

    def test_without_the_package_the_collection_is_read(self, helped: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
        name = helped.fill([[1.0, n] for n in range(20)], DistanceMetric.DOT)
        monkeypatch.setattr(nearest_sqlite, "package_folder", lambda: None)
        with connect(helped.url) as store:
            plain = Helped(store, helped.url, "numpy")
            assert store.diagnose().facts["vector_search"] == "numpy"
            assert plain.candidates(name, [1.0, 1.0], 2) is None
            assert plain.search(name, [1.0, 1.0], 2) == helped.search(name, [1.0, 1.0], 2)


class TestPostgres:
    """What ``vectors.sql`` gives to whom."""

    @pytest.fixture
    def database(self, make_postgres_database: MakePostgresDatabase) -> str:
        url = make_postgres_database()
        connect(url, migrate="upgrade").close()
        return url

    def test_a_function_that_is_gone_is_an_error(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(nearest, "ROWS_MIN", 0)
        by = extension_of_postgres(database)
        with connect(database) as store:
            helped = Helped(store, database, by)
            name = helped.fill([[1.0, n] for n in range(100)], DistanceMetric.DOT)
            wanted = helped.search(name, [1.0, 1.0], 1)
            if helped.is_helped:
                helped.execute("DROP FUNCTION charter.embedding_vector(bytea)")
                with pytest.raises(BackendError, match="embedding_vector"):
                    helped.search(name, [1.0, 1.0], 1)
        with connect(database) as store:
            assert store.diagnose().facts["vector_search"] == "numpy"
            assert Helped(store, database, "numpy").search(name, [1.0, 1.0], 1) == wanted

    def test_nobody_can_pass_bytes_unchecked(self, database: str) -> None:
        """Whoever may use the schema makes vectors of embeddings, and of nothing that is none, by whatever search path."""
        if extension_of_postgres(database) == "numpy":
            return  # the rest is about the functions that this server cannot have
        with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
            run = connection.exec_driver_sql
            run("CREATE ROLE vector_caller; GRANT USAGE ON SCHEMA charter TO vector_caller")
            run("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO vector_caller")
            run("CREATE FUNCTION evil.octet_length(bytea) RETURNS integer LANGUAGE sql RETURN 4000")
            run("CREATE FUNCTION evil.never(integer, integer) RETURNS boolean LANGUAGE sql RETURN false")
            run("CREATE OPERATOR evil.<> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.never)")
            run("SET LOCAL ROLE vector_caller; SET LOCAL search_path = evil, pg_catalog, public")
            assert run(r"SELECT charter.embedding_vector('\x00004040000080c0')::text").scalar() == "[3,-4]"
            for data in (r"\x", r"\x00", r"\x0000404000", "\\x" + "00" * 64_004):
                assert run(f"SELECT charter.embedding_vector('{data}')").scalar() is None
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                run(r"SELECT charter.unchecked_vector('\xff7f', 1, true)")

    @pytest.mark.parametrize(
        "planted",
        [
            "CREATE FUNCTION charter.embedding_vector(text) RETURNS public.vector LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'called by %%', current_user; END$$",
            "CREATE FUNCTION charter.unchecked_vector(bytea, integer, boolean) RETURNS public.vector LANGUAGE sql "
            "RETURN NULL::public.vector; "
            "GRANT EXECUTE ON FUNCTION charter.unchecked_vector(bytea, integer, boolean) TO vector_friend",
        ],
        ids=["another for text", "the same before"],
    )
    def test_functions_that_were_there_before_give_nobody_more_rights(self, database: str, planted: str) -> None:
        """Whoever may create in the schema waits for a superuser to run ``vectors.sql``."""
        if extension_of_postgres(database) == "numpy":
            return  # the rest is about the functions that this server cannot have
        with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
            run = connection.exec_driver_sql
            run("DROP FUNCTION charter.embedding_vector(bytea), charter.unchecked_vector(bytea, integer, boolean)")
            run("CREATE ROLE vector_planter; CREATE ROLE vector_friend")
            run(
                "GRANT USAGE, CREATE ON SCHEMA charter TO vector_planter; GRANT USAGE ON SCHEMA charter TO vector_friend"
            )
            run("SET LOCAL ROLE vector_planter")
            run(planted)
            run("RESET ROLE")
            driver: Any = connection.connection.driver_connection
            driver.execute(VECTORS_SQL)
            for role in ("vector_planter", "vector_friend"):
                may = (
                    "SELECT has_function_privilege(%s, 'charter.unchecked_vector(bytea, integer, boolean)', 'EXECUTE')"
                )
                assert run(may, (role,)).scalar() is False
