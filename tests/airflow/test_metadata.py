"""What the vendor's listing says of each item travels with the files, as rows that others can load."""

from __future__ import annotations

import json
import re
import zlib
from datetime import datetime, timedelta, timezone
from io import BytesIO

import duckdb
import pandas as pd
import pytest
from airflow.sdk import Asset
from airflow_runs import connect
from doc_pages import blocks
from exported import CONN, archive, export, exportable, read
from pyarrow import parquet

from airflow_provider_assets import metadata as formats
from airflow_provider_assets.deliveries.landed_items import LandedItems
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.hooks.scenario import ScenarioHook
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.metadata import COLUMNS
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
TODAY = datetime.now(timezone.utc).date()  # once, since the tests may run past midnight
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
PAGE = "docs/metadata.md"
SIGNED = re.compile(r"[?&](Signature|Policy|Key-Pair-Id|sig|Expires|token)=", re.IGNORECASE)


def lines(stored):
    """The rows below ``metadata/``, by key."""
    return {
        key: [json.loads(line) for line in data.decode().splitlines()]
        for key, data in stored.items()
        if "metadata/" in key
    }


def rows_in(folder):
    return [row for table in lines(read(folder)).values() for row in table]


def test_each_row_says_what_the_vendor_knows_and_where_the_file_is(airflow, sandbox, folder):
    asset = Asset("https://exports.test/described")
    run = airflow(export(folder.as_uri(), landing_args={"outlets": [asset]}))
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    ((key, rows),) = lines(read(folder)).items()
    assert re.fullmatch(r"metadata/day=2026-01-06/scenario-2026-01-06-[0-9a-f]{8}\.zip\.jsonl", key)
    assert manifest["metadata_uri"] == f"{folder.as_uri()}/{key}"
    assert manifest["metadata_rows"] == len(rows) == 7
    assert [extra["metadata_uri"] for _, extra in run.events()] == [manifest["metadata_uri"]]
    assert sorted(row["item_id"] for row in rows) == exportable(sandbox, "2026-01-06", "2026-01-07")
    known = ScenarioHook(CONN).asset_metadata([row["item_id"] for row in rows])
    entries = {
        entry["name"]: entry
        for entry in json.loads((folder / f"{key_of(manifest)}.manifest.json").read_text())["files"]
    }
    for row in rows:
        assert list(row) == list(COLUMNS)
        asset = known[row["item_id"]]
        said = asset["metadata"]
        assert (row["prompt"], row["model"], row["seed"]) == (
            said.get("prompt"),
            said.get("modelId"),
            said["seed"],
        )
        assert (row["created_at"], row["tags"]) == (asset["createdAt"], asset["tags"])
        assert (row["width"], row["format"]) == (asset["properties"]["width"], "image/png")
        assert json.loads(row["record"])["metadata"] == said
        entry = entries[row["file"]]
        assert (row["bytes"], row["crc32"], row["missing"]) == (
            entry["bytes"],
            entry["crc32"],
            None,
        )
        assert (row["uri"], row["job_id"]) == (manifest["uri"], manifest["facts"]["job_id"])
    assert any(row["prompt"] for row in rows)


def key_of(manifest):
    return manifest["uri"].rpartition("/")[2]


@pytest.mark.parametrize("options", [{"layout": "files"}, {"target_format": "webp"}], ids=str)
def test_a_row_leads_to_its_file_in_every_layout(airflow, sandbox, folder, options):
    options = {"layout": "files", **options}
    run = airflow(export(folder.as_uri(), **options))
    assert run.state == "success", run.tries
    rows = rows_in(folder)
    assert len(rows) == 7
    for row in rows:
        data = (folder / row["file"]).read_bytes()
        assert row["uri"] == (folder / row["file"]).as_uri()
        assert (len(data), f"{zlib.crc32(data):08x}") == (row["bytes"], row["crc32"])
        assert row["item_id"] in row["file"]


def test_two_layouts_of_one_selection_have_metadata_of_their_own(airflow, sandbox, folder):
    def build():
        export(folder.as_uri())() >> asset_export(
            "files",
            conn_id=CONN,
            destination=folder.as_uri(),
            layout="files",
            poll_interval=0.1,
        )

    run = airflow(build)
    assert run.state == "success", run.tries
    (one,), (many,) = run.results("export.land"), run.results("files.land")
    assert one["manifest_uri"] != many["manifest_uri"]
    rows = {f"{folder.as_uri()}/{key}": table for key, table in lines(read(folder)).items()}
    assert {row["uri"] for row in rows[one["metadata_uri"]]} == {one["uri"]}
    files = {(folder / row["file"]).as_uri() for row in rows[many["metadata_uri"]]}
    assert {row["uri"] for row in rows[many["metadata_uri"]]} == files


