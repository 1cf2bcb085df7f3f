"""The connections of the page about connections are those that the providers of the stores understand."""

from __future__ import annotations

import json
import shlex

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from doc_pages import commands

from airflow_provider_assets.vendors import vendor_class
from airflow_provider_assets.vendors.connection import VendorConnection

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def connections(monkeypatch):
    """Those of the pages, by type."""
    for line in commands("export"):
        name, _, value = shlex.split(line)[1].partition("=")
        monkeypatch.setenv(name, value)


def test_connections_of_s3_lead_to_their_keys_role_and_address():
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    keys, role, minio = (
        S3Hook(aws_conn_id=one).conn_config for one in ("aws_default", "aws_role", "minio")
    )
    assert (keys.aws_access_key_id, keys.region_name) == ("access key", "eu-central-1")
    assert role.role_arn.endswith(":role/exports")
    assert not role.aws_access_key_id
    assert minio.endpoint_url == "https://minio.example.com:9000"
    assert S3Hook(aws_conn_id="minio").config.s3 == {"addressing_style": "path"}


def test_a_connection_of_google_names_its_project_and_key():
    pytest.importorskip("airflow.providers.google", reason="the [gcs] extra is not installed")
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    hook = GCSHook(gcp_conn_id="gcs")
    assert hook.project_id == "my-project"
    assert hook._get_field("key_path") == "/run/secrets/exports.json"


@pytest.mark.parametrize("conn_id", ["azure", "azure_default"])
def test_a_connection_of_azure_leads_to_its_account(conn_id):
    pytest.importorskip("airflow.providers.microsoft.azure", reason="the [azure] extra is missing")
    from airflow.providers.microsoft.azure.hooks.wasb import WasbHook

    client = WasbHook(wasb_conn_id=conn_id).get_conn()
    assert client.url == "https://mystorageaccount.blob.core.windows.net/"


@pytest.mark.parametrize(
    "command", [one for one in commands("airflow") if " connections add " in one]
)
@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # by the command itself
def test_a_command_adds_a_connection_that_leads_to_its_vendor(command, database):
    given = get_parser().parse_args(shlex.split(command)[1:])
    given.func(given)
    with create_session() as session:
        added = session.query(Connection).filter_by(conn_id=given.conn_id).one()
        connection = VendorConnection(
            conn_id=added.conn_id,
            conn_type=added.conn_type,
            login=added.login or "",
            password=added.password,
            extra=json.loads(added.extra or "{}"),
        )
        session.delete(added)
    assert vendor_class(connection.conn_type)(connection, clock=lambda: 0.0).base_url
