"""The commands ``plan``, ``reconcile``, ``verify`` and ``report``, of Airflow's CLI and of ``python -m``.

They submit nothing and write nothing to a destination. The exit code is 0 if nothing is missing or damaged,
1 if something is, 2 for an error. Every start of Airflow's CLI imports this module, so it must stay cheap.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

    from airflow_provider_assets.hooks.base import AssetArchiveHook
    from airflow_provider_assets.listing.inputs import ExportInputs
    from airflow_provider_assets.sansio.jobs import Data
    from airflow_provider_assets.sansio.reconcile import Problem
    from airflow_provider_assets.sansio.window import Window

GROUP = "asset-archives"
ABOUT = "Plan exports of asset archives, and check what has landed"
Command = Callable[[argparse.Namespace], int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Option:
    """An option, in the words that both argparse and Airflow understand."""

    flag: str
    words: Mapping[str, Any]


def _option(flag: str, **words: object) -> Option:
    return Option(flag, words)


CONN = _option("--conn-id", required=True, help="connection of the vendor")
DESTINATION = _option(
    "--destination", required=True, help="Airflow object storage URL; every landing below it counts"
)
WINDOW = _option(
    "--window",
    nargs=2,
    metavar=("START", "END"),
    help="half-open span of dates or ISO times, in UTC unless they name a zone; '-' as START means no "
    "beginning, as END it means now; default: everything",
)
SELECT = _option("--select", metavar="JSON", help="the listing filters of the export")
PERIOD = _option(
    "--period",
    default="day",
    choices=("day", "month", "year"),
    help="what one row covers (default: day)",
)
JSON_ = _option("--json", action="store_true", help="print JSON instead of a table")
REPORT = _option("--report", metavar="FILE", help="write everything, with all ids, to this file")


def _verify(default: str, *choices: str) -> Option:
    return _option(
        "--verify",
        default=default,
        choices=choices,
        help=f"how thoroughly objects are checked (default: {default})",
    )


def plan(arguments: argparse.Namespace) -> int:
    """Count items, batches and estimated bytes of an export; nothing is submitted."""
    from airflow_provider_assets.listing.estimate import estimate_export

    hook, inputs = _listing(arguments)
    estimate = estimate_export(hook, inputs, _window(arguments), arguments.period)
    _print(arguments, estimate.to_dict(), estimate.table())
    return 0


def reconcile(arguments: argparse.Namespace) -> int:
    """Compare the vendor's listing with all landings under a destination."""
    from airflow_provider_assets.audit import comparison
    from airflow_provider_assets.destinations import open_destination

    _check_report(arguments.report)
    target = open_destination(arguments.destination)
    hook, inputs = _listing(arguments)
    result = comparison.reconcile(
        hook,
        inputs,
        target,
        _window(arguments),
        period=arguments.period,
        verify=arguments.verify,
    )
    _print(arguments, result.to_dict(), result.table(), result.comparison.problems)
    if arguments.report:
        Path(arguments.report).write_bytes(result.document())
    return 0 if result.is_complete else 1


def verify(arguments: argparse.Namespace) -> int:
    """Check all landings under a destination against their manifests, without asking the vendor."""
    from airflow_provider_assets.audit.stocktaking import take_stock
    from airflow_provider_assets.destinations import open_destination
    from airflow_provider_assets.sansio.errors import InvalidRequestError

    target = open_destination(arguments.destination)
    stock = take_stock(target, period=arguments.period, verify=arguments.verify)
    if not stock.rows and not stock.problems:  # a typo would otherwise pass for a good result
        raise InvalidRequestError(
            f"nothing has landed below {target.store.uri(target.prefix)}; correct --destination"
        )
    _print(arguments, stock.to_dict(), stock.table(), stock.problems)
    return 1 if stock.problems else 0


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its name, what it does, its options."""

    name: str
    run: Command
    options: tuple[Option, ...]

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return str(self.run.__doc__).partition("\n")[0]


def report(arguments: argparse.Namespace) -> int:
    """Sum up what the manifests under a destination record, without reading any object."""
    arguments.verify = "manifest"
    return verify(arguments)


COMMANDS = (
    Subcommand("plan", plan, (CONN, WINDOW, SELECT, PERIOD, JSON_)),
    Subcommand(
        "reconcile",
        reconcile,
        (
            CONN,
            DESTINATION,
            WINDOW,
            SELECT,
            _verify("manifest", "manifest", "sizes", "bytes"),
            PERIOD,
            JSON_,
            REPORT,
        ),
    ),
    Subcommand("verify", verify, (DESTINATION, _verify("sizes", "sizes", "bytes"), PERIOD, JSON_)),
    Subcommand("report", report, (DESTINATION, PERIOD, JSON_)),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run a command of ``python -m airflow_provider_assets``; returns its exit code."""
    parser = argparse.ArgumentParser("python -m airflow_provider_assets", description=ABOUT)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            one.add_argument(option.flag, **option.words)
        one.set_defaults(run=command.run)
    arguments = parser.parse_args(words)
    return _guarded(arguments.run, arguments)


