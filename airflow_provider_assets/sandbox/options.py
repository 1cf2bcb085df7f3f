"""What one run of the sandbox is told on its command line."""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .faults import Fault, parse_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Everything that decides how the sandbox behaves; equal options give equal answers.

    Durations are seconds, sizes bytes, days UTC dates.
    """

    port: int = 0
    vendors: tuple[str, ...] = VENDORS
    items: int = 200
    seed: int = 1
    until: dt.date = dt.date(2026, 1, 1)
    years: int = 3
    days: tuple[tuple[dt.date, int], ...] = ()
    item_bytes: int = 0
    state_dir: Path | None = None
    faults: tuple[Fault, ...] = ()
    follow_stdin: bool = False
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


# What may change while the sandbox runs: how it behaves, but not what exists.
CHANGEABLE = frozenset(
    {
        "advance", "job_seconds", "url_seconds", "empty_pages", "echo_input", "missing",
        "zip_style", "item_bytes", "roma_dialect", "roma_package", "roma_container",
        "roma_framing",
    }
)  # fmt: skip


def changed(options: Options, changes: Mapping[str, object]) -> Options:
    """The options with these changes; raises ValueError for what cannot be changed so."""
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise ValueError(f"{name} cannot be changed, only {sorted(CHANGEABLE)}")
        known = type(getattr(options, name))
        right = isinstance(value, (int, float) if known is float else known)
        if not right or value not in _CHOICES.get(name, (value,)):
            raise ValueError(f"{name} is {_CHOICES.get(name) or known.__name__}, not {value!r}")
    return replace(options, **changes)  # type: ignore[arg-type]  # a wrong one raises


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Turn command-line arguments into `Options`; argparse exits with 2 on a bad one."""
    given = vars(_parser().parse_args(argv))
    vendor = given.pop("vendor")
    given["vendors"] = VENDORS if vendor == "all" else (vendor,)
    given["days"] = tuple(given.pop("day"))
    given["faults"] = tuple(given.pop("fault"))
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_assets.sandbox",
        description="The Scenario, Topaz Labs and Huawei ROMA Connect APIs on localhost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port of the APIs; 0 takes a free one")
    add("--vendor", choices=(*VENDORS, "all"), default="all", help="which APIs to serve")
    add("--state-dir", type=Path, default=None, help="where archives are kept; else temporary")
    add("--follow-stdin", action="store_true", help="stop when standard input closes")
    add("--fault", action="append", default=[], type=_fault, metavar="SPEC", help="repeatable")
    _add_items(parser)
    _add_jobs(parser)
    _add_roma(parser)
    return parser


def _add_items(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what exists at the vendor").add_argument
    add("--items", type=int, default=200, help="items spread over the years before --until")
    add("--seed", type=int, default=1, help="equal seeds give equal items")
    add(
        "--until", type=dt.date.fromisoformat, default=dt.date(2026, 1, 1), help="end of the spread"
    )
    add("--years", type=int, default=3, help="length of the spread")
    add("--day", action="append", default=[], type=_day, metavar="YYYY-MM-DD=COUNT",
        help="exactly COUNT items are created within this UTC day; repeatable")  # fmt: skip
    add("--item-bytes", type=int, default=0, help="pad each item to about this size")


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how jobs and links behave").add_argument
    add("--advance", choices=_CHOICES["advance"], default="time", help="what moves a job on")
    add("--job-seconds", type=float, default=1.5, help="duration of a job with --advance time")
    add("--url-seconds", type=float, default=3600.0, help="lifetime of a signed link")
    add("--empty-pages", type=int, default=4, help="every Nth page is empty; 0 for none")
    add("--no-echo-input", dest="echo_input", action="store_false",
        help="jobs do not repeat the submitted query and options in metadata.input")  # fmt: skip
    add("--missing", choices=_CHOICES["missing"], default="skip", help="unknown ids in an archive")
    add("--zip-style", choices=_CHOICES["zip_style"], default="stored",
        help="streamed: deflated, sizes only in data descriptors")  # fmt: skip


def _add_roma(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("ROMA Connect").add_argument
    add(
        "--roma-dialect",
        choices=_CHOICES["roma_dialect"],
        default="sdk",
        help="spelling of job states",
    )
    add("--roma-package", choices=_CHOICES["roma_package"], default="two-per-item",
        help="files in a package: one for all items, or one or two for each")  # fmt: skip
    add("--roma-container", choices=_CHOICES["roma_container"], default="zip",
        help="what the files are packed in; gzip and opaque lose their names")  # fmt: skip
    add(
        "--roma-framing",
        choices=_CHOICES["roma_framing"],
        default="length",
        help="framing of the archive",
    )


def _day(text: str) -> tuple[dt.date, int]:
    day, _, count = text.partition("=")
    return dt.date.fromisoformat(day), int(count)


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
