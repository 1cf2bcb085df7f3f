"""The faults of the table: what goes wrong, for how long, at which stages, and how it has to end."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fault_stages import MIB, STAGES, Budget
from front import DOWNLOAD, LIST, POLL, SUBMIT, Asked, Reply, Spoil, Trouble, sent
from origin import Fault
from s3_quirks import Refusal

API = tuple(stage for stage in STAGES if stage != "landing")
IMPATIENT = Budget(stall=0.5)
PATIENT = Budget(attempts=4)  # more failures than the fresh links that may be refused
HTML = b"<html><body><h1>Sign in to the network</h1></body></html>"
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
ONCE, ATTEMPT, ALWAYS = "once", "an attempt", "always"


def what(stage: str, vendor: str) -> str:
    """The requests that are hit at a stage: those that it cannot do without."""
    if stage == "archive":
        return POLL if vendor == "topaz" else SUBMIT
    return {"landing": DOWNLOAD, "sensor": POLL, "trigger": POLL, "watcher": LIST}[stage]


@dataclass(frozen=True)
class Row:
    """One fault.

    :param lasts: ``ONCE`` hits one request, ``ATTEMPT`` all of the first attempt, ``ALWAYS`` those of every
        attempt, until somebody repairs it.
    :param is_final: whether the error must be of a class that is not tried again; every other fault ends in
        the right bytes.
    :param door: of the front to which the vendor's connection (for a landing, its link) leads.
    :param instead: see :class:`front.Trouble`, :param spoil: likewise.
    :param disk: number of an error of the file system -> bytes that can be written before it.
    :param refusals: of the S3 store; of ``store="closed"``, nobody listens there.
    :param is_racy: whether it depends on the moment what has arrived before, and so the class of the error.
    :param ends_as: "other" where the vendor's file is another one in the end.
    """

    name: str
    lasts: str
    instead: Fault | None = None
    spoil: Spoil | None = None
    after: int = 0
    door: str = ""
    store: str = "disk"
    refusals: tuple[Refusal, ...] = ()
    disk: str = ""
    state: bool = False
    clock: float = 0.0
    stages: tuple[str, ...] = STAGES
    schemes: tuple[str, ...] = ("http", "https")
    vendors: tuple[str, ...] = ("scenario", "topaz", "roma")
    is_final: bool = False
    budget: Budget = field(default_factory=Budget)
    ends_as: str = ""
    is_racy: bool = False

    @property
    def hits_store(self) -> bool:
        return bool(self.disk or self.store != "disk")

    @property
    def title(self) -> str:
        return f"{self.name}, {self.lasts}"

    def applies(self, stage: str, vendor: str, scheme: str) -> bool:
        # Plans are written for what a listing says of items; the others name theirs here.
        is_written = stage != "archive" or vendor == "scenario" or not self.hits_store
        return (
            stage in self.stages
            and vendor in self.vendors
            and scheme in self.schemes
            and is_written
        )

    def trouble(self, stage: str, vendor: str) -> Trouble | None:
        if not (self.instead or self.spoil):
            return None
        times = 1 if self.lasts == ONCE else None
        return Trouble(what(stage, vendor), self.instead, self.spoil, times, self.after)


def _with(reply: Reply, **headers: str) -> Reply:
    return replace(reply, headers={**reply.headers, **headers})


def _zipped(reply: Reply, asked: Asked) -> Reply:
    encoded = replace(reply, content=gzip.compress(reply.content, 1))
    return _with(encoded, **{"Content-Encoding": "gzip"})


def _extra(reply: Reply, asked: Asked) -> Reply:
    return replace(reply, content=reply.content + b"extra")


def _shorter(reply: Reply, asked: Asked) -> Reply:
    return replace(reply, content=reply.content[:-9])


def _half(reply: Reply, asked: Asked, *, reset: bool = False) -> Reply:
    """Half of the body; of later answers nothing, or a landing would get on by halves."""
    size = len(reply.content) // 2 if asked.number < 3 else 0
    return replace(reply, how=Fault(cut=size, reset=reset))


def _stalls(reply: Reply, asked: Asked) -> Reply:
    size = len(reply.content) // 2 if asked.number < 3 else 0
    return replace(reply, how=Fault(stall=size, stalled=2.0))


def _shifted(reply: Reply, asked: Asked) -> Reply:
    """A Content-Range that begins one byte later than what was asked for."""
    span = reply.headers.get("Content-Range", "")
    first, dash, rest = span.removeprefix("bytes ").partition("-")
    return (
        _with(reply, **{"Content-Range": f"bytes {int(first) + 1}{dash}{rest}"}) if dash else reply
    )


def _whole(reply: Reply, asked: Asked) -> Reply:
    headers = {name: text for name, text in reply.headers.items() if name != "Content-Range"}
    return replace(reply, status=200, headers=headers, content=asked.whole())


def _range_refused(reply: Reply, asked: Asked) -> Reply:
    """A host that refuses ranges, and nothing else."""
    if "Range" not in asked.headers:
        return reply
    return Reply(416, {"Content-Range": f"bytes */{len(asked.whole())}"}, b"")


def _etag_changes(reply: Reply, asked: Asked) -> Reply:
    """From the third request on the file has another ETag, and If-Range is obeyed."""
    if asked.number < 3:
        return reply
    condition = asked.headers.get("If-Range", '"new"')
    return _with(reply if condition == '"new"' else _whole(reply, asked), ETag='"new"')


def _if_range_ignored(reply: Reply, asked: Asked) -> Reply:
    if asked.number < 3:
        return reply
    spans = {**asked.headers}
    return _with(_ranged(reply, asked.whole(), spans), ETag='"new"')


def _ranged(reply: Reply, data: bytes, asked: Mapping[str, str]) -> Reply:
    """The range of *data* that was asked for."""
    span = asked.get("Range", "").removeprefix("bytes=")
    if not span:
        return replace(reply, status=200, content=data)
    first, _, last = span.partition("-")
    start, end = int(first), min(int(last or len(data)), len(data) - 1)
    if start >= len(data):
        return Reply(416, {"Content-Range": f"bytes */{len(data)}"}, b"")
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}
    return Reply(206, headers, data[start : end + 1])


def _expires(after: int) -> Spoil:
    """A link that is refused after some requests; every other link is good."""

    def spoil(reply: Reply, asked: Asked) -> Reply:
        is_over = asked.link == 1 and asked.number > after
        return Reply(403, {"Content-Type": "application/xml"}, EXPIRED) if is_over else reply

    return spoil


def other(data: bytes) -> bytes:
    """Another file of the same kind: a zip with a comment, else an image with one more byte."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data + b"!"
    made = io.BytesIO(data)
    with zipfile.ZipFile(made, "a") as opened:
        opened.comment = b"another one"
    return made.getvalue()