def test_what_is_missing_has_a_row_that_says_why(airflow, sandbox, folder):
    sandbox.fault("job:partial=2")
    run = airflow(export(folder.as_uri()))
    assert type(run.error) is errors.PartialArchiveError
    rows = rows_in(folder)
    lost = [row for row in rows if row["missing"]]
    assert {row["missing"] for row in lost} == {"no file"}
    assert {row["item_id"] in str(run.error) for row in lost} == {True}
    assert (len(rows), len(lost)) == (7, 2)
    assert all(row["record"] for row in lost)
    assert {row["uri"] for row in lost} == {None}


@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("count", [1, 3])
def test_topaz_images_are_described(airflow, folder, monkeypatch, count, layout):
    with running("--vendor", "topaz", "--items", "0", "--day", f"{YESTERDAY}={count}") as topaz:
        connect(monkeypatch, "topaz_described", topaz.topaz["connection"])
        run = airflow(
            lambda: asset_export(
                "export",
                conn_id="topaz_described",
                destination=folder.as_uri(),
                layout=layout,
                poll_interval=0.1,
            ),
            run={"logical_date": TODAY.isoformat()},
        )
        assert run.state == "success", run.tries
        images = {one["id"]: one for one in topaz.items("topaz")}
    rows = rows_in(folder)
    assert {row["item_id"]: row["name"] for row in rows} == {
        one: image["filename"] for one, image in images.items()
    }
    for row in rows:
        assert row["bytes"] == images[row["item_id"]]["bytes"]
        assert row["model"]
        assert row["created_at"].startswith(YESTERDAY)
        assert row["format"] == images[row["item_id"]]["output_format"]


