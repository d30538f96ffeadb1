"""Calls `charter` in this process, as a shell would: arguments and bytes in, exit code and text out."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from charter_persist.cli.main import run


class Terminal(io.TextIOWrapper):
    """Says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Answer:
    """What a call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a call with ``--json``."""
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


def charter(*arguments: str, stdin: bytes = b"", terminal: bool = False) -> Answer:
    """Call `charter`; with `terminal` both outputs are one."""
    stream = Terminal if terminal else io.TextIOWrapper
    out, err = io.BytesIO(), io.BytesIO()
    with (
        redirect_stdout(stream(out, encoding="utf-8", write_through=True)),
        redirect_stderr(stream(err, encoding="utf-8", write_through=True)),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")),
    ):
        code = run(arguments)
        return Answer(code, out.getvalue().decode(), err.getvalue().decode())
