"""Properties of data objects, as the stores themselves tell them; manifests and markers have none."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from urllib.parse import quote

import boto3
import pytest
import requests
from broken_landings import broken_half_way
from landing_kit import FACTS, big, contents, landed, leftovers, linked, noise, zipped
from s3_quirks import Quirks, quirky_s3

from airflow_provider_assets.landing import (
    AzureStore,
    GcsStore,
    LocalStore,
    ObjectOptions,
    S3Store,
    land,
)
from airflow_provider_assets.sansio.errors import InvalidRequestError

TAGS = {"team": "art + craft", "cost centre": "a/b:c"}
METADATA = {"owner": "studio", "run_id": "scheduled 2026"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
GIVEN = {
    "s3": {"storage_class": "STANDARD_IA", "tags": TAGS, "metadata": METADATA, "kms_key": KEY},
    "gcs": {"storage_class": "NEARLINE", "metadata": METADATA},
    "azure": {"storage_class": "Cool", "tags": TAGS, "metadata": METADATA},
}
PLAIN = {
    "s3": {"storage_class": "STANDARD", "tags": {}, "metadata": {}, "kms_key": None},
    "gcs": {"storage_class": "STANDARD", "metadata": {}},
    "azure": {"storage_class": "Hot", "tags": {}, "metadata": {}},
}
FILES = {
    "a.png": "image/png",
    "b.JPG": "image/jpeg",
    "c.webp": "image/webp",
    "d.glb": "model/gltf-binary",
    "deep/e.json": "application/json",
    "f.tar.gz": "application/gzip",
    "g.mp4": "video/mp4",
    "no extension": "application/octet-stream",
    "unknown.abcde": "application/octet-stream",
}


@pytest.fixture(params=["s3", "gcs", "azure"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def place(request, kind) -> S3Store | GcsStore | AzureStore:
    return request.getfixturevalue("moto" if kind == "s3" else kind)


def told(store, key: str) -> tuple[str, dict]:
    """The content type and the options of an object, as the store tells them."""
    if isinstance(store, S3Store):
        at = {"Bucket": store.bucket, "Key": key}
        found = store.client.head_object(**at)
        tags = store.client.get_object_tagging(**at)["TagSet"]
        return found["ContentType"], {
            "storage_class": found.get("StorageClass", "STANDARD"),
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
            "metadata": found["Metadata"],
            "kms_key": found.get("SSEKMSKeyId"),
        }
    if isinstance(store, GcsStore):
        blob = store.bucket.get_blob(key)
        metadata = {name: one for name, one in blob.metadata.items() if name != "crc32"}
        return blob.content_type, {"storage_class": blob.storage_class, "metadata": metadata}
    blob = store.container.get_blob_client(key)
    found = blob.get_blob_properties()
    metadata = {name: one for name, one in found.metadata.items() if name != "crc32"}
    return found.content_settings.content_type, {
        "storage_class": str(found.blob_tier),
        "tags": blob.get_blob_tags(),
        "metadata": metadata,
    }


def test_small_objects_of_many_kinds_have_the_options_and_the_type_of_their_names(
    place, kind, origin, quick
):
    data = zipped({name: noise(2000, number) for number, name in enumerate(FILES)})
    land(
        [linked(origin, data)],
        place,
        prefix="out/",
        layout="files",
        options=quick,
        facts=FACTS,
        object_options=ObjectOptions.parse(GIVEN[kind]),
    )
    assert {name: told(place, f"out/{name}") for name in landed(place, "out/")} == {
        name: (media, GIVEN[kind]) for name, media in FILES.items()
    }
    manifest = "out/export.zip.manifest.json"
    assert told(place, manifest) == ("application/json", PLAIN[kind])


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_an_object_of_many_parts_has_them_and_so_has_one_that_was_resumed(
    place, kind, origin, quick, layout
):
    options = ObjectOptions.parse({**GIVEN[kind], "content_type": "application/x-export"})
    data = big() if layout == "archive" else zipped({"large.bin": noise(16_000_000)})
    state, how = None, {"layout": layout, "options": quick, "facts": FACTS}
    if layout == "archive":
        state = broken_half_way(place, origin, object_options=options)
        sent = origin.sent
    land([linked(origin, data)], place, object_options=options, state=state, **how)
    key = "export.zip" if layout == "archive" else "large.bin"
    media, found = told(place, key)
    if kind == "gcs":  # the server keeps no class of a copy: see the test of the requests
        found["storage_class"] = GIVEN[kind]["storage_class"]
    assert (media, found) == ("application/x-export", GIVEN[kind])
    assert layout == "files" or origin.sent - sent < 0.9 * len(data)
    assert told(place, "export.zip.manifest.json") == ("application/json", PLAIN[kind])


def test_a_landing_that_is_resumed_with_corrected_options_has_those(place, kind, origin, quick):
    old = {
        "s3": {"kms_key": "alias/old", "tags": {"keep": "30d"}},
        "azure": {"storage_class": "Cold"},
    }
    wrong = ObjectOptions.parse({"metadata": {"owner": "nobody"}, **old.get(kind, {})})
    state = broken_half_way(place, origin, object_options=wrong)
    options = ObjectOptions.parse(GIVEN[kind])
    how = {"options": quick, "facts": FACTS, "state": state}
    land([linked(origin, big())], place, object_options=options, **how)
    assert contents(place, "export.zip") == big()
    found = told(place, "export.zip")[1]
    if kind == "gcs":  # the server keeps no class of a copy: see the test of the requests
        found["storage_class"] = GIVEN[kind]["storage_class"]
    assert found == GIVEN[kind]
    assert not leftovers(place)


@pytest.mark.parametrize("way", ["stream", "deflated", "packed", "staged"])
def test_every_way_to_write_an_object_has_them(moto, origin, quick, way):
    files = {"small.png": noise(1000), "large.png": noise(11_000_000)}
    data = zipped(files, 8 if way == "deflated" else 0)
    sources = [linked(origin, data, single_use=way == "staged")]
    if way == "packed":
        sources = [linked(origin, one, name) for name, one in files.items()]
    origin.ranged = way != "stream"
    land(
        sources,
        moto,
        prefix="out/",
        name="all.zip",
        layout="archive" if way == "packed" else "files",
        options=quick,
        object_options=ObjectOptions.parse(GIVEN["s3"]),
    )
    assert {name: told(moto, f"out/{name}") for name in landed(moto, "out/")} == (
        {"all.zip": ("application/zip", GIVEN["s3"])}
        if way == "packed"
        else dict.fromkeys(files, ("image/png", GIVEN["s3"]))
    )


def test_the_copies_of_an_accepted_request_have_the_options_of_their_own_kind(
    s3_server, s3, moto_server
):
    """Documents and data differ in values of the same parameters, and alternate."""
    options = ObjectOptions.parse({"storage_class": "STANDARD", "metadata": METADATA})
    with quirky_s3(s3_server, Quirks(keeps_checksum=True)) as server:
        store = S3Store(server.client(), s3.bucket, extra={"StorageClass": "STANDARD_IA"})
        for number in range(6):
            data = noise(100, number)
            how = {"crc32": zlib.crc32(data), "overwrite": True}
            store.put(f"{number}.png", data, options=options, **how)
            store.put(f"{number}.json", data, **how)
        seen = [headers for what, headers in server.seen if what == "Put"]
    assert [
        (one["x-amz-storage-class"], one["content-type"], one.get("x-amz-meta-owner"))
        for one in seen
    ] == [
        ("STANDARD", "image/png", "studio"),
        ("STANDARD_IA", "application/json", None),
    ] * 6
    assert len([one for one in seen if "expect" not in one]) == 10
    assert all(
        {"content-type", "x-amz-storage-class"}
        <= set(one["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";"))
        for one in seen
    )


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, str, dict, str]]:
    """The requests of the SDKs of Google and Azure: method, URL, headers, body."""
    seen, request = [], requests.Session.request

    def record(self, method, url, data=None, headers=None, **how):
        seen.append((method, url, dict(headers or {}), str(data)))
        return request(self, method, url, data=data, headers=headers, **how)

    monkeypatch.setattr(requests.Session, "request", record)
    return seen


@pytest.mark.parametrize("large", [False, True])
def test_google_is_asked_for_the_properties_that_its_double_does_not_keep(
    gcs, origin, quick, sent, large
):
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    given = {"acl": "publicRead", "storage_class": "ARCHIVE", "kms_key": key}
    data = big() if large else zipped({"a": b"b"})
    options = ObjectOptions.parse(given)
    land([linked(origin, data)], gcs, options=quick, object_options=options)
    key = quote(key, safe="")
    uploads = [(url, body) for _, url, _, body in sent if "uploadType=" in url]
    documents = [one for one in uploads if ".json" in one[1]]
    assert len(documents) == 2  # the marker and the manifest
    assert not any(word in str(documents) for word in ("ARCHIVE", "publicRead", "kmsKeyName"))
    data_uploads = [one for one in uploads if one not in documents]
    assert all(f"kmsKeyName={key}" in url for url, _ in data_uploads)
    if not large:
        ((url, body),) = data_uploads
        assert "predefinedAcl=publicRead" in url
        assert '"storageClass": "ARCHIVE"' in body
        return
    assert len(data_uploads) == 5
    assert not any("ARCHIVE" in body or "publicRead" in url for url, body in data_uploads)
    ((url, body),) = [(url, body) for _, url, _, body in sent if "/rewriteTo/" in url]
    assert f"destinationKmsKeyName={key}" in url
    assert '"storageClass": "ARCHIVE"' in body
    (acl,) = [url for method, url, *_ in sent if method == "PATCH"]
    assert "/o/export.zip?" in acl
    assert "predefinedAcl=publicRead" in acl
    assert gcs.head("export.zip").crc32 == zlib.crc32(data)


@pytest.mark.parametrize("large", [False, True])
def test_azure_is_asked_for_the_encryption_scope_that_its_double_does_not_keep(
    azure, origin, quick, sent, large
):
    options = ObjectOptions.parse({"kms_key": "own-scope"})
    data = big() if large else zipped({"a": b"b"})
    land([linked(origin, data)], azure, options=quick, object_options=options)
    scopes = [
        (".json" in url, headers.get("x-ms-encryption-scope"))
        for method, url, headers, _ in sent
        if method == "PUT"
    ]
    assert scopes.count((True, None)) == 2  # the marker and the manifest
    assert scopes.count((False, "own-scope")) == len(scopes) - 2 == (6 if large else 1)


def test_blocks_of_azure_in_another_encryption_scope_are_not_resumed(azure, origin, quick, sent):
    scopes = [ObjectOptions.parse({"kms_key": f"{name}-scope"}) for name in ("old", "own")]
    state = broken_half_way(azure, origin, object_options=scopes[0])
    before = len(sent)
    land(
        [linked(origin, big())], azure, options=quick, facts=FACTS, state=state,
        object_options=scopes[1],
    )  # fmt: skip
    puts = [(url, headers) for method, url, headers, _ in sent[before:] if method == "PUT"]
    used = [headers.get("x-ms-encryption-scope") for url, headers in puts if ".json" not in url]
    assert used == ["own-scope"] * 6  # five blocks, and the list of them


@pytest.mark.parametrize("large", [False, True])
def test_a_canned_acl_of_s3_reaches_data_alone(moto, origin, quick, large):
    def is_public(key):
        grants = moto.client.get_object_acl(Bucket=moto.bucket, Key=key)["Grants"]
        return any(one["Grantee"].get("URI", "").endswith("/AllUsers") for one in grants)

    options = ObjectOptions.parse({"acl": "public-read"})
    data = big() if large else zipped({"a": b"b"})
    land([linked(origin, data)], moto, options=quick, object_options=options)
    assert is_public("export.zip")
    assert not is_public("export.zip.manifest.json")


def test_a_staged_package_has_the_key_and_nothing_that_keeps_it_from_being_read(
    moto, origin, quick, monkeypatch
):
    staged, delete = [], S3Store.delete

    def look(self, key):
        if key.endswith("/export.zip"):
            staged.append(told(self, key))
        delete(self, key)

    monkeypatch.setattr(S3Store, "delete", look)
    source = linked(origin, zipped({"a.png": noise(1000)}), single_use=True)
    options = ObjectOptions.parse({**GIVEN["s3"], "storage_class": "GLACIER"})
    land([source], moto, prefix="out/", layout="files", options=quick, object_options=options)
    assert staged == [("application/zip", {**PLAIN["s3"], "kms_key": KEY})]
    found = moto.client.head_object(Bucket=moto.bucket, Key="out/a.png")
    assert found["StorageClass"] == "GLACIER"


def test_the_keys_of_the_connection_apply_to_everything(moto, origin, quick):
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
    store = replace(moto, extra=extra)
    own = ObjectOptions.parse({"kms_key": "alias/own"})
    land([linked(origin, zipped({"a": b"b"}))], store, options=quick, object_options=own)
    assert told(moto, "export.zip")[1]["kms_key"] == "alias/own"
    assert told(moto, "export.zip.manifest.json")[1]["kms_key"] == KEY


def test_a_landing_with_other_options_is_the_same(moto, origin, quick):
    how = {"options": quick, "facts": FACTS}
    land([linked(origin, zipped({"a": b"b"}))], moto, **how)
    options = ObjectOptions.parse({"storage_class": "STANDARD_IA"})
    assert land([linked(origin, zipped({"a": b"b"}))], moto, object_options=options, **how).skipped
    assert told(moto, "export.zip")[1] == PLAIN["s3"]


@pytest.mark.parametrize(
    ("fixture", "given", "message"),
    [
        ("gcs", {"tags": {"a": "b"}}, "Google Cloud Storage has no 'tags'; it has content_type, .*acl"),
        ("gcs", {"storage_class": "GLACIER"}, "storage_class='GLACIER' is unknown to Google"),
        ("gcs", {"acl": "public"}, "acl='public' is unknown to Google .*publicRead"),
        ("gcs", {"metadata": {"crc32": "0"}}, "'crc32' holds the checksum"),
        ("azure", {"acl": "private"}, "Azure Blob Storage has no 'acl'; it has content_type, storage"),
        ("azure", {"storage_class": "cool"}, "storage_class='cool' is unknown to Azure .*Cool"),
        ("azure", {"tags": {"a": "b@c"}}, "tag 'a' has characters that Azure Blob Storage does not"),
        ("azure", {"metadata": {"a-b": "c"}}, "metadata name 'a-b' .*Azure"),
        ("moto", {"tags": {"a": "b;c"}}, "tag 'a' has characters that S3 does not accept"),
        ("local", {"storage_class": "GLACIER"}, "local folder has no 'storage_class'; it has none"),
        ("fsspec_memory", {"content_type": "image/png"}, "memory://.* has no 'content_type'; it has none"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["archive", "files"])
def test_what_a_store_lacks_is_refused_before_anything_is_downloaded(
    request, origin, quick, fixture, given, message, layout
):
    store = request.getfixturevalue(fixture)
    source = linked(origin, zipped({"a": b"b"}), single_use=True)
    with pytest.raises(InvalidRequestError, match=f"object_options: .*{message}"):
        land(
            [source],
            store,
            layout=layout,
            options=quick,
            object_options=ObjectOptions.parse(given),
        )
    assert origin.seen == []
    assert dict(store.listing("")) == {}


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1"])
def test_amazon_knows_its_classes_and_acls_and_other_stores_know_theirs(moto, region):
    amazon = S3Store(boto3.client("s3", region_name=region), "bucket")
    known = {"storage_class": "GLACIER_IR", "acl": "bucket-owner-full-control", "tags": TAGS}
    amazon.check(ObjectOptions.parse(known))
    for given in ({"storage_class": "COLD"}, {"acl": "publicRead"}):
        with pytest.raises(InvalidRequestError, match=r"is unknown to Amazon S3; use .* or "):
            amazon.check(ObjectOptions.parse(given))
        moto.check(ObjectOptions.parse(given))


def test_a_local_folder_has_no_use_for_a_content_type(local: LocalStore, origin, quick):
    options = ObjectOptions.parse({"content_type": "image/png"})
    land([linked(origin, zipped({"a": b"b"}))], local, options=quick, object_options=options)
    assert contents(local, "export.zip") == zipped({"a": b"b"})
    assert json.loads(contents(local, "export.zip.manifest.json"))["entries"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("GLACIER", "must be a mapping of content_type, .* and kms_key, not str"),
        ({"StorageClass": "GLACIER"}, "'StorageClass' is unknown; use content_type, storage_class"),
        ({"storage_class": None}, "storage_class must be a string"),
        ({"storage_class": ""}, "storage_class must be a string"),
        ({"content_type": "a\r\nx-evil: b"}, "content_type must be a string of printable ASCII"),
        ({"tags": ["a"]}, "tags must be a mapping of strings, not list"),
        ({"tags": {"run": 20260101}}, "tags must map strings to strings, not 'run' to 20260101"),
        (
            {"tags": {f"{n}": "" for n in range(11)}},
            "11 tags are too many; an object has at most 10",
        ),
        ({"tags": {"": "a"}}, "the tag '' must have a name of 1 to 128"),
        ({"tags": {"a": "b" * 257}}, "the tag 'a' must have"),
        ({"metadata": {"a b": "c"}}, "the metadata name 'a b' must consist"),
        ({"metadata": {"a": "ü"}}, "the metadata 'a' must be a string of printable ASCII"),
        ({"metadata": {"a": "b" * 2048}}, "metadata takes more than 2048 bytes"),
    ],
)
def test_an_option_that_no_store_takes_is_refused(given, message):
    with pytest.raises(InvalidRequestError, match=f"object_options.*{message}"):
        ObjectOptions.parse(given)


def test_no_options_are_those_of_none():
    assert ObjectOptions.parse(None) == ObjectOptions.parse({}) == ObjectOptions()
    assert ObjectOptions.parse({"tags": {}, "metadata": {}}).given == {}
