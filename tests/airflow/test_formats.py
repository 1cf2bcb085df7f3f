"""The JSON examples of ``docs/formats.md`` are what an export really returns, stores and sends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from airflow.sdk import Asset
from exported import export

from airflow_provider_assets.sansio.metadata import COLUMNS

pytestmark = pytest.mark.airflow
PAGE = Path(__file__).parent.parent.parent / "docs" / "formats.md"
# Of these only the type is compared: they name a run, or depend on how the sandbox draws its images.
CHANGING = {
    "job_id", "tag", "submitted_at", "exported_at", "bytes", "sha256", "crc32", "query_id", "fingerprint",
}  # fmt: skip


def section(heading):
    return PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]


def documented(heading):
    (example,) = re.findall(r"```json\n(.*?)```", section(heading), re.DOTALL)
    return json.loads(example)


def steady(value, name=""):
    """*value* with the type in the place of what changes from run to run."""
    if name in CHANGING:
        return type(value).__name__
    if isinstance(value, dict):
        return {key: steady(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [steady(one) for one in value]
    # The name of an object ends with a part of the query's hash.
    if not isinstance(value, str):
        return value
    value = re.sub(r"-[0-9a-f]{8}-[0-9a-f]{16}\.jsonl\.gz", "-########.jsonl.gz", value)
    return re.sub(r"-[0-9a-f]{8}\.(zip|jsonl)", r"-########.\1", value)


def metadata_table():
    """The first cells of the table of columns."""
    return re.findall(r"^\| (`[^|]+`) \|", section("Metadata"), re.MULTILINE)


def stored_lines(server, uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    document = server.client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in document.splitlines()]


@pytest.mark.parametrize("heading", ["Archive reference", "Manifest"])
def test_every_field_that_a_table_explains_is_in_the_example(heading):
    rows = re.findall(r"^\| (`[^|]+`) \|", section(heading), re.MULTILINE)
    for name in re.findall(r"`([\w.]+)`", " ".join(rows)):
        value = documented(heading)
        for part in name.split("."):
            value = value[part]


def test_the_formats_are_as_documented(airflow, sandbox, my_bucket, s3_server):
    outlets = [Asset("s3://my-bucket/scenario/")]
    body = export("s3://aws_default@my-bucket/scenario/", landing_args={"outlets": outlets})
    run = airflow(body, run={"logical_date": "2026-01-05"})
    assert run.state == "success", run.tries
    (reference,) = run.result("export.archive")
    (manifest,) = run.results("export.land")
    ((_, event),) = run.events()
    (key,) = (key for key in my_bucket() if key.endswith(".manifest.json"))
    stored = s3_server.client().get_object(Bucket="my-bucket", Key=key)["Body"].read()
    real = {
        "Archive reference": reference,
        "Manifest": json.loads(stored),
        "Asset event": event,
    }
    for heading, value in real.items():
        assert steady(documented(heading)) == steady(value), json.dumps(value, indent=2)
    only_stored = {name: real["Manifest"][name] for name in ("contents", "files")}
    described = {name: manifest.pop(name) for name in ("metadata_uri", "metadata_rows")}
    assert {**manifest, **only_stored} == real["Manifest"]
    assert described["metadata_uri"] == event["metadata_uri"]
    rows = stored_lines(s3_server, described["metadata_uri"])
    assert len(rows) == described["metadata_rows"]
    documented_columns = re.findall(r"`(\w+)`", "".join(metadata_table()))
    assert documented_columns == list(rows[0]) == list(COLUMNS)
