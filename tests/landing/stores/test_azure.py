"""Azure Blob Storage."""

from __future__ import annotations

import pytest
from landing_kit import noise
from store_contract import KEY, PART, ResumingStoreContract, put, three_parts, whole, write

from airflow_provider_assets.landing.stores.azure import AzureWriter
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
