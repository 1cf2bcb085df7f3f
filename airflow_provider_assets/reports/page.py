"""The report of one run: a self-contained HTML page without scripts, which needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from airflow_provider_assets.sansio.jobs import ArchiveRequest

# Long lists of ids belong in the metadata; a page is read by a person.
MAX_PROBLEMS = 50
FOLDER = "reports/"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
CSS = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #2e7d4f; --bad: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --good: #6cc492; --bad: #ff8a7a; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .5rem; }
.totals div { background: var(--soft); border-radius: .5rem; padding: .5rem .75rem; }
.totals b { display: block; font-size: 1.3rem; overflow-wrap: anywhere; }
.batch { border-top: 1px solid var(--line); padding: .6rem 0; overflow-wrap: anywhere; }
.bar { height: .6rem; margin: .3rem 0; position: relative; background: var(--soft); }
.bar i { position: absolute; inset: 0 auto 0 0; display: block; }
.archived { background: #7aa7d9; } .landed { background: var(--good); }
.bad { color: var(--bad); } small { opacity: .75; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .75rem; }
figure { margin: 0; } figure img { width: 100%; height: auto; border-radius: .4rem; display: block; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
"""


def report_name(request: ArchiveRequest) -> str:
    """Name, below a destination, of the report of the run that *request* is a batch of."""
    return f"{FOLDER}{report_title(request)}.html"


def report_title(request: ArchiveRequest) -> str:
    """The common part of the names of all batches."""
    return replace(request, index=0, of=1).stem


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch in the report.

    :param number: from 1.
    :param items: number of items that were listed; the vendor *archived* so many of them.
    :param landed: files in the destination; None if the batch has not landed.
    :param seconds: that this run took to land it; None if it has not, or an earlier run did.
    :param problems: item id, or "" for the whole batch -> the reason and the remedy.
    """

    number: int
    items: int
    archived: int
    landed: int | None = None
    bytes: int = 0
    seconds: float | None = None
    uri: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail: JPEG in base64, and its caption."""

    jpeg: str
    caption: str
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows.

    :param title: of the export.
    :param facts: name -> text, such as the window and the destination.
    :param note: about the thumbnails, where there are none.
    """

    title: str
    facts: Mapping[str, str]
    batches: Sequence[BatchLine]
    pictures: Sequence[Picture] = ()
    note: str = ""


def render(report: Report) -> str:
    """The page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Nothing is fetched, whatever a prompt or a file name holds.
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(report.title)}</title><style>{CSS}</style></head><body>",
        f"<h1>{escape(report.title)}</h1>",
        *(
            f"<small>{escape(name)}: {escape(text)}</small><br>"
            for name, text in report.facts.items()
        ),
        "<h2>Totals</h2>",
        _totals(report.batches),
        "<h2>Batches</h2>",
        "<small>Bars: listed, archived by the vendor (blue), landed (green).</small>",
        *(_batch(line, max(one.items for one in report.batches)) for line in report.batches),
        *_contact_sheet(report),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _totals(batches: Sequence[BatchLine]) -> str:
    landed = [line for line in batches if line.landed is not None]
    moved = [line for line in landed if line.seconds]
    seconds = sum(line.seconds or 0.0 for line in moved)
    problems = sum(len(line.problems) for line in batches)
    totals = {
        "batches landed": f"{len(landed)} of {len(batches)}",
        "items listed": f"{sum(line.items for line in batches):,}",
        "items archived": f"{sum(line.archived for line in batches):,}",
        "files landed": f"{sum(line.landed or 0 for line in landed):,}",
        "landed": size(sum(line.bytes for line in landed)),
        "per second and batch": size(sum(line.bytes for line in moved) / seconds)
        if seconds
        else "–",
        "problems": f"{problems:,}",
    }
    shown = "".join(f"<div><b>{escape(text)}</b>{name}</div>" for name, text in totals.items())
    return f'<div class="totals">{shown}</div>'


def _batch(line: BatchLine, most: int) -> str:
    landed = line.landed or 0
    text = [
        f"<b>Batch {line.number}</b>: {line.items:,} listed",
        f"{line.archived:,} archived",
        f"{landed:,} files landed",
    ]
    if line.landed is None:
        text.append('<b class="bad">has not landed</b>')
    else:
        text.append(size(line.bytes))
        text.append("landed before" if line.seconds is None else f"{line.seconds:.1f} s")
    bar = (
        f'<div class="bar" style="width:{_part(line.items, most)}">'
        f'<i class="archived" style="width:{_part(line.archived, line.items)}"></i>'
        f'<i class="landed" style="width:{_part(min(landed, line.items), line.items)}"></i></div>'
    )
    where = f"<small>{escape(line.uri)}</small>" if line.uri else ""
    return f'<div class="batch">{", ".join(text)}{bar}{where}{_problems(line.problems)}</div>'


def _part(count: int, of: int) -> str:
    return f"{100 * min(count, of) / of if of else 0:.1f}%"


def _problems(problems: Mapping[str, str]) -> str:
    if not problems:
        return ""
    rows = [
        f"<li>{escape(f'{item}: {why}' if item else why)}</li>"
        for item, why in list(problems.items())[:MAX_PROBLEMS]
    ]
    if len(problems) > MAX_PROBLEMS:
        rows.append(f"<li>and {len(problems) - MAX_PROBLEMS:,} more</li>")
    return f'<ul class="bad">{"".join(rows)}</ul>'


def _contact_sheet(report: Report) -> Iterable[str]:
    if report.note:
        yield f"<h2>Pictures</h2><small>{escape(report.note)}</small>"
    if report.pictures:
        yield '<h2>Pictures</h2><div class="sheet">'
        for picture in report.pictures:
            yield (
                f'<figure><img alt="{escape(picture.name)}" src="data:image/jpeg;base64,{picture.jpeg}">'
                f"<figcaption>{escape(picture.caption or picture.name)}</figcaption></figure>"
            )
        yield "</div>"


def size(count: float) -> str:
    """*count* bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
