"""Google Cloud Storage: parts are objects that are composed, verified, then copied to their final name.

Each part is uploaded with its CRC-32C, which the service verifies. Compose joins up to 32 objects (Cloud
Storage, "Composite objects") into one beside the target, whose CRC-32C and length must be those of the
whole. Only then is it copied to its name, on the condition (``ifGenerationMatch=0``) that the name is free.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os.path import commonprefix  # of characters, as keys are
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.crc import CASTAGNOLI, Checksum, combine_all
from airflow_provider_assets.landing.markers import PARTS_FOLDER
from airflow_provider_assets.landing.stores.base import (
    Part,
    StoredObject,
    StoredPart,
    best_effort,
)
from airflow_provider_assets.landing.stores.gcs.errors import TAKEN, retry_policy, translated
from airflow_provider_assets.landing.stores.gcs.objects import GcsObjects
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.landing.stores.shared import stored_before
from airflow_provider_assets.sansio.errors import AssetsError, IntegrityError

if TYPE_CHECKING:
    from google.cloud.storage import Blob

_JOINED = 32  # the most objects that one Compose joins


@dataclass(frozen=True, slots=True)
class GcsStore(GcsObjects):
    """A bucket; its parameter is that of :class:`GcsObjects`."""

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> GcsWriter:
        """Choose a name for the parts of this run; no request is sent."""
        return GcsWriter(self, key, secrets.token_hex(4), options)

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> GcsWriter | None:
        """Resume with the parts of an earlier run, if there are any."""
        writer = GcsWriter(self, key, handle.get("run", ""), options)
        return writer if writer.run and writer.done() else None

    def sweep(self, keys: Collection[str]) -> int:
        """Delete the parts of dead runs, recognized by their names."""
        if not keys:  # their common prefix would be that of the whole bucket
            return 0
        chunks = {key + PARTS_FOLDER for key in keys}
        # One listing for all keys: one per key would cost thousands of requests before the first byte.
        found = self.listing(commonprefix(list(chunks)))  # noqa: RUF071  # keys, not paths
        stale = [
            name
            for name, _ in found
            if name[: name.rfind(PARTS_FOLDER) + len(PARTS_FOLDER)] in chunks
        ]
        best_effort(partial(self.delete_all, stale))
        return len(stale)


@dataclass(slots=True)
class GcsWriter:
    """The parts of one run."""

    store: GcsStore
    key: str
    run: str
    options: ObjectOptions = DEFAULTS
    _held: dict[int, StoredPart] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Common prefix of the names of all parts."""
        return f"{self.key}{PARTS_FOLDER}{self.run}/"

    def put_part(self, part: Part, data: memoryview) -> str:
        """Upload the part as an object; the service verifies its CRC-32C."""
        name = f"{self.prefix}{part.number:06}"
        blob = self.store.upload(
            name, bytes(data), crc32=part.crc32, overwrite=True, options=self._of_parts
        )
        self._held[part.number] = StoredPart(part.number, part.size, blob.crc32c)
        return str(blob.crc32c)

    @property
    def _of_parts(self) -> ObjectOptions:
        """The options of parts, which are deleted soon: a cold class would charge for months."""
        return ObjectOptions(kms_key=self.options.kms_key)

    @property
    def handle(self) -> Mapping[str, str]:
        """Identifier of this run."""
        return {"run": self.run}

    def done(self) -> Sequence[StoredPart]:
        """The parts that are stored."""
        for blob in self.store.blobs(self.prefix):
            number = blob.name[len(self.prefix) :]
            if number.isdigit():
                self._held[int(number)] = StoredPart(int(number), int(blob.size), blob.crc32c)
        return [self._held[number] for number in sorted(self._held)]

    def read(self, offset: int, view: memoryview) -> bool:
        """Parts cannot be read back before they are composed."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Compose the parts, verify the result, and copy it to its name; then set its ACL."""
        there = None if overwrite else self.store.check_free(self.key, whole)
        stored = there or self._publish(whole, overwrite=overwrite)
        if self.options.acl:  # the SDK sets none with a copy
            acl = self.store.bucket.blob(self.key).acl
            with translated(f"cannot set the ACL of {self.store.uri(self.key)}"):
                acl.save_predefined(self.options.acl, retry=retry_policy())
        return stored

    def _publish(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        held = [self._held[number] for number in sorted(self._held)]
        joined = self._compose([f"{self.prefix}{part.number:06}" for part in held])
        crc = combine_all([(_number(part.tag), part.size) for part in held], CASTAGNOLI)
        if (int(joined.size or 0), _number(joined.crc32c)) != (whole.size, crc):
            raise IntegrityError(
                f"{self.store.uri(self.key)}: the composed object is not what was sent"
            )
        target = self.store.blob(self.key, whole.crc32, self.options)
        only_new = None if overwrite else 0
        try:
            with translated(f"cannot publish {self.store.uri(self.key)}"):
                _copy(joined, target, only_new)
        except AssetsError as error:
            if error.status != TAKEN:
                raise
            return stored_before(self.store, self.key, whole)
        if (int(target.size or 0), _number(target.crc32c)) != (whole.size, crc):
            best_effort(lambda: self.store.delete(self.key))
            raise IntegrityError(f"{self.store.uri(self.key)}: the copy is not what was verified")
        return StoredObject(whole.size, whole.crc32)

    def _compose(self, names: list[str]) -> Blob:
        level, bucket = 0, self.store.bucket
        while True:
            level += 1
            groups = [names[at : at + _JOINED] for at in range(0, len(names), _JOINED)]
            names = [f"{self.prefix}level{level}-{number:06}" for number in range(len(groups))]
            for name, group in zip(names, groups, strict=True):
                blob = bucket.blob(name)
                blob.content_type = "application/octet-stream"
                parts = [bucket.blob(part) for part in group]
                with translated(f"cannot join {self.store.uri(name)}"):
                    blob.compose(parts, retry=retry_policy())
            if len(names) == 1:
                with translated(f"cannot inspect {self.store.uri(names[0])}"):
                    blob.reload()
                return blob

    def keep(self) -> None:
        """Leave the parts as they are."""

    def discard(self) -> None:
        """Delete the parts."""
        self.store.delete_all([blob.name for blob in self.store.blobs(self.prefix)])


def _copy(source: Blob, target: Blob, only_new: int | None) -> None:
    token = None
    while True:
        token, _, _ = target.rewrite(
            source, token=token, if_generation_match=only_new, retry=retry_policy()
        )
        if token is None:
            return


def _number(checksum: str) -> int:
    return int.from_bytes(base64.b64decode(checksum), "big")
