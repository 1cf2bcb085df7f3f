"""The options of one run, from its command line or changed while it runs."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_provider_assets.sandbox.faults import Fault, parse_fault

VENDORS = ("scenario", "topaz", "roma")
_CHOICES: dict[str, tuple[object, ...]] = {
    "advance": ("time", "poll"),
    "missing": ("skip", "fail"),
    "zip_style": ("stored", "deflated", "streamed"),
    "roma_dialect": ("sdk", "docs2025", "old2022", "nested"),
    "roma_package": ("two-per-item", "per-item", "one"),
    "roma_container": ("zip", "tar", "gzip", "targz", "opaque"),
    "roma_framing": ("length", "chunked", "close"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that determines the sandbox's behaviour; equal options give equal answers.

    Durations are seconds, sizes bytes, days UTC dates.
    """

    port: int = 0
    vendors: tuple[str, ...] = VENDORS
    items: int = 200
    seed: int = 1
    until: dt.date = dt.date(2026, 1, 1)
    years: int = 3
    days: tuple[tuple[dt.date, int], ...] = ()
    history: int = 0
    item_bytes: int = 0
    state_dir: Path | None = None
    faults: tuple[Fault, ...] = ()
    follow_stdin: bool = False
    json: bool = False
    tls_chain: Path | None = None
    tls_key: Path | None = None
    advance: str = "time"
    job_seconds: float = 1.5
    url_seconds: float = 3600.0
    empty_pages: int = 4
    echo_input: bool = True
    missing: str = "skip"
    zip_style: str = "stored"
    roma_dialect: str = "sdk"
    roma_package: str = "two-per-item"
    roma_container: str = "zip"
    roma_framing: str = "length"


# The options that may change while the sandbox runs: its behaviour, but not what exists.
CHANGEABLE = frozenset(
    {
        "advance", "job_seconds", "url_seconds", "empty_pages", "echo_input", "missing",
        "zip_style", "item_bytes", "roma_dialect", "roma_package", "roma_container",
        "roma_framing",
    }
)  # fmt: skip


def changed(options: Options, changes: Mapping[str, object]) -> Options:
    """The options with these changes.

    :raises ValueError: for an option that is unknown or fixed, or for a value that it cannot have.
    """
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise ValueError(f"{name} cannot be changed while running; {sorted(CHANGEABLE)} can")
        known = type(getattr(options, name))
        right = isinstance(value, (int, float) if known is float else known)
        if not right or value not in _CHOICES.get(name, (value,)):
            allowed = _CHOICES.get(name) or known.__name__
            raise ValueError(f"{name} cannot be {value!r}; it takes {allowed}")
    return replace(options, **changes)  # type: ignore[arg-type]  # a wrong one raises


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """The options that a command line gives; ``argparse`` exits with 2 on a bad one."""
    given = vars(_parser().parse_args(argv))
    vendor = given.pop("vendor")
    given["vendors"] = VENDORS if vendor == "all" else (vendor,)
    given["days"] = tuple(given.pop("day"))
    given["faults"] = tuple(given.pop("fault"))
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="The Scenario, Topaz Labs and Huawei ROMA Connect APIs on localhost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port of the APIs; 0 for any free one")
    add("--vendor", choices=(*VENDORS, "all"), default="all", help="which APIs to serve")
    add("--state-dir", type=Path, default=None,
        help="folder for archives and uploads; a temporary one if not given")  # fmt: skip
    add("--follow-stdin", action="store_true", help="stop when standard input is closed")
    add("--json", action="store_true",
        help="print one line of JSON for programs, with the ids of ROMA Connect's items, instead of "
        "commands for a shell")  # fmt: skip
    add("--tls-chain", type=Path, default=None,
        help="PEM file of a certificate for localhost and 127.0.0.1: serve over https")  # fmt: skip
    add("--tls-key", type=Path, default=None, help="PEM file of its key, if that is another file")
    add("--fault", action="append", default=[], type=_fault, metavar="SPEC",
        help="arm a fault, such as download:reset@65536:1; repeatable")  # fmt: skip
    _add_items(parser)
    _add_jobs(parser)
    _add_roma(parser)
    return parser


def _add_items(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("items at the vendor").add_argument
    add(
        "--items",
        type=int,
        default=200,
        help="number of items, spread over the years before --until",
    )
    add("--seed", type=int, default=1, help="seed of the items; equal seeds give equal items")
    add("--until", type=dt.date.fromisoformat, default=dt.date(2026, 1, 1),
        help="end of the spread (exclusive)")  # fmt: skip
    add("--years", type=int, default=3, help="length of the spread")
    add("--day", action="append", default=[], type=_day, metavar="YYYY-MM-DD=COUNT",
        help="create exactly COUNT items within this UTC day; repeatable")  # fmt: skip
    add("--history", type=int, default=0, metavar="COUNT",
        help="COUNT more assets of Scenario, evenly over the years; a million cost no memory, but only "
        "their listing by time is quick")  # fmt: skip
    add("--item-bytes", type=int, default=0, help="pad each item to about this size")


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("jobs and links").add_argument
    add(
        "--advance",
        choices=_CHOICES["advance"],
        default="time",
        help="whether time or each poll moves a job to its next state",
    )
    add("--job-seconds", type=float, default=1.5, help="duration of a job with --advance time")
    add("--url-seconds", type=float, default=3600.0, help="lifetime of a signed link")
    add("--empty-pages", type=int, default=4, help="make every Nth page empty; 0 for none")
    add("--no-echo-input", dest="echo_input", action="store_false",
        help="leave the submitted query and options out of a job's metadata.input")  # fmt: skip
    add(
        "--missing",
        choices=_CHOICES["missing"],
        default="skip",
        help="skip unknown ids in an archive, or fail the job",
    )
    add("--zip-style", choices=_CHOICES["zip_style"], default="stored",
        help="compression; streamed is deflated with the sizes in data descriptors only")  # fmt: skip


def _add_roma(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("ROMA Connect").add_argument
    add("--roma-dialect", choices=_CHOICES["roma_dialect"], default="sdk",
        help="generation of the export API: its request body and its job states")  # fmt: skip
    add("--roma-package", choices=_CHOICES["roma_package"], default="two-per-item",
        help="files in a package: one for all items, or one or two per item")  # fmt: skip
    add("--roma-container", choices=_CHOICES["roma_container"], default="zip",
        help="format of a package; gzip and opaque lose the names of the files")  # fmt: skip
    add("--roma-framing", choices=_CHOICES["roma_framing"], default="length",
        help="end of a package's body: by Content-Length, chunks, or closing")  # fmt: skip


def _day(text: str) -> tuple[dt.date, int]:
    day, _, count = text.partition("=")
    return dt.date.fromisoformat(day), int(count)


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
