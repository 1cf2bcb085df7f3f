"""Reads an Airflow connection as plain data; its fields are declared in ``vendors``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.connection import VendorConnection

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection


def to_connection(
    conn: AirflowConnection, conn_id: str, extra: Mapping[str, JSON] | None = None
) -> VendorConnection:
    """An Airflow connection as plain data; Airflow masks its secrets in logs.

    :param conn_id: its id, which Airflow 3.1 leaves out of a connection that is read outside of a task.
    :param extra: the connection's extra where it has been read already (on an event loop).
    :raises InvalidRequestError: if its schema or extra cannot be what was meant.
    """
    schema = (conn.schema or "").lower()
    if schema not in {"", "http", "https"}:
        raise InvalidRequestError(
            f"connection {conn_id!r}: the schema must be http, https or empty. A connection that is written "
            "as a URI has the path of its address there: leave it out, and put the whole address into the "
            "extra base_url"
        )
    host = conn.host or ""
    if host and "://" not in host:
        host = f"{schema or 'https'}://{host}"
    if host and conn.port:
        scheme, _, address = host.partition("://")
        name, slash, path = address.partition("/")
        host = f"{scheme}://{name}:{conn.port}{slash}{path}"
    known = conn.extra_dejson if extra is None else extra
    if not isinstance(known, Mapping):
        raise InvalidRequestError(
            f"connection {conn_id!r}: extra must be a JSON object, such as "
            '{"requests_per_second": 2}, not a '
            f"{type(known).__name__}"
        )
    return VendorConnection(
        conn_id=conn_id,
        conn_type=conn.conn_type or "",
        host=host,
        login=conn.login or "",
        password=conn.password or "",
        extra=known,
    )


async def read_connection(conn_id: str) -> VendorConnection:
    """Connection *conn_id* as plain data, read without blocking or deadlocking a triggerer's loop."""
    from airflow.providers.common.compat import connection as compat

    if hasattr(compat, "get_async_extra_dejson"):
        conn = await compat.get_async_connection(conn_id)
        return to_connection(conn, conn_id, await compat.get_async_extra_dejson(conn))
    # Older ones, the newest for Python 3.10 among them, mask secrets by a synchronous call on the loop.
    from asgiref.sync import sync_to_async

    return await sync_to_async(lambda: to_connection(BaseHook.get_connection(conn_id), conn_id))()
