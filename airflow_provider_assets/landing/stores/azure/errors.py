"""Translates the errors of the client of Azure Blob Storage into those of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_assets.landing.stores.shared import error_of
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    TransferInterruptedError,
)

_FOREIGN = (
    "the answer is not one of Azure Blob Storage; check for a proxy or a sign-in page on the way"
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate errors of the client.

    :param what: the operation that failed, as the beginning of an error's text.
    """
    from azure.core import exceptions

    try:
        yield
    except exceptions.HttpResponseError as error:
        raise _error_in(what, error) from error
    except (exceptions.AzureError, OSError) as error:
        raise TransferInterruptedError(f"{what}: {type(error).__name__}") from error


@contextmanager
def parsed(what: str) -> Iterator[None]:
    """Translate errors of the client where it parses an answer: a proxy's page breaks its parser."""
    try:
        with translated(what):
            yield
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise TransferInterruptedError(f"{what}: {_FOREIGN}") from error


def _error_in(what: str, error: object) -> AssetsError:
    code = str(
        getattr(getattr(error, "error_code", ""), "value", getattr(error, "error_code", "")) or ""
    )
    status = int(getattr(error, "status_code", None) or 0)
    text = f"{what}: {code or 'HTTP ' + str(status)}"
    if 200 <= status < 300:  # the SDK expected another
        return TransferInterruptedError(f"{what}: {_FOREIGN}", code=code, status=status)
    if code in ("Md5Mismatch", "Crc64Mismatch"):
        return IntegrityError(text, code=code, status=status)
    return error_of(text, status, code)
