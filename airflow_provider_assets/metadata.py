"""Writes the metadata of batches: lines of JSON, or Parquet where pyarrow is installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from airflow_provider_assets.sansio.arguments import require_choice
from airflow_provider_assets.sansio.errors import InvalidRequestError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_assets.sansio.metadata import Row

Format = Literal["auto", "jsonl", "parquet"]
FORMATS = ("auto", "jsonl", "parquet", None)


def check_format(metadata: str | None) -> None:
    """Refuse a format that is unknown, or that cannot be written here.

    :raises InvalidRequestError: naming the remedy.
    """
    require_choice(metadata, "metadata", FORMATS)
    if metadata == "parquet" and find_spec("pyarrow") is None:
        raise InvalidRequestError(
            "metadata='parquet' needs an extra: pip install 'airflow-provider-assets[parquet]'"
        )


def document(rows: Iterable[Row], metadata: str) -> bytes:
    """*rows* in the format that *metadata* names."""
    from airflow_provider_assets.sansio.metadata import jsonl

    return _parquet(rows) if metadata == "parquet" else jsonl(rows)


def _parquet(rows: Iterable[Row]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    from airflow_provider_assets.sansio.metadata import COLUMNS, Type

    typed = [
        {
            name: _moment(value) if COLUMNS[name] is Type.MOMENT else value
            for name, value in one.items()
        }
        for one in rows
    ]
    table = pa.Table.from_pylist(typed, schema=_schema())
    target = BytesIO()
    parquet.write_table(table, target, compression="zstd")
    return target.getvalue()


def _moment(value: object) -> object:
    from airflow_provider_assets.sansio.moments import parse_moment

    return None if value is None else parse_moment(value, "moment")


def _schema() -> pa.Schema:
    """The same in every file, so that those of many nights are read as one table."""
    import pyarrow as pa

    from airflow_provider_assets.sansio.metadata import COLUMNS, Type

    types = {
        Type.TEXT: pa.string(),
        Type.TEXTS: pa.list_(pa.string()),
        Type.INTEGER: pa.int64(),
        Type.MOMENT: pa.timestamp("ms", tz="UTC"),
    }
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