def _other_behind_fresh_link(reply: Reply, asked: Asked) -> Reply:
    """The first link expires after three requests, and the next one leads to another file."""
    if asked.link == 1:
        return _expires(3)(reply, asked)
    changed = _ranged(reply, other(asked.whole()), asked.headers)
    return changed if changed.status == 416 else _with(changed, ETag='"other"')


def _answers(status: int, **headers: str) -> Fault:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return Fault(status=status, body=b"{}", headers={"Content-Type": "application/json", **given})


def _both(name: str, **how: object) -> list[Row]:
    """A fault that hits one request, and one that hits a whole attempt."""
    return [Row(name, lasts, **how) for lasts in (ONCE, ATTEMPT)]  # type: ignore[arg-type]  # of a row


LANDING: dict[str, object] = {"stages": ("landing",)}
RANGED: dict[str, object] = {**LANDING, "vendors": ("scenario", "topaz")}
# How far the parallel requests have got by then depends on the moment.
LATE: dict[str, object] = {**RANGED, "is_racy": True}
S3_PARTS = Budget(part_size=5 * MIB)
STORED: dict[str, object] = {"stages": ("archive", "landing")}  # plans, and what lands
ON_S3: dict[str, object] = {**STORED, "store": "s3", "budget": S3_PARTS}
TLS: dict[str, object] = {"schemes": ("https",)}


def _refused(operations: str, status: int, code: str, **how: int) -> tuple[Refusal, ...]:
    return tuple(Refusal(one, status, code, **how) for one in operations.split())