def test_a_retry_after_a_crash_between_manifest_and_metadata_writes_the_metadata(
    airflow, sandbox, folder, monkeypatch
):
    write, crashes = LandedItems.write_metadata, iter([RuntimeError("the worker is gone")])

    def crash_once(self, *arguments, **options):
        for crash in crashes:
            raise crash
        return write(self, *arguments, **options)

    monkeypatch.setattr(LandedItems, "write_metadata", crash_once)
    run = airflow(export(folder.as_uri(), landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert len(run.tries) == 1
    (manifest,) = run.results("export.land")
    assert manifest["skipped"]
    assert len(rows_in(folder)) == manifest["metadata_rows"] == 7


def test_what_has_landed_before_keeps_the_metadata_of_its_own_archive(airflow, sandbox, folder):
    dag = airflow.dag(export(folder.as_uri()))
    (first,) = airflow.run(dag).results("export.land")
    before = {key: data for key, data in read(folder).items() if ".plans/" not in key}
    (again,) = airflow.run(dag).results("export.land")
    assert again["skipped"]
    assert {key: data for key, data in read(folder).items() if ".plans/" not in key} == before
    assert {row["job_id"] for row in rows_in(folder)} == {first["facts"]["job_id"]}


def test_nothing_that_is_kept_opens_a_download(airflow, sandbox, s3):
    run = airflow(export("s3://s3_test@exports/secret/", metadata="parquet"))
    assert run.state == "success", run.tries
    stored = s3()
    ids = exportable(sandbox, "2026-01-06", "2026-01-07")
    assert SIGNED.search(json.dumps(ScenarioHook(CONN).asset_metadata(ids)))
    (plan,) = (
        zlib.decompress(data, 31).decode() for key, data in stored.items() if ".plans/" in key
    )
    records = "".join(
        record.as_py()
        for key, data in stored.items() if key.endswith(".parquet")
        for record in parquet.read_table(BytesIO(data))["record"]
    )  # fmt: skip
    for text in (plan, records):
        assert "/scenario/assets/" in text, "the address itself is kept"
        assert not SIGNED.search(text)


def test_no_metadata_is_kept_where_none_is_wanted(airflow, sandbox, folder):
    run = airflow(export(folder.as_uri(), metadata=None))
    assert run.state == "success", run.tries
    assert len(read(folder)) == 2
    assert "metadata_uri" not in run.results("export.land")[0]
    assert "items" in run.result("export.archive")[0]["request"]


def test_named_items_have_rows_of_what_is_known(airflow, sandbox, folder):
    ids = exportable(sandbox, "2026-01-05", "2026-01-06")

    def build():
        named = archive(items={"asset_ids": ids})
        ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=folder.as_uri(), metadata="jsonl"
        ).expand(archive=named.output)

    assert airflow(build).state == "success"
    rows = rows_in(folder)
    assert [row["item_id"] for row in rows] == ids
    assert all(row["file"] and row["bytes"] and row["record"] is None for row in rows)
    (key,) = lines(read(folder))
    assert key.startswith("metadata/day=2026-01-07/")


@pytest.mark.parametrize("missing", [True, False])
def test_a_format_that_cannot_be_written_is_refused_before_anything_is_submitted(
    airflow, sandbox, folder, monkeypatch, missing
):
    if missing:
        monkeypatch.setattr(formats, "find_spec", lambda name: None)
    run = airflow(export(folder.as_uri(), metadata="parquet" if missing else "csv", retries=1))
    assert type(run.error) is errors.InvalidRequestError
    expected = (
        "airflow-provider-assets[parquet]" if missing else "metadata must be one of auto, jsonl"
    )
    assert expected in str(run.error)
    assert sandbox.stats()["totals"]["submits"] == 0


# --- with what users read it ---------------------------------------------------------------------


@pytest.mark.parametrize("metadata", ["jsonl", "parquet"])
def test_duckdb_and_pandas_read_the_metadata_of_many_nights_as_one_table(
    airflow, sandbox, folder, metadata
):
    dag = airflow.dag(export(folder.as_uri(), metadata=metadata))
    for date in ("2026-01-05", "2026-01-06", "2026-01-07"):
        assert airflow.run(dag, date).state == "success"
    where = f"{folder}/metadata/*/*.{metadata}"
    reader = "read_parquet" if metadata == "parquet" else "read_json_auto"
    source = f"{reader}('{where}', hive_partitioning = true, union_by_name = true)"
    known = ScenarioHook(CONN).asset_metadata(exportable(sandbox, "2026-01-04", "2026-01-07"))
    said = {item_id: asset["metadata"] for item_id, asset in known.items()}
    model = next(one["modelId"] for one in said.values() if "modelId" in one)
    found = duckdb.sql(
        f"SELECT item_id, prompt FROM {source} WHERE model = '{model}' "
        "AND created_at >= TIMESTAMPTZ '2026-01-01 00:00:00Z' AND month(day) = 1"
    ).fetchall()
    assert sorted(found) == sorted(
        (item_id, one["prompt"]) for item_id, one in said.items() if one.get("modelId") == model
    )
    paths = sorted(folder.glob(f"metadata/*/*.{metadata}"))
    frames = [
        pd.read_parquet(path) if metadata == "parquet" else pd.read_json(path, lines=True)
        for path in paths
    ]
    table = pd.concat(frames)
    assert (len(paths), sorted(table["item_id"])) == (3, sorted(said))
    assert set(table.columns) - {"day"} == set(COLUMNS)
    if metadata == "parquet":
        assert len({str(parquet.read_schema(path)) for path in paths}) == 1


def test_the_queries_of_the_page_find_what_the_vendor_says(airflow, sandbox, folder):
    for metadata in ("jsonl", "parquet"):
        dag = airflow.dag(export(folder.as_uri(), metadata=metadata))
        for date in ("2026-01-05", "2026-01-06", "2026-01-07"):
            assert airflow.run(dag, date).state == "success"
    known = ScenarioHook(CONN).asset_metadata(exportable(sandbox, "2026-01-04", "2026-01-07"))
    said = {item_id: asset["metadata"] for item_id, asset in known.items()}
    model = next(one["modelId"] for one in said.values() if "modelId" in one)
    prompts = {i: one["prompt"] for i, one in said.items() if one.get("modelId") == model}

    def here(snippet):
        replaced = {"s3://my-bucket/scenario": str(folder), "model_flux-dev": model}
        for text, ours in {**replaced, "2026-03": "2026-01", "2026-04": "2026-02"}.items():
            snippet = snippet.replace(text, ours)
        return snippet

    of_model, by_model = (here(text) for name, text in blocks("sql") if name == PAGE)
    assert {row[0]: row[1] for row in duckdb.sql(of_model).fetchall()} == prompts
    counts = {row[0]: row[1] for row in duckdb.sql(by_model).fetchall()}
    assert (counts[model], sum(counts.values())) == (len(prompts), len(said))
    (snippet,) = (here(text) for name, text in blocks("python") if name == PAGE)
    for path in folder.glob("metadata/*/*.jsonl"):
        path.unlink()
    names = {}
    exec(compile(snippet, PAGE, "exec"), names)
    assert dict(zip(names["images"]["item_id"], names["images"]["prompt"], strict=True)) == prompts
