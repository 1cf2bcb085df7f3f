"""The arguments of one landing, shared by all modules that take part in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.manifest import Contents, label_of
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX
from airflow_provider_assets.landing.options import LandingOptions
from airflow_provider_assets.landing.progress import Meter
from airflow_provider_assets.landing.state import State
from airflow_provider_assets.landing.stores.base import Store
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.sansio.strict_json import JSON


@dataclass(frozen=True, slots=True)
class Replacing:
    """Objects of the same name that a landing may replace: none, those of an incomplete landing, or any.

    :param is_allowed: whether it may replace any at all.
    :param at_least: files that it must have to replace a landing of the same contents without being told to.
    """

    is_allowed: bool = False
    at_least: int = 0


NOTHING, ANYTHING = Replacing(), Replacing(is_allowed=True)


@dataclass(frozen=True, slots=True)
class LandingCall:
    """One landing: the arguments of :func:`~.engine.land`, its meter and its cancel token."""

    store: Store
    prefix: str
    name: str
    layout: str
    replacing: Replacing
    expected: int
    verify: bool
    options: LandingOptions
    facts: Mapping[str, JSON]
    meter: Meter
    state: State | None = None
    contents: Contents | None = None
    object_options: ObjectOptions = DEFAULTS
    has_manifest: bool = False  # of an earlier landing, whose object may be gone
    cancel: CancelToken = field(default_factory=CancelToken)

    @property
    def key(self) -> str:
        """Key of the object."""
        return self.prefix + self.name

    @property
    def manifest_key(self) -> str:
        """Key of the manifest beside it."""
        return self.key + MANIFEST_SUFFIX

    @property
    def needs_marker(self) -> bool:
        """Whether a marker beside the object says whose it is until its manifest is written."""
        return self.layout == "archive"

    @property
    def label(self) -> str:
        """Identity of the landing's contents."""
        return label_of(self.facts)
