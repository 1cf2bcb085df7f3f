"""Every reader of what was stored or handed on: XComs, events, task state, manifests, connections."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from random import Random
from types import SimpleNamespace
from typing import Any

from mutations import encoded, mutated
from reply_flows import Play, job_of, planned, storable, told
from vendor_contract import MOMENT
from vendor_script import NOW, Clock

from airflow_provider_assets.batches.ledger import BatchEntry, RecordedBatches
from airflow_provider_assets.deliveries.announcements import _event as event_of
from airflow_provider_assets.deliveries.origin import check_facts
from airflow_provider_assets.deliveries.origin import facts_of as manifest_facts
from airflow_provider_assets.deliveries.single_use import OpenedPackages
from airflow_provider_assets.landing.checkpoint import Checkpoint, chain, load
from airflow_provider_assets.landing.files_checkpoint import FilesCheckpoint
from airflow_provider_assets.landing.inventory import _landing
from airflow_provider_assets.landing.manifest import Contents, Entry, Manifest, label_of, parse_all
from airflow_provider_assets.landing.previous import PreviousLanding
from airflow_provider_assets.landing.stores.base import StoredPart
from airflow_provider_assets.lineage import _outputs as outputs_of
from airflow_provider_assets.reports.pictures import choose, rows_of, thumbnails
from airflow_provider_assets.run_timing import run_timing
from airflow_provider_assets.sansio.errors import AssetsError, ProtocolError, to_dict
from airflow_provider_assets.sansio.groups import grouped, ungrouped
from airflow_provider_assets.sansio.jobs import (
    ArchiveReference,
    ArchiveRequest,
    Item,
    JobState,
    describe,
)
from airflow_provider_assets.sansio.metadata import Batch, jsonl, rows
from airflow_provider_assets.sansio.plan import planned as with_plan
from airflow_provider_assets.sansio.plan import read
from airflow_provider_assets.sansio.plan_reference import PlanReference
from airflow_provider_assets.sansio.reconcile import Comparison
from airflow_provider_assets.sansio.records import public
from airflow_provider_assets.sansio.run_window import resolve
from airflow_provider_assets.sansio.stems import end_of
from airflow_provider_assets.sansio.verdict import ensure_complete
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.triggers.archive import read_ends
from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.scenario import Scenario
from airflow_provider_assets.vendors.scenario_contract import COLUMNS

Read = Callable[[Random, Any], object]
RECORD = {
    "id": "a", "status": "success", "createdAt": MOMENT, "mimeType": "image/png", "tags": ["x", "y"],
    "metadata": {"prompt": "p", "seed": 5, "width": 3.5, "name": "https://u:p@h.example/x?sig=1"},
    "properties": {"width": 3, "size": 10}, "collectionIds": [],
}  # fmt: skip

ROW = {"uri": "s3://b/p/a.zip", "file": "a.png", "bytes": 3, "prompt": "p", "name": "n"}
CONNECTION = {
    "login": "k", "password": "s", "host": "https://h.example",
    "extra": {
        "region": "cn-north-4", "instance_id": "i1", "project_id": "p", "auth_type": "token",
        "account": "acme", "old_export_body": True, "base_url": "", "iam_url": "https://iam.example",
    },
}  # fmt: skip


def _honest(number: int, request: object, reply: Any) -> Any:
    return reply


def references() -> dict[str, Any]:
    """Vendor -> a reference as XCom holds it."""
    made = {}
    for name in BUILT_IN:
        play = Play(name, _honest)
        job = replace(
            job_of(play, planned(play)),
            state=JobState.SUCCEEDED,
            progress=0.5,
            done=1,
            total=2,
            eta=NOW,
        )
        made[name] = ArchiveReference("c", planned(play), job).to_dict()
    return made


def _use(reference: ArchiveReference) -> None:
    """All that a landing asks of a reference before it asks the store."""
    request, job = reference.request, reference.job
    storable(reference.to_dict())
    storable(
        [
            request.stem,
            request.count,
            request.fingerprint,
            request.mode,
            end_of(request.stem, "v") is None,
        ]
    )
    storable(manifest_facts(reference, None, Scenario.spec))
    storable([describe(job), job.failed])
    list(rows(Batch("c", request, job.job_id, "s3://b/k", {}, {}), {}, COLUMNS))
    play = Play(request.vendor if request.vendor in BUILT_IN else "topaz", _honest)
    play.wire.word, play.wire.names = play.wire.finished, {"job_0": "a"}
    for ask in (
        lambda: ensure_complete([job], "fail"),
        lambda: ensure_succeeded(job),
        lambda: play.run(play.vendor.poll([job, replace(job, job_id="k")])),
        lambda: [
            play.run(play.vendor.link(reference, one))
            for one in play.run(play.vendor.files(reference))[:2]
        ],
        lambda: play.run(play.vendor.submit(request)),
        lambda: play.run(play.vendor.find(request, job.submitted_at or NOW)),
        lambda: play.run(play.vendor.cancel(job)),
    ):
        try:
            ask()
        except AssetsError as error:
            told(error)


def _reference(rng: Random, tree: Any) -> None:
    _use(ArchiveReference.from_dict(tree))


def _group(rng: Random, tree: Any) -> None:
    for one in ungrouped(tree)[:3]:
        _use(ArchiveReference.from_dict(one))


def _plan(rng: Random, tree: Any) -> None:
    """The document is named by its digest, so only a hand that writes both can change it."""
    lines = tree if isinstance(tree, list) else [tree]
    document = b"\n".join(encoded(rng, line).replace(b"\n", b" ") for line in lines)
    document = gzip.compress(document, 1)
    if rng.random() < 0.1:
        document = document[: rng.randrange(len(document))]
    plan = PlanReference("file:///p", hashlib.sha256(document).hexdigest(), 1, "f")
    request, records = read(ArchiveRequest("scenario", {}, plan=plan), document)
    table = rows(Batch("c", request, "j", "s3://b/k", {}, {}), records, COLUMNS)
    jsonl(table)


def _manifest(rng: Random, tree: Any) -> None:
    record, files, contents = parse_all(encoded(rng, tree))
    record.document(files, contents)
    storable(label_of(record.facts))
    compared = Comparison()
    compared.begin("p")
    for one in ("a", "b"):
        compared.expect(Item("asset_ids", one), NOW)
    compared.add(_landing("u", record, files, contents))
    compared.counts()
    store = SimpleNamespace(
        listing=lambda prefix: [("p/a.png", 3)], head=lambda key: SimpleNamespace(size=3, crc32=5)
    )
    job = SimpleNamespace(
        store=store,
        prefix="p/",
        key="p/k",
        layout=record.layout,
        facts={},
        expected=2,
        replacing=SimpleNamespace(is_allowed=True),
    )
    previous = PreviousLanding(record, files)
    assert previous.is_whole(job) in (True, False)
    assert previous.is_due_again(job) in (True, False)
    for one in files:
        assert one.bytes >= 0
    check_facts(record)
    storable(event_of(record.to_dict()))
    outputs_of(record.to_dict())


def _checkpoint(rng: Random, tree: Any) -> None:
    state = SimpleNamespace(get=lambda key: tree)
    found = load(state, "k", label="l")
    if found is not None:
        assert found.done >= 0
        storable(dict(found.writer))
        assert found.is_proven_by([StoredPart(1, 8, "t"), StoredPart(2, 8, "u")]) in (True, False)
        assert found.census.count >= 0


def _landed_files(rng: Random, tree: Any) -> None:
    job = SimpleNamespace(state=SimpleNamespace(get=lambda key: tree), label="l", key="k")
    for record in FilesCheckpoint(job, "i").done.values():
        size, crc, known_length = record
        assert size >= 0
        assert int(crc, 16) >= 0
        assert isinstance(known_length, bool)


def _event(rng: Random, tree: Any) -> None:
    for end in read_ends(tree):
        (told if isinstance(end, AssetsError) else describe)(end)


def _carry(rng: Random, tree: Any) -> None:
    batches = RecordedBatches.from_dict(tree)
    storable(batches.head())
    for one in batches.entries:
        _use(
            ArchiveReference(
                batches.conn_id, one.request, one.job or job_of(Play("topaz", _honest), one.request)
            )
        )


def _record(rng: Random, tree: Any) -> None:
    if isinstance(tree, dict):
        clean = public(tree)
        request = ArchiveRequest("scenario", {"asset_ids": ("a",)}, run_date=MOMENT)
        item = Item("asset_ids", "a")
        jsonl(rows(Batch("c", request, "j", "s3://b/k", {}, {}), {item: clean}, COLUMNS))
        assert "sig=1" not in str(clean)


def _rows(rng: Random, tree: Any) -> None:
    """The metadata of a batch, which the report of a run reads from the store."""
    lines = tree if isinstance(tree, list) else [tree]
    document = b"\n".join(encoded(rng, line) for line in lines)
    store = SimpleNamespace(
        get=lambda key: document, uri=lambda key: f"s3://b/{key}", head=lambda key: None
    )
    rows_read = rows_of(store, "p/", "s3://b/p/metadata/a.jsonl")
    for picture in thumbnails(store, "p/", choose(rows_read, 3)):
        assert isinstance(picture.caption, str)


def _marker(rng: Random, tree: Any) -> None:
    marker = OpenedPackages.from_bytes(encoded(rng, tree))
    OpenedPackages.from_bytes(marker.to_bytes())


def _connection(rng: Random, tree: Any) -> None:
    if isinstance(tree, dict) and isinstance(tree.get("extra"), dict):
        fields = {**tree, "extra": tree["extra"]}
        for name in ("login", "password", "host"):
            fields[name] = str(fields.get(name) or "")
        name = rng.choice([*BUILT_IN])
        vendor = vendor_class(name)(
            VendorConnection(
                "c", name, **{n: fields[n] for n in ("login", "password", "host", "extra")}
            ),
            clock=Clock(),
        )
        play = Play(name, _honest)
        play.vendor = vendor
        play.run(vendor.check())


def _payload(rng: Random, tree: Any) -> None:
    """The events that started a run."""
    events = {"asset": [SimpleNamespace(extra=tree)]}
    run = SimpleNamespace(logical_date=None, run_after=None)
    resolve("auto", run_timing({"dag_run": run, "triggering_asset_events": events}, "c"))


def readers() -> dict[str, tuple[Any, Read]]:
    """Name -> a valid sample, and what reads it."""
    made = references()
    request = ArchiveRequest.from_dict(made["scenario"]["request"])
    job = ArchiveReference.from_dict(made["topaz"]).job
    short, _ = with_plan(request, [(Item("asset_ids", "asset_A"), RECORD)], "file:///p")
    lines = [request.to_dict(), {"kind": "asset_ids", "id": "asset_A", "record": RECORD}]
    manifest = Manifest(
        "s3://b/k.zip",
        10,
        "ab" * 32,
        "00000005",
        2,
        "s3://b/k.zip.manifest.json",
        verified=("length", "zip_structure"),
        unverified={"sha256": "large"},
        facts=manifest_facts(ArchiveReference.from_dict(made["scenario"]), None, Scenario.spec),
    )
    document = json.loads(
        manifest.document(
            [Entry("a.png", 3, "00000005", "cd" * 32), Entry("b.png", 7)],
            Contents({"asset_ids": ("a", "b")}, NOW),
        )
    )
    checkpoint = Checkpoint(
        "l", {"upload": "u"}, 8, 20, '"etag"', 2, 5, chain(chain("", "t"), "u"), "zip", 3, 1, "ff"
    )
    entry = BatchEntry(request, NOW, job)
    event = {
        "job_ids": ["j", "k"],
        "ends": [{"job": job.to_dict()}, {"error": to_dict(ProtocolError("m", status=3))}],
        "carry": None,
    }
    return {
        **{f"reference of {name}": (one, _reference) for name, one in made.items()},
        "planned reference": ({**made["scenario"], "request": short.to_dict()}, _reference),
        "group": (grouped([*made.values()], 1)[0], _group),
        "plan object": (lines, _plan),
        "manifest": (document, _manifest),
        "manifest of files": ({**document, "layout": "files"}, _manifest),
        "checkpoint": (asdict(checkpoint), _checkpoint),
        "landed files": ({"label": "l", "label_of": "i", "done": {"0": [3, "0a", True]}}, _landed_files),
        "event": (event, _event),
        "carry": (RecordedBatches("c", None, [entry]).to_dict(), _carry),
        "record": (RECORD, _record),
        "metadata rows": ([ROW, ROW], _rows),
        "marker": (json.loads(OpenedPackages(["a"], job).to_bytes()), _marker),
        "connection": (CONNECTION, _connection),
        "payload of an event": ({"payload": {"window": [MOMENT, "2026-01-11T00:00:00Z"]}}, _payload),
    }  # fmt: skip


READERS = readers()


def read_case(name: str, seed: int) -> str:
    """Read one changed sample; returns the name of what it ended with.

    :raises BaseException: whatever the promise does not allow.
    """
    rng = Random(seed)
    sample, use = READERS[name]
    tree = mutated(rng, pickle.loads(pickle.dumps(sample)))
    try:
        use(rng, tree)
    except AssetsError as error:
        told(error)
        return type(error).__name__
    return "returned"
