"""Opens the store of an Airflow object storage URL, with the credentials of its connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from airflow_provider_assets.sansio.arguments import require_text, shown
from airflow_provider_assets.sansio.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_assets.landing import AzureStore, S3Store, Store

# Parts that are uploaded at the same time, plus the request that began them.
MAX_POOL = 17
# Bytes of a prefix: 1,024 have to suffice for names of files (up to 255) and what is appended to them, too.
_LONGEST_PREFIX = 640
# Amazon's domains of endpoints, and the console of each.
_CONSOLES = {
    ".amazonaws.com": "console.aws.amazon.com",
    ".amazonaws.com.cn": "console.amazonaws.cn",
}
# The parameters of S3's writes that a connection may ask for, and the types of their values. No others: a
# storage class would make manifests unreadable, and customers' keys have to be sent with reads, too.
_OF_ALL_OBJECTS: Mapping[str, type] = {
    "ServerSideEncryption": str,
    "SSEKMSKeyId": str,
    "SSEKMSEncryptionContext": str,
    "BucketKeyEnabled": bool,
    "ACL": str,
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A store and the prefix of all keys in it, with its trailing slash.

    :param browse: the address at which a browser shows a key, given without the prefix.
    """

    store: Store
    prefix: str = ""
    browse: Callable[[str], str] | None = field(default=None, repr=False, compare=False)

    def browser_url(self, name: str = "") -> str:
        """The address at which a browser shows the object *name*, or by default the folder."""
        key = self.prefix + name
        return self.browse(key) if self.browse else self.store.uri(key)


def folder_in(destination: str | ObjectStoragePath, name: str) -> str:
    """The URL of the folder *name* in *destination*."""
    return f"{str(destination).rstrip('/')}/{name}"


def check_destination(url: object, name: str) -> None:
    """Check the form of *url* before any request to a vendor or a store.

    :param name: of the argument.
    :raises InvalidRequestError: if :func:`open_destination` would refuse it.
    """
    _parts(url, name)


def _parts(url: object, name: str) -> SplitResult:
    if not isinstance(url, (str, os.PathLike)) and not hasattr(url, "protocol"):
        raise InvalidRequestError(
            f"{name} must be an Airflow object storage URL such as s3://conn_id@bucket/prefix/, "
            f"not {shown(url)}"
        )
    require_text(str(url), name)
    try:
        # "?" and "#" may be part of a name here.
        parts = urlsplit(str(url), allow_fragments=False)
    except ValueError as error:
        raise InvalidRequestError(f"{name} {shown(str(url))} is not a URL: {error}") from None
    path = _path(parts)
    if parts.scheme in {"", "file"}:
        if parts.netloc not in {"", "localhost"}:
            raise InvalidRequestError(
                f"{name} {str(url)!r} names the host {parts.netloc!r}; local paths need three slashes: "
                f"file:///{parts.netloc}{path}"
            )
        if not path.startswith("/"):
            raise InvalidRequestError(
                f"{name} {str(url)!r}: a folder must be absolute, file:///..."
            )
    elif not parts.netloc.rpartition("@")[2]:
        raise InvalidRequestError(
            f"{name} {str(url)!r} names no bucket; use {parts.scheme}://conn_id@bucket/prefix/"
        )
    elif (size := len(path.encode())) > _LONGEST_PREFIX:
        raise InvalidRequestError(
            f"{name} {shown(str(url))} has a prefix of {size} bytes, which leaves too little room for names "
            f"in keys of at most 1,024 bytes; use a prefix of at most {_LONGEST_PREFIX} bytes"
        )
    return parts


def _path(parts: SplitResult) -> str:
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def open_destination(url: str | ObjectStoragePath) -> Destination:
    """The store and prefix that *url* names.

    :param url: an ``ObjectStoragePath``, or ``scheme://conn_id@bucket/prefix/`` with ``s3``, ``gs``,
        ``abfs`` or any other scheme that Airflow's object storage supports, or ``file:///folder/``.
        Without a connection id, the credentials of the environment are used.
    :raises InvalidRequestError: if the URL has another form, or the extra for its scheme is not installed.
    """
    parts = _parts(url, "destination")
    url = str(url)
    path = _path(parts)
    if parts.scheme in {"", "file"}:
        return Destination(_local(path, parts.scheme))
    bucket = parts.netloc.rpartition("@")[2]
    conn_id = unquote(parts.username) if parts.username else None
    prefix = f"{path.strip('/')}/".lstrip("/")
    if parts.scheme in {"s3", "s3a"}:
        s3 = _s3(bucket, conn_id)
        return Destination(s3, prefix, partial(_s3_page, s3))
    if parts.scheme in {"gs", "gcs"}:
        return Destination(_gcs(bucket, conn_id), prefix, partial(_gcs_page, bucket))
    if parts.scheme in {"abfs", "abfss", "wasb"}:
        azure = _azure(bucket, conn_id)
        return Destination(azure, prefix, partial(_azure_page, azure))
    return Destination(_other(url))


