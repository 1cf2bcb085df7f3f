"""The address of the plan object that lists the items of a batch, in place of the items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_assets.sansio.stored import Fits, check_fields, is_count, is_text
from airflow_provider_assets.sansio.strict_json import JSON

_FIELDS: Mapping[str, Fits] = {
    **dict.fromkeys(("uri", "sha256", "fingerprint"), is_text),
    "count": is_count,
}


@dataclass(frozen=True, slots=True)
class PlanReference:
    """The address of the plan object that lists the items of a batch.

    :param uri: Airflow object storage URL of the object.
    :param sha256: of its bytes, in hex.
    :param count: number of items.
    :param fingerprint: of the request with its items.
    """

    uri: str
    sha256: str
    count: int
    fingerprint: str

    def to_dict(self) -> dict[str, JSON]:
        """JSON form."""
        return {
            "uri": self.uri,
            "sha256": self.sha256,
            "count": self.count,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> PlanReference:
        """The inverse of :meth:`to_dict`."""
        check_fields(data, _FIELDS, "a plan")
        return cls(**{name: data[name] for name in _FIELDS})  # type: ignore[arg-type]  # checked
