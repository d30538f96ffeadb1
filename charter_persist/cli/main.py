"""The command itself: its subcommands in the order of a first day, and the one place where errors end.

Source: DESIGN 3 (command line).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from charter_persist.cli.commands.areas import area, authority, scope
from charter_persist.cli.commands.audit import audit
from charter_persist.cli.commands.backends import backends
from charter_persist.cli.commands.backup import backup, restore
from charter_persist.cli.commands.checkpoints import checkpoint, verify
from charter_persist.cli.commands.decisions import accept, evaluate, stance
from charter_persist.cli.commands.executions import events, threads
from charter_persist.cli.commands.export import export
from charter_persist.cli.commands.fsck import fsck
from charter_persist.cli.commands.graph import graph
from charter_persist.cli.commands.health import doctor, status
from charter_persist.cli.commands.import_ import import_
from charter_persist.cli.commands.indexes import rebuild
from charter_persist.cli.commands.intents import intents, migrate
from charter_persist.cli.commands.journal import log
from charter_persist.cli.commands.kv import kv
from charter_persist.cli.commands.objects import get, put
from charter_persist.cli.commands.refs import refs
from charter_persist.cli.commands.rehash import rehash
from charter_persist.cli.commands.resolutions import resolution
from charter_persist.cli.commands.sessions import candidate, session
from charter_persist.cli.commands.setup import init, upgrade
from charter_persist.cli.commands.timeline import timeline
from charter_persist.cli.commands.watch import watch
from charter_persist.cli.demo.command import demo
from charter_persist.cli.failure import ExitCode, exit_code, report_error, report_usage
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, StoreNotOpened, common_options
from charter_persist.errors import CharterError


@click.group(cls=OrderedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="charter-persist", prog_name="charter")
@common_options
def charter() -> None:
    """The system of record for decisions.

    Exit codes: 0 fine, 1 findings or a refused operation, 2 usage, 3 the store cannot be used.
    """


_COMMANDS: Final = (
    *(init, upgrade, status),
    *(area, authority, scope, session, candidate, stance, evaluate, accept, resolution),
    *(audit, timeline, graph),
    *(put, get, log, watch, refs, kv, intents, events, threads),
    *(checkpoint, verify, fsck, doctor, rebuild),
    *(backup, restore, export, import_, rehash, migrate),
    *(backends, demo),
)
for _command in _COMMANDS:
    charter.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; an error is printed, never raised.

    Args:
        arguments: without the name of the program.

    Returns:
        An `ExitCode`.
    """
    # Kept here and not by click, so that an error of the command line itself is answered in the wanted form.
    invocation = Invocation(as_json="--json" in arguments)
    try:
        code = charter.main(list(arguments), prog_name="charter", standalone_mode=False, obj=invocation)
    except StoreNotOpened as exc:
        report_error(exc.error, url=invocation.target(), as_json=invocation.as_json)
        return ExitCode.UNAVAILABLE
    except CharterError as exc:
        report_error(exc, url=invocation.target(), as_json=invocation.as_json)
        return exit_code(exc)
    except click.ClickException as exc:
        report_usage(exc, url=invocation.target(), as_json=invocation.as_json)
        return exc.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output went away; the interpreter must not fail once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.REFUSED
    return code if isinstance(code, int) else ExitCode.FINE


def main() -> NoReturn:
    """Entry point of the console script ``charter``."""
    sys.exit(run(sys.argv[1:]))
