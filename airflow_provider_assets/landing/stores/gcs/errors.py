"""Errors of the client of Google Cloud Storage: which it tries again, and what they are for this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.landing.stores.shared import denied, error_of
from airflow_provider_assets.sansio.errors import TransferInterruptedError

if TYPE_CHECKING:
    from google.api_core.retry import Retry

TAKEN = 412  # status of a condition that is not met


def retry_policy() -> Retry:
    """The retry policy of all writes, which are safe to repeat even without a generation condition."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate errors of the client.

    :param what: the operation that failed, as the beginning of an error's text.
    """
    from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAPICallError as error:
        status = int(error.code or 0)
        raise error_of(f"{what}: HTTP {status}", status) from error
    except GoogleAuthError as error:
        raise denied(f"{what}: {type(error).__name__}") from error
    # The SDK has given up repeating, or what it read has another checksum than the service names.
    except (GoogleAPIError, _data_corruption(), OSError) as error:
        raise TransferInterruptedError(f"{what}: {type(error).__name__}") from error


def _data_corruption() -> type[Exception]:
    """The error of a damaged download, which has no base class in common with the others."""
    try:
        from google.cloud.storage.exceptions import DataCorruption
    except ImportError:  # before google-cloud-storage 3
        from google.resumable_media import DataCorruption
    return cast("type[Exception]", DataCorruption)
