"""Provider metadata, built from the vendors' own tables. Every Airflow process reads it: no imports of
Airflow or of anything heavy.
"""

from __future__ import annotations

from airflow_provider_assets import __version__
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.base import VendorSpec
from airflow_provider_assets.vendors.connection import COMMON_FIELDS

# Classes of ``links``, which is not imported here.
LINKS = ("VendorJobLink", "DestinationLink", "ManifestLink", "ReportLink")
PACKAGE = "airflow-provider-assets"


def get_provider_info() -> dict[str, JSON]:
    """The provider's metadata, which says what Airflow shows and loads."""
    specs = [vendor_class(name).spec for name in BUILT_IN]
    module = "airflow_provider_assets"
    return {
        "package-name": PACKAGE,
        "name": "Asset archives",
        "description": "Exports and archives assets of "
        + ", ".join(spec.title for spec in specs)
        + " into your own storage.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": spec.title, "external-doc-url": spec.docs_url, "tags": ["service"]}
            for spec in specs
        ],
        "connection-types": [_connection_type(spec) for spec in specs],
        "hooks": [
            {"integration-name": s.title, "python-modules": [s.hook.rpartition(".")[0]]}
            for s in specs
        ],
        "operators": _modules(
            specs,
            f"{module}.operators.archive",
            f"{module}.operators.reconcile",
            f"{module}.operators.report",
        ),
        "sensors": _modules(specs, f"{module}.sensors.archive"),
        "triggers": _modules(specs, f"{module}.triggers.archive"),
        "task-decorators": [
            {
                "class-name": f"{module}.decorators.asset_archive.asset_archive_task",
                "name": "asset_archive",
            }
        ],
        "extra-links": [f"{module}.links.{name}" for name in LINKS],
        "cli": [f"{module}.cli.airflow_commands"],
        "transfers": [
            {
                "source-integration-name": spec.title,
                "target-integration-name": "Common IO",
                "python-module": f"{module}.transfers.archive_to_object_storage",
            }
            for spec in specs
        ],
    }


def _modules(specs: list[VendorSpec], *modules: str) -> list[JSON]:
    return [{"integration-name": spec.title, "python-modules": [*modules]} for spec in specs]


def _connection_type(spec: VendorSpec) -> JSON:
    return {
        "connection-type": spec.name,
        "hook-class-name": spec.hook,
        "hook-name": spec.title,
        "ui-field-behaviour": {
            "hidden-fields": list(spec.form.hidden),
            "relabeling": dict(spec.form.relabeling),
            "placeholders": dict(spec.form.placeholders),
        },
        "conn-fields": {
            name: dict(field) for name, field in {**spec.form.fields, **COMMON_FIELDS}.items()
        },
    }
