"""The exception tree. Retryability is a fact of the class, not of the place that catches it.

::

    AssetsError
    ├── TransientError            retry: the same call may work later
    │   ├── RateLimitedError          429; ``retry_after`` seconds if the vendor said so
    │   ├── BusyError                 the vendor takes one job at a time, and one is under way
    │   ├── ItemsPendingError         items of the window are not finished; ``retry_after`` seconds
    │   ├── VendorUnavailableError    network failure, 5xx, a page of HTML instead of JSON
    │   └── TransferInterruptedError  a download broke or stalled
    ├── PermanentError            fail now: only a person can change the outcome
    │   ├── AuthenticationError       401, 403, a malformed credential
    │   ├── InvalidRequestError       the caller's input, found by us or by the vendor's 4xx
    │   ├── QuotaExceededError        plan ceiling or credits; ``retry_after`` when it resets
    │   ├── StaleEventError           the event that resumed a task is not one that it waits for
    │   └── ProtocolError             a reply that does not fit the vendor's documented contract
    ├── JobError                  the vendor's (or the deadline's) verdict on a job
    │   ├── JobFailedError
    │   ├── JobCancelledError
    │   ├── JobTimeoutError
    │   ├── ArchiveExpiredError       the archive is gone: retention over, or consumed elsewhere
    │   └── PartialArchiveError       fewer items than were asked for
    └── IntegrityError            retry: length or checksum differ; nothing was published

Every error crosses process boundaries by :func:`to_dict` and :func:`from_dict` (and by pickle) with
its type, so that a failure seen in a trigger is raised as the same class in the task.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar, TypedDict


class ErrorDict(TypedDict):
    """The JSON form of an :class:`AssetsError`."""

    type: str
    message: str
    vendor: str | None
    code: str | None
    status: int | None
    retry_after: float | None


class AssetsError(Exception):
    """Base of all errors of this package.

    :param message: what happened and what to do about it; never holds a secret or a signed URL.
    :param vendor: the vendor's short name (``scenario``), if one was involved.
    :param code: the vendor's own error code, as it was sent.
    :param status: HTTP status, if a response was received.
    :param retry_after: seconds the vendor asked to wait, if it did.
    :ivar is_of_download: whether a download failed that cannot be continued, and not the place in which
        it was to be stored; known only in the process that downloads.
    """

    retryable: ClassVar[bool] = False
    is_of_download: bool = False

    def __init__(
        self,
        message: str,
        *,
        vendor: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.code = code
        self.status = status
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own reduce forgets keyword-only arguments.
        return from_dict, (to_dict(self),)


class TransientError(AssetsError):
    """The same call may work later."""

    retryable = True


class RateLimitedError(TransientError):
    """Too many requests; ``retry_after`` says how long to wait if the vendor did."""


class BusyError(TransientError):
    """Nothing was started: the vendor takes one job at a time and another one is under way.

    That may take as long as the other job, minutes rather than seconds, so poll slowly.
    """


class ItemsPendingError(TransientError):
    """Nothing was submitted: the vendor has not finished items of the window that is exported."""


class VendorUnavailableError(TransientError):
    """The vendor could not be reached or answered with a server error."""


class TransferInterruptedError(TransientError):
    """A download or an upload broke or stalled."""


class PermanentError(AssetsError):
    """A retry cannot change the outcome; a person has to."""


class AuthenticationError(PermanentError):
    """The credentials are missing, wrong, or lack a permission."""


class InvalidRequestError(PermanentError):
    """An argument is wrong; the message names it and the remedy."""


class QuotaExceededError(PermanentError):
    """A plan ceiling or the credits are used up; ``retry_after`` says when it resets, if known."""


class StaleEventError(PermanentError):
    """A deferred task was resumed by an event that it does not wait for."""


class ProtocolError(PermanentError):
    """The vendor's reply does not fit its documented contract."""


class JobError(AssetsError):
    """A verdict on a job."""


class JobFailedError(JobError):
    """The vendor reports the job as failed."""


class JobCancelledError(JobError):
    """The vendor reports the job as cancelled."""


class JobTimeoutError(JobError):
    """The job did not end before our deadline."""


class ArchiveExpiredError(JobError):
    """The archive existed and is gone: retention is over or it was consumed elsewhere."""


class PartialArchiveError(JobError):
    """The archive holds fewer items than were asked for."""


class IntegrityError(AssetsError):
    """Length or checksum differ from what was announced; the partial object has been removed."""

    retryable = True


Hopeless = tuple[type[AssetsError], ...]
# What a retry cannot change: a person cancelled the job, or its archive lacks items for good.
HOPELESS: Hopeless = (PermanentError, PartialArchiveError, JobCancelledError)


def is_refusal(error: AssetsError) -> bool:
    """Whether *error* proves that a submission was not accepted: it was refused, or not even sent.

    Any other may have hidden an acceptance: no answer, a server error, a reply without a job.
    """
    return isinstance(
        error,
        (
            AuthenticationError,
            BusyError,
            InvalidRequestError,
            QuotaExceededError,
            RateLimitedError,
        ),
    )


def is_about_the_connection(error: AssetsError) -> bool:
    """Whether every other request of the connection would fail with *error* too.

    That is true of a limit of the rate or of the plan, and of credentials (or a certificate) that are not
    accepted; a 403 may concern a single job.
    """
    if isinstance(error, AuthenticationError):
        return error.status != HTTPStatus.FORBIDDEN
    return isinstance(error, (RateLimitedError, QuotaExceededError))


def _tree(root: type[AssetsError]) -> dict[str, type[AssetsError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def to_dict(error: AssetsError) -> ErrorDict:
    """JSON form of *error*."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "vendor": error.vendor,
        "code": error.code,
        "status": error.status,
        "retry_after": error.retry_after,
    }


def from_dict(data: ErrorDict) -> AssetsError:
    """The error that :func:`to_dict` described; an unknown type becomes :class:`AssetsError`."""
    cls = _tree(AssetsError).get(data["type"], AssetsError)
    return cls(
        data["message"],
        vendor=data.get("vendor"),
        code=data.get("code"),
        status=data.get("status"),
        retry_after=data.get("retry_after"),
    )
