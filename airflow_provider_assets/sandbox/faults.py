"""Faults on demand: which requests fail, in which way, and how often.

Grammar: ``route:kind[=value][@offset][:count][,key=value...]``

*route* is a route (``scenario.submit``), a group (``submit``, ``poll``, ``bulk_poll``, ``cancel``,
``list``, ``metadata``, ``link``, ``head``, ``download``, ``auth``, ``job``), a group of one vendor
(``scenario.poll``), or a shell pattern of any of them. *count* is the number of requests that are hit
(default: all), ``after=N`` lets the first N pass, ``match=TEXT`` hits only paths that contain TEXT.

==================== ============================================================================
kind                 effect
==================== ============================================================================
``429``, ``500`` …   that status with the vendor's error body; ``retry_after=2`` adds the header,
                     ``retry_at=2`` the same as a date, ``retry_after_ms=200`` the other header;
                     ``body.KEY=TEXT`` puts the text into that body
``502html``          that status with the HTML page of a proxy; ``200html`` works too
``503empty``         that status without a body; ``empty`` is ``200empty``
``plan-limit``       429 with ``remainingSeconds`` (``remaining=17``)
``redirect``         302 to ``to=URL``
``drop``             the connection is reset without an answer
``hang``             no answer
``delay=S``          the answer comes S seconds late
``accept-then-…``    the request takes effect, then ``reset``, ``hang``, ``500`` … is the answer
==================== ============================================================================

Bodies of downloads (N defaults to the middle): ``reset@N`` resets and ``truncate@N`` closes the
connection after N bytes, ``stall@N`` stops sending, ``short@N`` announces and sends N bytes only,
``corrupt@N`` flips a byte, ``slow=BYTES_PER_SECOND``; ``expired`` refuses the link, ``no-range``
ignores Range, ``no-length`` sends chunks, ``new-etag`` answers with another ETag. Elsewhere
``reset`` is ``drop``.

Replies: ``status=WORD`` answers with that job state, ``no-url`` leaves out the link or the archive
id, ``no-id`` the job id, ``empty-page`` has a token and no items, ``busy`` is ROMA Connect's
refusal of a second export. Jobs (route ``job``, applied at the submission): ``stuck``, ``failed``
(``error=TEXT``), ``canceled``, ``partial=N`` lacks N items, ``slow=SECONDS``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from aiohttp import web

_SPEC = re.compile(
    r"(?P<route>[\w.*?-]+):(?P<kind>[\w-]+)(=(?P<value>[^:@,]+))?"
    r"(@(?P<offset>\d+))?(:(?P<count>\d+))?(,(?P<params>.*))?"
)
_STATUS = re.compile(r"(?P<status>[1-5]\d\d)(?P<body>html|empty)?")

ANSWER_KINDS = ("drop", "reset", "hang", "delay", "empty", "plan-limit", "redirect")
BODY_KINDS = (
    "reset", "truncate", "short", "corrupt", "slow", "stall", "expired",
    "no-range", "no-length", "new-etag",
)  # fmt: skip
JOB_KINDS = ("stuck", "failed", "canceled", "partial", "slow")
REPLY_KINDS = ("status", "no-url", "no-id", "empty-page", "busy")
AFTERWARDS = "accept-then-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One parsed fault.

    :param value: rate in bytes/s (slow), seconds (delay), a status word (status) or nothing.
    :param offset: bytes of a body that are sent before it happens.
    :param count: the number of requests it hits; None for all.
    :param after: the number of requests that pass before.
    :param match: text that the path must contain.
    """

    route: str
    kind: str
    value: str = ""
    offset: int | None = None
    count: int | None = None
    after: int = 0
    match: str = ""
    params: tuple[tuple[str, str], ...] = ()
    spec: str = ""

    @property
    def status(self) -> int | None:
        """The HTTP status this fault answers with, if that is what it does."""
        found = _STATUS.fullmatch(self.kind)
        return int(found["status"]) if found else None

    @property
    def body(self) -> str:
        """The kind of body that comes with ``status``: ``html``, ``empty``, or "" (the vendor's)."""
        found = _STATUS.fullmatch(self.kind)
        return (found["body"] if found else None) or ""

    @property
    def afterwards(self) -> Fault | None:
        """The fault that replaces the answer once the request has taken effect."""
        if not self.kind.startswith(AFTERWARDS):
            return None
        kind = self.kind.removeprefix(AFTERWARDS)
        return replace(self, kind="drop" if kind == "reset" else kind)

    def param(self, name: str, default: str = "") -> str:
        """A ``key=value`` of the specification."""
        return dict(self.params).get(name, default)

    @property
    def words(self) -> dict[str, object]:
        """Strings for the error's body, in addition to or instead of the vendor's usual ones."""
        given = [(name.partition("."), value) for name, value in self.params]
        return {key: value for (head, dot, key), value in given if head == "body" and dot}

    def hits(self, names: tuple[str, ...], path: str) -> bool:
        """Whether the fault applies to a route with these names and this path."""
        return any(fnmatchcase(name, self.route) for name in names) and self.match in path


