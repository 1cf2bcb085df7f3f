"""Azure Blob Storage: blocks are uploaded in parallel and published by Put Block List.

The service verifies the MD5 of every block (Put Block, ``Content-MD5``). A block's id contains its number
and our CRC-32, so that the committed block list is also a list of checksums. Uncommitted blocks are
invisible. They cannot be deleted; the service drops them after a week (Put Block List, "Remarks").
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.azure.errors import parsed, translated
from airflow_provider_assets.landing.stores.base import (
    Part,
    Rules,
    StoredObject,
    StoredPart,
    crc32_in,
    holds,
    name_taken,
)
from airflow_provider_assets.landing.stores.object_options import (
    DEFAULTS,
    ObjectOptions,
    check_own_name,
    check_tags,
    check_value,
)
from airflow_provider_assets.landing.stores.shared import (
    check_size,
    digest,
    fill,
    if_there,
    stored_before,
)
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    TransferInterruptedError,
)

if TYPE_CHECKING:
    from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, ContainerClient

# "Scalability and performance targets for Blob storage": 50,000 blocks of up to 4,000 MiB.
_RULES = Rules(max_parts=50_000, keeps_checksum=True)
_NAME = "Azure Blob Storage"
_CRC = "crc32"  # name of our CRC-32 in the metadata of a blob
# Arguments of the SDK, beside content_settings.
_ARGUMENTS = {
    "storage_class": "standard_blob_tier",
    "tags": "tags",
    "metadata": "metadata",
    "kms_key": "encryption_scope",
}
# "Set Blob Tags": the characters of tags. "Setting and retrieving properties and metadata": the names of
# metadata are C# identifiers.
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"})


def _described(found: BlobProperties) -> StoredObject:
    if not found.blob_type:
        raise ValueError("every blob has a type")
    return StoredObject(int(found.size), crc32_in((found.metadata or {}).get(_CRC)))


@dataclass(frozen=True, slots=True)
class AzureStore:
    """A container.

    :param container: an ``azure.storage.blob.ContainerClient`` with its own credentials.
    """

    container: ContainerClient = field(repr=False)
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``abfs://container/key``."""
        return f"abfs://{self.container.container_name}/{key}"

    def head(self, key: str) -> StoredObject | None:
        """Length, and the CRC-32 in the metadata of the blob."""
        with if_there(), parsed(f"cannot inspect {self.uri(key)}"):
            return _described(self._blob(key).get_blob_properties())
        return None

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List Blobs, page by page."""
        with parsed(f"cannot list {self.uri(prefix)}"):
            for blob in self.container.list_blobs(name_starts_with=prefix):
                yield blob.name, int(blob.size)

    def get(self, key: str) -> bytes | None:
        """Contents of the blob."""
        with if_there(), parsed(f"cannot read {self.uri(key)}"):
            return self._blob(key).download_blob().readall()
        return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read a range of the blob."""
        what = f"cannot read {self.uri(key)}"
        with parsed(what):
            data = self._blob(key).download_blob(offset=offset, length=len(view)).readall()
        fill(view, data, what)

    def check(self, options: ObjectOptions) -> None:
        """All but an ACL, with the access tiers that the SDK knows."""
        from azure.storage.blob import StandardBlobTier

        options.admit(_NAME, ["content_type", *_ARGUMENTS])
        tiers = [str(tier.value) for tier in StandardBlobTier]
        check_value("storage_class", options.storage_class, tiers, _NAME)
        check_tags(options, _TAG, _NAME)
        check_own_name(options, _CRC)
        for name in options.metadata:
            if not _IDENTIFIER.fullmatch(name):
                raise InvalidRequestError(
                    f"object_options: the metadata name {name!r} must consist of letters, digits and '_' "
                    f"in {_NAME}, and not begin with a digit"
                )

    @staticmethod
    def arguments(key: str, crc32: int, options: ObjectOptions) -> dict[str, Any]:
        """The arguments of the SDK for a new blob."""
        from azure.storage.blob import ContentSettings, StandardBlobTier

        given = options.given
        if options.storage_class:
            given["storage_class"] = StandardBlobTier(options.storage_class)
        return {
            **{name: given[option] for option, name in _ARGUMENTS.items() if option in given},
            "content_settings": ContentSettings(content_type=options.type_of(key)),
            "metadata": {**options.metadata, _CRC: f"{crc32:08x}"},
        }

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """Put Blob; the service verifies the MD5."""
        whole = Checksum(len(data), crc32)
        blob, content = self._blob(key), bytes(data)
        try:
            with translated(f"cannot write {self.uri(key)}"):
                blob.upload_blob(
                    content,
                    overwrite=overwrite,
                    validate_content=True,
                    **self.arguments(key, crc32, options),
                )
        except AssetsError as error:
            if error.code not in _TAKEN:
                raise
            return stored_before(self, key, whole)
        return StoredObject(whole.size, crc32)

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> AzureWriter:
        """Choose an identifier for the blocks of this run; no request is sent."""
        return AzureWriter(self, key, self._blob(key), secrets.token_hex(4), options)

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> AzureWriter | None:
        """Resume with the blocks of an earlier run, if there are any, in the same encryption scope."""
        writer = AzureWriter(self, key, self._blob(key), handle.get("run", ""), options)
        is_same = writer.run and dict(handle) == writer.handle
        return writer if is_same and writer.done() else None

    def delete(self, key: str) -> None:
        """Delete Blob."""
        with if_there(), translated(f"cannot delete {self.uri(key)}"):
            self._blob(key).delete_blob()

    def sweep(self, keys: Collection[str]) -> int:
        """Do nothing: the service itself drops uncommitted blocks, which cannot be deleted."""
        return 0

    def _blob(self, key: str) -> BlobClient:
        return self.container.get_blob_client(key)