def _missing(scheme: str, extra: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{scheme}:// destinations need an extra: pip install 'airflow-provider-assets[{extra}]'"
    )


def _local(folder: str, scheme: str) -> Store:
    """The folder of a ``file://`` URL, in which ``%20`` is a space, or of a path, in which nothing is."""
    from airflow_provider_assets.landing import open_store

    path = folder.rstrip("/") or "/"
    return open_store(f"file://{path}" if scheme else path)


def _s3(bucket: str, conn_id: str | None) -> S3Store:
    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        from botocore.config import Config
    except ImportError as error:
        raise _missing("s3", "s3") from error
    from airflow_provider_assets.landing import S3Store

    hook = S3Hook(aws_conn_id=conn_id)
    # Settings of the connection (proxies, retries, timeouts, addressing) take precedence over our defaults.
    theirs = hook.config
    ours: dict[str, object] = {
        # Parts carry their own checksum, so hashing them again for the signature adds nothing.
        "s3": {"payload_signing_enabled": False, **(theirs.s3 or {})},
        "signature_version": theirs.signature_version or "s3v4",
        "max_pool_connections": max(MAX_POOL, theirs.max_pool_connections),
    }
    # Over TLS, botocore sends its own checksum as a trailer, which many S3-compatible stores refuse.
    for name in ("request_checksum_calculation", "response_checksum_validation"):
        if name in Config.OPTION_DEFAULTS:  # botocore 1.36 and later
            ours[name] = getattr(theirs, name) or "when_required"
    config = theirs.merge(Config(**ours))  # type: ignore[arg-type]  # chosen by the loop above
    extra = _parameters_of_all_objects(hook)
    return S3Store(hook.get_client_type(config=config), bucket, extra=extra)


def _parameters_of_all_objects(hook: S3Hook) -> Mapping[str, Any]:
    """The parameters that the connection asks for in every write: ``service_config.s3.extra_args``.

    :raises InvalidRequestError: if they are anything but :data:`_OF_ALL_OBJECTS`. The message has no
        values, since a key may be among them.
    """
    given = hook.service_config.get("extra_args") or {}
    is_fit = isinstance(given, Mapping) and all(
        isinstance(value, _OF_ALL_OBJECTS.get(name, ())) for name, value in given.items()
    )
    if not is_fit:
        told = ", ".join(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise InvalidRequestError(
            f"connection {hook.aws_conn_id!r}: service_config.s3.extra_args takes "
            f"{', '.join(_OF_ALL_OBJECTS)}, all strings except BucketKeyEnabled, which is true or "
            f"false; it has {told}"
        )
    return given


def _s3_page(store: S3Store, key: str) -> str:
    """The console of Amazon, or the object's own address in another store; neither is signed."""
    endpoint = str(store.client.meta.endpoint_url).rstrip("/")
    host = urlsplit(endpoint).hostname or ""
    for domain, console in _CONSOLES.items():
        if host.endswith(domain):
            kind = "buckets" if key.endswith("/") or not key else "object"
            return f"https://{console}/s3/{kind}/{store.bucket}?prefix={quote(key, safe='')}"
    return f"{endpoint}/{store.bucket}/{quote(key)}"


def _gcs_page(bucket: str, key: str) -> str:
    details = "" if key.endswith("/") or not key else "_details/"
    return f"https://console.cloud.google.com/storage/browser/{details}{bucket}/{quote(key)}"


def _azure_page(store: AzureStore, key: str) -> str:
    """The blob's own address, without the signature that the connection may have put into it."""
    return f"{str(store.container.url).partition('?')[0]}/{quote(key)}"


def _gcs(bucket: str, conn_id: str | None) -> Store:
    try:
        if conn_id is None:
            from google.cloud.storage import Client

            client = Client()
        else:
            from airflow.providers.google.cloud.hooks.gcs import GCSHook

            client = GCSHook(gcp_conn_id=conn_id).get_conn()
    except ImportError as error:
        raise _missing("gs", "gcs") from error
    from airflow_provider_assets.landing import GcsStore

    return GcsStore(client.bucket(bucket))


def _azure(container: str, conn_id: str | None) -> AzureStore:
    try:
        from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
    except ImportError as error:
        raise _missing("abfs", "azure") from error
    from airflow_provider_assets.landing import AzureStore

    if conn_id is None:
        raise InvalidRequestError(
            "abfs:// destinations need a connection: abfs://conn_id@container/"
        )
    client = WasbHook(wasb_conn_id=conn_id).get_conn()
    return AzureStore(client.get_container_client(container))


def _other(url: str) -> Store:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_assets.landing import FsspecStore

    try:
        path = ObjectStoragePath(url.rstrip("/"))
        return FsspecStore(path.fs, str(path.path), scheme=path.protocol)
    except (ImportError, ValueError) as error:
        raise InvalidRequestError(f"destination {url!r} cannot be opened: {error}") from error
