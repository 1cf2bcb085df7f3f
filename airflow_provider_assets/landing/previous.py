"""The earlier landing of the same name: decides whether this one is skipped, or replaces it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.manifest import Entry, Manifest, label_of, parse
from airflow_provider_assets.landing.stores.base import Store, crc32_in, holds
from airflow_provider_assets.sansio.errors import InvalidRequestError, PartialArchiveError


@dataclass(frozen=True, slots=True)
class PreviousLanding:
    """The manifest of an earlier landing of the same contents in the same layout."""

    record: Manifest
    files: list[Entry]

    def is_due_again(self, call: LandingCall) -> bool:
        """Whether *call* lands another archive, which has to replace this landing."""
        known = self.record
        incomplete = known.lists_files and known.entries < call.expected
        return known.facts != call.facts and (call.replacing.is_allowed or incomplete)

    def is_whole(self, call: LandingCall) -> bool:
        """Whether all that the manifest lists is still stored."""
        known, store = self.record, call.store
        if known.layout == "files":
            missing = {call.prefix + one.name: one.bytes for one in self.files}
            for key, size in store.listing(call.prefix):
                if missing.get(key) == size:
                    del missing[key]
            return not missing
        there = store.head(call.key)
        if there is None or there.size != known.bytes:
            return False
        if not known.crc32:
            return True
        if there.crc32 is None and "store_checksum" in known.verified:
            # Whoever has written the object since did not write our checksum beside it.
            return holds_recorded(store, call.key, known)
        return there.crc32 is None or f"{there.crc32:08x}" == known.crc32


def holds_recorded(store: Store, key: str, record: Manifest) -> bool:
    """Whether the object under *key* has the size and the CRC-32 that *record* says."""
    crc = crc32_in(record.crc32)
    return crc is not None and holds(store, key, Checksum(record.bytes, crc))


def refuse_fewer(
    call: LandingCall, files: int, at_least: int, *, is_unpacked: bool = False
) -> None:
    """Refuse to replace an incomplete landing of *at_least* files with one that has only *files* files.

    :param is_unpacked: whether files of the same names were replaced already.
    :raises PartialArchiveError: if the new one has fewer.
    """
    if files >= at_least:
        return
    kept = call.store.uri(call.key if call.layout == "archive" else call.manifest_key)
    if is_unpacked:
        outcome = (
            f"{kept} still records; files that both have were replaced while this one arrived. Land a "
            "complete archive, or set overwrite=True to record this one"
        )
    else:
        outcome = f"was kept ({kept}); set overwrite=True to replace it"
    raise PartialArchiveError(
        f"the archive holds fewer files ({files}) than an earlier one of the same items ({at_least}), "
        f"which {outcome}"
    )


def landed_before(call: LandingCall) -> PreviousLanding | None:
    """The earlier landing of the same contents and layout under the name of *call*, if there is one.

    :raises InvalidRequestError: if another landing owns the name, or its manifest cannot be read, and
        ``overwrite`` is false.
    """
    document = call.store.get(call.manifest_key)
    if document is None:
        return None
    try:
        known, files = parse(document)
    except InvalidRequestError as error:
        if call.replacing.is_allowed:
            return None
        raise InvalidRequestError(
            f"{call.store.uri(call.manifest_key)} cannot be read ({error}); delete it if nobody needs "
            "it, choose another name, or set overwrite=True to replace it and the objects it lists"
        ) from error
    if label_of(known.facts) == call.label and known.layout == call.layout:
        return PreviousLanding(known, files)
    if call.replacing.is_allowed:
        return None
    held, wanted = known.facts.get("items"), call.facts.get("items")
    counts = f" ({held} items then, {wanted} now)" if held != wanted else ""
    raise InvalidRequestError(
        f"{call.store.uri(call.manifest_key)} records another landing: another export of that name, one "
        f"of the same window when it listed other items{counts}, or one in another layout; choose another "
        "name, or set overwrite=True to replace it"
    )