ROWS: tuple[Row, ...] = (
    Row("the name of the host does not resolve", ATTEMPT, door="dns"),
    Row("connection refused", ATTEMPT, door="closed"),
    Row("certificate of an unknown authority", ALWAYS, door="unknown", is_final=True, **TLS),
    Row("certificate expired", ALWAYS, door="expired", is_final=True, **TLS),
    Row("certificate of another host", ALWAYS, door="elsewhere", is_final=True, **TLS),
    Row("TLS handshake cut off", ATTEMPT, door="cut", **TLS),
    *_both("reset before the answer", instead=Fault(silent=True)),
    *_both("reset after the headers", spoil=sent(cut=0, reset=True), is_racy=True),
    *_both("reset within the body", spoil=lambda r, a: _half(r, a, reset=True), is_racy=True),
    *_both("body ends early", spoil=_half),
    *_both("answer stalls", spoil=_stalls, budget=IMPATIENT),
    *_both("answer drips", spoil=sent(drip=0.2), budget=IMPATIENT),
    *_both("bytes that were not announced", spoil=_extra),
    *_both("nine bytes missing, and a length that agrees", spoil=_shorter),
    *_both("Content-Encoding: gzip", spoil=_zipped),
    *_both("a page of HTML with 200", instead=Fault(
        status=200, body=HTML, headers={"Content-Type": "text/html"})),
    *_both("429 with Retry-After", instead=_answers(429, Retry_After="1")),
    *_both("500", instead=_answers(500)),
    *_both("502", instead=_answers(502)),
    *_both("503", instead=_answers(503)),
    Row("401", ALWAYS, instead=_answers(401), is_final=True, budget=PATIENT),
    Row("403", ALWAYS, instead=_answers(403), is_final=True, budget=PATIENT),
    Row("404", ALWAYS, instead=_answers(404), is_final=True, budget=PATIENT),
    Row("410", ALWAYS, instead=_answers(410), is_final=True, budget=PATIENT),
    *_both("wrong Content-Range", spoil=_shifted, **RANGED),
    *_both("200 instead of 206", spoil=_whole, **RANGED),
    Row("200 instead of 206 from the third request on", ATTEMPT, spoil=_whole, after=2, **LATE),
    *_both("416", spoil=_range_refused, **RANGED),
    Row("416 from the third request on", ATTEMPT, spoil=_range_refused, after=2, **LATE),
    Row("ETag changes on the way", ATTEMPT, spoil=_etag_changes, **LATE),
    Row("the file changes and If-Range is ignored", ATTEMPT, spoil=_if_range_ignored, **LATE),
    Row("link expires before the first byte", ATTEMPT, spoil=_expires(0), **RANGED),
    Row("link expires half-way", ATTEMPT, spoil=_expires(4), **RANGED),
    Row("link expires before the last byte", ATTEMPT, spoil=_expires(8), **RANGED),
    Row("a fresh link leads to another file", ATTEMPT, spoil=_other_behind_fresh_link,
        ends_as="other", budget=PATIENT, **LATE),
    *_both("S3: 503 SlowDown", refusals=_refused("UploadPart Put", 503, "SlowDown"), **ON_S3),
    *_both("S3: 400 RequestTimeout", refusals=_refused("UploadPart Put", 400, "RequestTimeout"), **ON_S3),
    Row("S3: 403 for the second part", ALWAYS,
        refusals=_refused("UploadPart", 403, "AccessDenied", after=1), is_final=True,
        store="s3", budget=S3_PARTS, **LANDING),
    *_both("S3: 500 when an upload is completed", refusals=_refused("Complete", 500, "InternalError"),
           store="s3", budget=S3_PARTS, **LANDING),
    *_both("S3: 200 with an error when an upload is completed",
           refusals=_refused("Complete", 200, "InternalError"), store="s3", budget=S3_PARTS, **LANDING),
    Row("S3: connection refused", ATTEMPT, **{**ON_S3, "store": "closed"}),
    Row("disk is full (ENOSPC)", ATTEMPT, disk="ENOSPC", **STORED),
    Row("quota is used up (EDQUOT)", ATTEMPT, disk="EDQUOT", **STORED),
    Row("disk fails (EIO)", ATTEMPT, disk="EIO", **STORED),
    Row("folder is read-only (EROFS)", ALWAYS, disk="EROFS", is_final=True, **STORED),
    Row("no permission (EACCES)", ALWAYS, disk="EACCES", is_final=True, **STORED),
    Row("Airflow's state is unavailable", ATTEMPT, state=True,
        stages=("archive", "landing", "trigger", "watcher")),
    Row("clock set back by ten minutes", ONCE, spoil=lambda r, a: r, clock=-600.0),
)  # fmt: skip
