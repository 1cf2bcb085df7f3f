"""Azure Blob Storage."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from landing_kit import noise
from store_contract import KEY, PART, ResumingStoreContract, put, three_parts, whole, write

from airflow_provider_assets.landing import AzureStore
from airflow_provider_assets.landing.stores.azure.store import AzureWriter
from airflow_provider_assets.landing.stores.base import StoredObject
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError


class TestAzureStore(ResumingStoreContract):
    @pytest.fixture
    def store(self, azure):
        return azure


@pytest.fixture(params=["before", "after"])
def publish(request, azure, monkeypatch):
    """Publishes another writer's blob, which drops all other blocks, before or after these are listed."""

    real = AzureWriter.done

    def act(data: bytes, loser: AzureWriter) -> None:
        def publish() -> None:
            winner = azure.begin(KEY, label="label")
            write(winner, data)
            winner.commit(whole(data), overwrite=True)

        def done(self):
            listed = real(self)
            if self is loser:
                publish()
            return listed

        if request.param == "after":
            monkeypatch.setattr(AzureWriter, "done", done)
        else:
            publish()

    return act


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_two_writers_of_the_same_bytes_the_second_finds_its_object_stored(
    azure, publish, overwrite
):
    second = azure.begin(KEY, label="label")
    write(second, three_parts(), (1, 2))
    publish(three_parts(), second)
    write(second, three_parts(), (3,))
    stored = second.commit(whole(three_parts()), overwrite=overwrite)
    assert stored == azure.head(KEY)
    assert azure.get(KEY) == three_parts()


@pytest.mark.parametrize(
    ("overwrite", "kind"), [(False, InvalidRequestError), (True, TransferInterruptedError)]
)
def test_of_two_writers_of_other_bytes_the_second_does_not_call_its_own_damaged(
    azure, publish, overwrite, kind
):
    second, other = azure.begin(KEY, label="label"), noise(2 * PART + 1000, 2)
    write(second, three_parts(), (1, 2))
    publish(other, second)
    write(second, three_parts(), (3,))
    with pytest.raises(kind):
        second.commit(whole(three_parts()), overwrite=overwrite)
    assert azure.get(KEY) == other


@pytest.mark.parametrize("crc32", ["yZRlqg==", "0x0badcafe", "-1"])
def test_a_checksum_of_another_writer_in_another_form_is_none(azure, crc32):
    azure.container.upload_blob(KEY, b"by hand", metadata={"crc32": crc32})
    assert azure.head(KEY) == StoredObject(7)
    with pytest.raises(InvalidRequestError, match="already exists with other contents"):
        put(azure, KEY, b"of ours")


class _Page(BaseHTTPRequestHandler):
    """Answers every request with 200 and a page, as a sign-in page does."""

    protocol_version = "HTTP/1.1"
    kind: str | None = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        if self.kind:
            self.send_header("Content-Type", self.kind)
            self.send_header("Content-Length", "5")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.kind and self.command != "HEAD":
            self.wfile.write(b"<html")

    do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815  # as http.server wants them


ACTIONS = {
    "head": lambda store: store.head(KEY),
    "get": lambda store: store.get(KEY),
    "read": lambda store: store.read(KEY, 0, memoryview(bytearray(5))),
    "list": lambda store: [*store.listing("nightly/")],
    "put": lambda store: put(store, KEY, b"contents"),
    "delete": lambda store: store.delete(KEY),
    "blocks": lambda store: store.begin(KEY, label="label").done(),
    "block": lambda store: write(store.begin(KEY, label="label"), three_parts(), (1,)),
}


@pytest.mark.parametrize("kind", ["text/html", "application/xml", None])
def test_a_page_in_front_of_azure_is_a_passing_failure(azure_account, kind):
    from azure.storage.blob import BlobServiceClient

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (_Page,), {"kind": kind}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"BlobEndpoint=http://127.0.0.1:{server.server_address[1]}/devstoreaccount1;"
    account = re.sub(r"BlobEndpoint=[^;]*;", page, azure_account)
    service = BlobServiceClient.from_connection_string(account, retry_total=0)
    store = AzureStore(service.get_container_client("landing"))
    try:
        for act in ACTIONS.values():
            with pytest.raises(TransferInterruptedError, match="a proxy or a sign-in page"):
                act(store)
    finally:
        service.close()
        server.shutdown()
        server.server_close()