def parse_fault(spec: str) -> Fault:
    """Parse one specification.

    :raises ValueError: for one that is malformed or has an unknown kind.
    """
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        raise ValueError(
            f"cannot read the fault {spec!r}; "
            "the form is route:kind[=value][@offset][:count][,key=value...]"
        )
    params = dict(pair.partition("=")[::2] for pair in (found["params"] or "").split(",") if pair)
    fault = Fault(
        route=found["route"],
        kind=found["kind"],
        value=found["value"] or "",
        offset=int(found["offset"]) if found["offset"] else None,
        count=int(found["count"]) if found["count"] else None,
        after=int(params.pop("after", "0")),
        match=params.pop("match", ""),
        params=tuple(sorted(params.items())),
        spec=spec.strip(),
    )
    known = {*ANSWER_KINDS, *BODY_KINDS, *JOB_KINDS, *REPLY_KINDS}
    bare = fault.afterwards or fault
    if bare.kind not in known and bare.status is None:
        raise ValueError(
            f"the fault {spec!r} has the unknown kind {fault.kind!r}; "
            f"use a status or one of {sorted(known)}"
        )
    return fault


def fault_of(request: web.Request) -> Fault | None:
    """The fault that hit a request, as the middleware has noted it."""
    fault: Fault | None = request.get("fault")
    return fault


def reply_fault(request: web.Request, kind: str) -> str:
    """The value of the request's fault if it is of this kind (``kind`` if it has none), else ""."""
    fault = fault_of(request)
    return (fault.value or kind) if fault and fault.kind == kind else ""


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    served: int = 0

    def take(self) -> bool:
        self.seen += 1
        spent = self.fault.count is not None and self.served >= self.fault.count
        if spent or self.seen <= self.fault.after:
            return False
        self.served += 1
        return True


@dataclass(slots=True)
class FaultBook:
    """The armed faults in order of arming; a request is hit by the first that applies."""

    armed: list[_Armed] = field(default_factory=list)

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
        self.armed.append(_Armed(fault))

    def clear(self, spec: str = "") -> None:
        """Disarm all faults, or those of one specification."""
        self.armed = [one for one in self.armed if spec and one.fault.spec != spec]

    def take(self, *names: str, path: str = "") -> Fault | None:
        """The fault that hits this request, counted as served; None if there is none."""
        for armed in self.armed:
            if armed.fault.hits(names, path) and armed.take():
                return armed.fault
        return None

    def report(self) -> list[dict[str, object]]:
        """The armed faults and how often each was served, as the admin route shows them."""
        return [
            {"spec": one.fault.spec, "count": one.fault.count, "served": one.served}
            for one in self.armed
        ]
