"""From an Airflow object storage URL to a store of the landing engine, with the connection's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_provider_assets.sansio.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_assets.landing import Store

# Parts that may be on their way to the store at once, plus the request that began them.
MAX_POOL = 17


def open_destination(url: str) -> tuple[Store, str]:
    """The store and the key prefix that *url* names.

    :param url: ``s3://conn_id@bucket/prefix/`` or ``file:///folder/``. Without a connection id the
        environment's own credentials count.
    :raises InvalidRequestError: if the URL is none of these, or the extra that serves it is missing.
    """
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        from airflow_provider_assets.landing import open_store  # noqa: PLC0415  # heavy

        if not parts.path.startswith("/"):
            raise InvalidRequestError(
                f"destination {url!r}: a folder must be absolute, file:///..."
            )
        return open_store(f"file://{parts.path.rstrip('/') or '/'}"), ""
    if not parts.hostname:
        raise InvalidRequestError(
            f"destination {url!r} names no bucket; use s3://conn_id@bucket/prefix/"
        )
    bucket = parts.netloc.rpartition("@")[2]
    prefix = parts.path.strip("/")
    conn_id = unquote(parts.username) if parts.username else None
    if parts.scheme == "s3":
        return _s3(bucket, conn_id), f"{prefix}/" if prefix else ""
    raise InvalidRequestError(
        f"destination {url!r}: {parts.scheme}:// is not known; use s3:// or file://"
    )


def _s3(bucket: str, conn_id: str | None) -> Store:
    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415  # an extra
        from botocore.config import Config  # noqa: PLC0415  # likewise
    except ImportError as error:
        raise InvalidRequestError(
            "s3:// destinations need an extra: pip install 'airflow-provider-assets[s3]'"
        ) from error
    from airflow_provider_assets.landing import S3Store  # noqa: PLC0415  # heavy

    hook = S3Hook(aws_conn_id=conn_id)
    theirs = hook.conn_config.botocore_config
    # Parts carry their own checksum, so hashing them once more for the signature proves nothing.
    s3 = {"payload_signing_enabled": False, **((theirs.s3 if theirs else None) or {})}
    config = Config(max_pool_connections=MAX_POOL, s3=s3)
    return S3Store(hook.get_client_type(config=config), bucket)
