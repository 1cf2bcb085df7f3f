"""Translates the errors of an S3 client into those of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from airflow_provider_assets.landing.stores.shared import denied, error_of
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_DAMAGED = frozenset({"BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"})
# Transient, although several have status 400 (Amazon S3 API Reference, "Error responses").
_PASSING = frozenset(
    {
        "BandwidthLimitExceeded", "ConditionalRequestConflict", "IncompleteBody", "InternalError",
        "NoSuchUpload", "OperationAborted", "PriorRequestNotComplete", "RequestLimitExceeded",
        "RequestThrottled", "RequestThrottledException", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailable", "SlowDown", "Throttling",
        "ThrottledException", "ThrottlingException", "TooManyRequests", "TooManyRequestsException",
        "TransactionInProgressException",
    }
)  # fmt: skip
# Answers to a header or an operation that the store does not know; "400": to a HEAD, which has no body.
_REFUSED = frozenset(
    {
        "400", "501", "BadRequest", "InvalidArgument", "InvalidHeader", "InvalidRequest",
        "MalformedXML", "MethodNotAllowed", "NotImplemented", "UnsupportedHeader",
        "XNotImplemented",
    }
)  # fmt: skip


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate errors of botocore.

    :param what: the operation that failed, as the beginning of an error's text.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise error_in(error.response, what) from error
    except NoCredentialsError as error:  # passing, too, where a role is asked for by the network
        raise TransferInterruptedError(
            f"{what}: no credentials were found; check that the connection which the destination names "
            "exists and has keys, or that the worker has a role"
        ) from error
    except (BotoCoreError, OSError) as error:
        raise TransferInterruptedError(f"{what}: {type(error).__name__}") from error


def is_refusal(error: AssetsError) -> bool:
    """Whether *error* may mean that the store does not support an option of the request."""
    return isinstance(error, InvalidRequestError) and (
        error.code in _REFUSED or error.status in (405, 501)
    )


def error_in(response: Mapping[str, object], what: str = "") -> AssetsError:
    """The error in a *response* that botocore has parsed."""
    found = response.get("Error")
    code = str(found.get("Code", "")) if isinstance(found, dict) else ""
    said = str(found.get("Message", "")) if isinstance(found, dict) else ""
    meta = response.get("ResponseMetadata")
    status = int(meta.get("HTTPStatusCode", 0)) if isinstance(meta, dict) else 0
    text = f"{what}: {code}: {said}"
    if code in _PASSING:
        return TransferInterruptedError(text, code=code, status=status)
    if code in _DENIED:
        return denied(text, code=code, status=status)
    if code in _DAMAGED:
        return IntegrityError(text, code=code, status=status)
    if status == 501:
        return InvalidRequestError(text, code=code, status=status)
    if status == 409:
        return TransferInterruptedError(text, code=code, status=status)
    return error_of(text, status, code)