@dataclass(slots=True)
class AzureWriter:
    """The blocks of one run."""

    store: AzureStore
    key: str
    blob: BlobClient
    run: str
    options: ObjectOptions = DEFAULTS
    _ids: dict[int, str] = field(default_factory=dict)

    def put_part(self, part: Part, data: memoryview) -> str:
        """Put Block; the service verifies the MD5."""
        self.store.rules.admit(part.number)
        tag = f"{part.crc32:08x}"
        block = f"{self.run}-{part.number:06}-{tag}"
        content = bytes(data)
        with translated(f"part {part.number} of {self.store.uri(self.key)}"):
            self.blob.stage_block(
                block, content, validate_content=True, encryption_scope=self.options.kms_key
            )
        self._ids[part.number] = block
        return tag

    @property
    def handle(self) -> Mapping[str, str]:
        """Identifier of this run, and the digest of the encryption scope that all blocks must share."""
        return {"run": self.run, "scope": digest(self.options.kms_key)}

    def done(self) -> Sequence[StoredPart]:
        """Get Block List: the uncommitted blocks of this run."""
        blocks: Sequence[BlobBlock] = ()
        with if_there(), parsed(f"cannot list the blocks of {self.store.uri(self.key)}"):
            _, blocks = self.blob.get_block_list("uncommitted")
        held = []
        for block in blocks:
            run, number, tag = _parse(block.id)
            if run == self.run:
                self._ids[number] = block.id
                held.append(StoredPart(number, int(block.size), tag))
        return sorted(held, key=lambda part: part.number)

    def read(self, offset: int, view: memoryview) -> bool:
        """Uncommitted blocks cannot be read."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Compare the length of the blocks that the service holds, then Put Block List."""
        from azure.core import MatchConditions
        from azure.storage.blob import BlobBlock

        held = self.done()
        if self._ids.keys() - {part.number for part in held}:
            return self._dropped(whole, overwrite=overwrite)
        check_size(self.store.uri(self.key), sum(part.size for part in held), whole)
        blocks = [BlobBlock(self._ids[number]) for number in sorted(self._ids)]
        only_new = None if overwrite else MatchConditions.IfMissing
        try:
            with translated(f"cannot publish {self.store.uri(self.key)}"):
                self.blob.commit_block_list(
                    blocks,
                    match_condition=only_new,
                    **self.store.arguments(self.key, whole.crc32, self.options),
                )
        except AssetsError as error:
            if error.code == "InvalidBlockList":
                return self._dropped(whole, overwrite=overwrite)
            if error.code not in _TAKEN:
                raise
            return stored_before(self.store, self.key, whole)
        return StoredObject(whole.size, whole.crc32)

    def _dropped(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """The blob that another landing has published with the same bytes.

        The service drops all other blocks of a name when a blob of that name is published (Put Block List,
        "Remarks").

        :raises InvalidRequestError: if another blob has the name, and *overwrite* is false.
        :raises TransferInterruptedError: if there are only other blobs, or none.
        """
        store, there = self.store, self.store.head(self.key)
        if there and holds(store, self.key, whole):
            return there
        if there and not overwrite:
            raise name_taken(store.uri(self.key))
        raise TransferInterruptedError(
            f"the service has dropped the blocks of {store.uri(self.key)}, as it does when another task "
            "writes to that name; try again"
        )

    def keep(self) -> None:
        """Leave the blocks as they are."""

    def discard(self) -> None:
        """Do nothing: the blocks are invisible and expire."""


def _parse(block: str) -> tuple[str, int, str]:
    run, _, rest = block.partition("-")
    number, _, tag = rest.partition("-")
    return (run, int(number), tag) if number.isdigit() else ("", 0, "")
