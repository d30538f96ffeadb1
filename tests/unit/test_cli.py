"""The command line as a whole: which store it opens, how it ends, what it prints and what it never prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist import errors, upgrade
from charter_persist.cli.commands import health
from charter_persist.cli.failure import ExitCode, exit_code, report_error
from charter_persist.cli.location import location, shown_url, without_passwords
from charter_persist.cli.main import charter as command
from charter_persist.cli.output import printable
from tests.command_line import charter
from tools import make_cli_reference, make_error_reference

COMMANDS = [
    *("init", "upgrade", "status"),
    *("area", "authority", "scope", "session", "candidate", "stance", "evaluate", "accept", "resolution"),
    *("audit", "timeline", "graph"),
    *("put", "get", "log", "watch", "refs", "kv", "intents", "events", "threads"),
    *("checkpoint", "verify", "fsck", "doctor", "rebuild"),
    *("backup", "restore", "export", "import", "rehash", "migrate-from-file"),
    *("backends", "demo"),
]
SECRET = "s3cr/t pa:ss@word"


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    return url


def all_commands(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = [group]
    for child in group.commands.values():
        found += all_commands(child) if isinstance(child, click.Group) else [child]
    return found


class TestWhichStore:
    @pytest.mark.parametrize("order", ["before", "behind", "both"])
    def test_url_and_json_stand_before_or_behind_the_command(self, url: str, order: str) -> None:
        options = ("--url", url, "--json")
        before = options if order != "behind" else ()
        behind = options if order != "before" else ()
        assert charter(*before, "refs", *behind, "list").json == {"refs": [], "cursor": None, "revision": 0}
        assert charter(*before, "refs", "list", *behind).json == {"refs": [], "cursor": None, "revision": 0}

    def test_the_innermost_url_wins(self, url: str) -> None:
        assert charter("--url", "nonsense", "status", "--url", url).code == ExitCode.FINE

    def test_the_environment_names_the_store_where_no_option_does(
        self, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("CHARTER_URL", url)
        assert charter("status", "--json").json["location"] == str(tmp_path / "store.db")
        assert charter("status", "--url", "nonsense").code == ExitCode.UNAVAILABLE

    @pytest.mark.parametrize("empty", [None, ""])
    def test_the_default_is_a_file_of_the_current_folder(
        self, empty: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("CHARTER_URL", raising=False)
        if empty is not None:
            monkeypatch.setenv("CHARTER_URL", empty)
        assert charter("init", "--json").json["location"] == str(tmp_path / "charter.db")
        assert (tmp_path / "charter.db").exists()


class TestHowItEnds:
    @pytest.mark.parametrize(
        "cls", [cls for _, cls in make_error_reference.family(errors.CharterError)], ids=lambda cls: cls.__name__
    )
    def test_every_error_has_its_exit_code_and_no_traceback(self, cls: type[errors.CharterError]) -> None:
        error = cls.__new__(cls)
        error.args = ("what happened and what to do",)
        with patch.object(health, "count_records", side_effect=error):
            told = charter("status", "--url", "memory://")
        unusable = issubclass(cls, errors.BackendError | errors.SchemaError)
        assert told.code == (ExitCode.UNAVAILABLE if unusable else ExitCode.REFUSED)
        assert told.err == f"charter: what happened and what to do [{cls.code}]\n"
        assert told.out == ""

    def test_an_error_in_json_has_code_message_retryable_applied_and_facts(self, url: str) -> None:
        told = charter("refs", "delete", "a/b", "--expected", "7", "--url", url, "--json")
        assert told.code == ExitCode.REFUSED
        assert told.out == ""
        assert told.error == {
            "code": "version-conflict",
            "message": "ref a/b has version 0, expected was 7; read it and decide anew",
            "retryable": False,
            "applied": "no",
            "facts": {"actual": 0, "expected": 7},
        }

    def test_an_error_tells_facts_and_never_payloads(self, capsys: pytest.CaptureFixture[str]) -> None:
        error = errors.TransactionFailedError(index=3, check={"value": "payload"})
        error.__dict__.update(text="payload", root=b"payload", candidates=("a", "b"), name=None, operation_id=9)
        report_error(error, url="memory://", as_json=True)
        told = capsys.readouterr().err
        assert '"facts": {"candidates": ["a", "b"], "index": 3, "name": null, "operation_id": 9}' in told
        assert "payload" not in told

    def test_an_unknown_commit_is_told_as_such(self, capsys: pytest.CaptureFixture[str]) -> None:
        report_error(errors.CommitUnknownError(operation_id="op-1"), url="memory://", as_json=True)
        assert '"applied": "unknown", "facts": {"operation_id": "op-1"}' in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("nosuch",),
            ("status", "extra"),
            ("get",),
            ("put", "area", "/no/such/file"),
            ("log", "--limit", "0"),
            ("log", "--limit", "many"),
            ("log", "--after", "-1"),
            ("refs", "set", "a", "b"),
            ("refs", "delete", "a", "--expected", "0"),
            ("verify", "--public-key", "x"),
            ("verify", "--checkpoint", "/no/such/file"),
            ("checkpoint", "--key", "/no/such/file"),
        ],
        ids=" ".join,
    )
    def test_a_wrong_command_line_is_usage_in_either_form(self, arguments: tuple[str, ...]) -> None:
        told = charter("--url", "memory://", *arguments)
        assert (told.code, told.out) == (ExitCode.USAGE, "")
        assert told.err.startswith("Usage: charter")
        told = charter("--url", "memory://", "--json", *arguments)
        assert (told.code, told.out, told.error["code"]) == (ExitCode.USAGE, "", "usage")

    def test_an_interrupt_ends_quietly(self) -> None:
        with patch.object(health, "count_records", side_effect=KeyboardInterrupt):
            told = charter("status", "--url", "memory://")
        assert told.code == ExitCode.INTERRUPTED
        assert "Traceback" not in told.err

    def test_a_reader_that_went_away_ends_it_quietly(self, url: str, tmp_path: Path) -> None:
        program = "from charter_persist.cli.main import main; main()"
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-c", program, "status", "--url", url], stdout=writing, stderr=subprocess.PIPE, check=False
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (ExitCode.REFUSED, b"")

    def test_a_program_error_is_not_hidden(self) -> None:
        with (
            patch.object(health, "count_records", side_effect=AttributeError),
            pytest.raises(AttributeError),
        ):
            charter("status", "--url", "memory://")

    def test_exit_codes_are_those_of_the_design(self) -> None:
        assert exit_code(errors.NotFoundError()) == 1
        assert exit_code(errors.StorageFullError()) == exit_code(errors.MigrationRequiredError()) == 3
        assert (ExitCode.FINE, ExitCode.USAGE) == (0, 2)


class TestPasswords:
    def test_no_option_takes_a_password(self) -> None:
        names = [name for item in all_commands(command) for option in item.params for name in option.opts]
        assert "--url" in names
        assert not [name for name in names if "pass" in name or "secret" in name or "token" in name]

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg://me:s3cr%2Ft%20pa%3Ass%40word@127.0.0.1:1/db",
            "postgresql+psycopg://me@127.0.0.1:1/db?password=s3cr%2Ft%20pa%3Ass%40word",
            f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/db",
            f"mysql://me:{SECRET}@host/db",
            f"s3://me:{SECRET}@host/db",
            f"postgresql+psycopg://me:{SECRET}@[/db",
        ],
    )
    @pytest.mark.parametrize("name", ["status", "init", "demo", "doctor"])
    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_no_output_has_the_password_of_the_url(self, url: str, name: str, form: tuple[str, ...]) -> None:
        told = charter(name, "--url", url, *form)
        assert told.code == ExitCode.UNAVAILABLE
        for spelling in (SECRET, "s3cr%2Ft", "s3cr", "word"):
            assert spelling not in told.out + told.err

    @given(st.text(st.characters(exclude_characters="@", exclude_categories=["Cs"]), min_size=1))
    def test_a_shown_url_has_no_password(self, password: str) -> None:
        assert shown_url(f"postgresql://me:{password}@host/db") == "postgresql://me:***@host/db"
        assert shown_url(f"postgresql://me:{password}@{password}@host/db") == "postgresql://me:***@host/db"

    @given(st.text(st.sampled_from("abc%40/:?"), min_size=1), st.text(st.sampled_from("abc%40/:?*")))
    def test_a_text_loses_every_spelling_of_the_password(self, password: str, text: str) -> None:
        cleaned = without_passwords(f"<{password}>{text}", f"postgresql://me:{password}@host/db?sslpassword=zz")
        assert password not in cleaned or password in "***"
        assert without_passwords("zz", f"postgresql://me:{password}@host/db?sslpassword=zz") == "***"

    def test_a_url_without_a_password_is_shown_as_it_is(self) -> None:
        for url in ("postgresql+psycopg://me@host:5432/db?schema=x", "sqlite:///a.db", "memory://", "nonsense"):
            assert shown_url(url) == without_passwords(url, url) == url

    def test_a_sqlite_file_is_shown_with_its_whole_path(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        assert location("sqlite:///a.db?x=1") == location("sqlite+pysqlite:///a.db") == str(tmp_path / "a.db")
        assert location("sqlite:////a.db") == "/a.db"
        assert location("sqlite://") == "sqlite://"


class TestOutput:
    @pytest.mark.parametrize("character", ["\x1b", "\x07", "\x9b", "\x7f", "\u202e", "\u200b", "\ud800", "\n", "\t"])
    def test_what_would_steer_a_terminal_is_escaped(self, character: str) -> None:
        shown = printable(f"a{character}[31mé")
        assert shown.isprintable()
        assert shown.startswith("a\\")
        assert shown.endswith("[31mé")

    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_a_terminal_gets_no_control_character_of_an_object(self, url: str, form: tuple[str, ...]) -> None:
        content = '{"text":"\\u001b]0;owned\\u0007 \u202e \u009b31m"}'.encode()
        digest = charter("put", "note", "--url", url, stdin=content).out.strip()
        shown = charter("get", digest, "--url", url, *form, terminal=True).out
        assert "owned" in shown
        assert not set(shown) & set("\x1b\x07\u202e\x9b")

    def test_a_terminal_gets_tables_and_a_pipe_gets_lines(self, url: str) -> None:
        digest = charter("put", "note", "--url", url, stdin=b"{}").out.strip()
        plain = charter("log", "--url", url).out.splitlines()
        assert plain[0] == "position\trevision\trecorded_at\tstore\toperation\tsubject"
        assert plain[1].split("\t")[3:] == ["object", "put", f"note/{digest}"]
        table = charter("log", "--url", url, terminal=True).out
        assert "\t" not in table
        assert "recorded_at" in table
        assert "│" in table

    def test_markup_in_a_value_is_text(self, url: str) -> None:
        digest = charter("put", "note", "--url", url, stdin=b"{}").out.strip()
        charter("refs", "set", "[red]x[/red]", digest, "--expected", "0", "--url", url)
        assert "[red]x[/red]" in charter("refs", "list", "--url", url, terminal=True).out

    def test_progress_is_on_standard_error_of_a_terminal_alone(self, url: str) -> None:
        quiet = charter("verify", "--url", url)
        assert quiet.err == ""
        loud = charter("verify", "--url", url, terminal=True)
        assert "verifying" in loud.err
        assert "verifying" not in loud.out

    def test_json_is_ascii(self, url: str) -> None:
        digest = charter("put", "note", "--url", url, stdin='{"é":"😀"}'.encode()).out.strip()
        told = charter("get", digest, "--url", url, "--json")
        assert told.out.isascii()
        assert told.json["object"] == {"é": "😀"}


class TestReference:
    def test_the_page_is_current(self) -> None:
        assert make_cli_reference.PAGE.read_text(encoding="utf-8") == make_cli_reference.page()

    @pytest.mark.parametrize("path", [(), *((name,) for name in COMMANDS), ("refs", "set"), ("session", "start")])
    def test_the_help_that_is_printed_is_the_one_on_the_page(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        told = charter(*path, "--help")
        assert told.code == ExitCode.FINE
        assert told.out.strip() in make_cli_reference.PAGE.read_text(encoding="utf-8")

    def test_the_commands_are_those_of_the_design_in_their_order(self) -> None:
        assert list(command.commands) == COMMANDS

    def test_every_command_has_both_common_options_and_a_help_for_each_option(self) -> None:
        for item in all_commands(command):
            options: dict[str, Any] = {o.opts[0]: o for o in item.params if isinstance(o, click.Option)}
            assert {"--url", "--json"} <= set(options), item.name
            assert all(option.help for option in options.values()), item.name
            assert (item.help or "").splitlines()[0].endswith("."), item.name

    def test_the_version_is_told(self) -> None:
        assert charter("--version").out.startswith("charter, version 0.1.0")
