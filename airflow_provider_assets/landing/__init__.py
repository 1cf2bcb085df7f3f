"""The landing engine: turns downloads into verified objects, without Airflow.

``land(sources, store, ...)`` is the only entry point. ``open_store(url)`` opens the store of a ``file://``
URL; ``S3Store``, ``AzureStore``, ``GcsStore`` and ``FsspecStore`` take clients that are ready to use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_assets.landing.engine import land
    from airflow_provider_assets.landing.manifest import Entry, Manifest
    from airflow_provider_assets.landing.options import LandingOptions, Progress, Source
    from airflow_provider_assets.landing.state import State
    from airflow_provider_assets.landing.stores.azure.store import AzureStore
    from airflow_provider_assets.landing.stores.base import Store
    from airflow_provider_assets.landing.stores.fsspec import FsspecStore
    from airflow_provider_assets.landing.stores.gcs.store import GcsStore
    from airflow_provider_assets.landing.stores.local.store import LocalStore, open_store
    from airflow_provider_assets.landing.stores.object_options import ObjectOptions
    from airflow_provider_assets.landing.stores.s3.store import S3Store

_HOMES = {
    "land": "engine",
    "Entry": "manifest",
    "Manifest": "manifest",
    "LandingOptions": "options",
    "ObjectOptions": "stores.object_options",
    "Progress": "options",
    "Source": "options",
    "State": "state",
    "Store": "stores.base",
    "AzureStore": "stores.azure.store",
    "FsspecStore": "stores.fsspec",
    "GcsStore": "stores.gcs.store",
    "LocalStore": "stores.local.store",
    "open_store": "stores.local.store",
    "S3Store": "stores.s3.store",
}
__all__ = [
    "AzureStore",
    "Entry",
    "FsspecStore",
    "GcsStore",
    "LandingOptions",
    "LocalStore",
    "Manifest",
    "ObjectOptions",
    "Progress",
    "S3Store",
    "Source",
    "State",
    "Store",
    "land",
    "open_store",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that parsing a DAG imports no engine."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