def airflow_commands() -> list[CLICommand]:
    """The commands of ``airflow asset-archives``, for Airflow 3.2 and later."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    return [
        GroupCommand(
            name=GROUP,
            help=ABOUT,
            subcommands=[
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=_exiting(command.run),
                    args=[
                        Arg((option.flag,), **option.words)  # type: ignore[no-untyped-call]
                        for option in command.options
                    ],
                )
                for command in COMMANDS
            ],
        )
    ]


def _exiting(run: Command) -> Callable[[argparse.Namespace], None]:
    """*run* with the exit code as Airflow's CLI takes it."""

    def command(arguments: argparse.Namespace) -> None:
        if code := _guarded(run, arguments):
            sys.exit(code)

    return command


def _guarded(run: Command, arguments: argparse.Namespace) -> int:
    """The exit code of *run*; an error is a line, and the traceback of an unexpected one is logged."""
    from airflow_provider_assets.airflow_compat import AirflowNotFoundException
    from airflow_provider_assets.sansio.errors import AssetsError

    # Airflow looks for connections in its database only in processes that say so.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    arguments.out = sys.stdout
    try:
        with _logging_to_stderr():
            return run(arguments)
    except Exception as error:  # noqa: BLE001  # Python would exit with 1, which means gaps
        if not isinstance(error, (AssetsError, AirflowNotFoundException, OSError)):
            _log.debug("Unexpected error", exc_info=True)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Keep standard output, where Airflow logs by default, for the result.

    Handlers of ``logging`` hold the stream that they were made with; loggers of ``structlog`` take the one
    that ``sys`` has when they are first used.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    with redirect_stdout(sys.stderr):
        yield


def _listing(arguments: argparse.Namespace) -> tuple[AssetArchiveHook, ExportInputs]:
    """The hook of the connection, and the checked inputs of an export of a window."""
    from airflow_provider_assets.hooks.base import AssetArchiveHook
    from airflow_provider_assets.listing.inputs import ExportInputs
    from airflow_provider_assets.sansio.errors import InvalidRequestError

    try:
        select = json.loads(arguments.select or "{}")
    except ValueError as error:
        raise InvalidRequestError(f"--select is not JSON: {error}") from None
    hook = AssetArchiveHook.for_conn(arguments.conn_id)
    return hook, ExportInputs(hook.vendor, None, select, {})


def _check_report(name: str | None) -> None:
    """Check, before anything is listed, that there is a place for the report."""
    from airflow_provider_assets.sansio.errors import InvalidRequestError

    if name is not None and (not name or Path(name).is_dir() or not Path(name).parent.is_dir()):
        raise InvalidRequestError(f"--report {name!r} is not a file in a folder that exists")


def _window(arguments: argparse.Namespace) -> Window | None:
    from airflow_provider_assets.sansio.moments import parse_moment
    from airflow_provider_assets.sansio.window import BEGINNING, Window

    def moment(text: str, name: str, none: datetime) -> datetime:
        if text == "-":
            return none
        try:
            plain = datetime.fromisoformat(text)
        except ValueError:
            return parse_moment(text, name)
        return plain if plain.tzinfo else plain.replace(tzinfo=timezone.utc)

    if arguments.window is None:
        return None
    start, end = cast("list[str]", arguments.window)
    now = datetime.now(timezone.utc)
    return Window(moment(start, "--window START", BEGINNING), moment(end, "--window END", now))


def _print(
    arguments: argparse.Namespace, data: Data, table: str, problems: Sequence[Problem] = ()
) -> None:
    if arguments.json:
        arguments.out.write(f"{json.dumps(data, indent=1, ensure_ascii=False)}\n")
        return
    arguments.out.write(f"{table}\n")
    for problem in problems:
        arguments.out.write(f"{problem.uri}: {problem.why}\n")
