"""Resumes an object of which an earlier attempt has stored parts, and records how far this one has come.

A landing resumes only if all of these agree; otherwise it starts from scratch, without an error:

==========  ==============================================================  ============================
checkpoint  It is readable, of the same contents, and of one part at least.  ``checkpoint.load``
options     No stored byte has to be verified that the store cannot return.  :func:`find_unfinished`
store       It has the unfinished object, begun with the same properties.   ``Store.resume``
store       It has exactly the parts of which the checkpoint has the proof.  ``Checkpoint.is_proven_by``
source      Its length and its validator are those of the checkpoint.       ``ObjectLanding``
==========  ==============================================================  ============================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.checkpoint import Checkpoint, chain, save
from airflow_provider_assets.landing.layouts.parts import verifier_for
from airflow_provider_assets.landing.options import SAVE_SECONDS
from airflow_provider_assets.landing.pipeline.scheduler import Feed, PartInFlight
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.landing.stores.base import PartWriter, best_effort, pieces
from airflow_provider_assets.landing.verify import StreamVerifier

_UNSEEN = "unseen"  # container of a checkpoint that was recorded with verify=False


def find_unfinished(call: LandingCall, checkpoint: Checkpoint) -> PartWriter | None:
    """The unfinished object of *checkpoint*; what cannot be used is removed, and the result is None."""
    writer = None
    if not _needs_first_bytes(call, checkpoint):
        writer = call.store.resume(call.key, checkpoint.writer, options=call.object_options)
    if writer and _is_proven(checkpoint, writer):
        return writer
    if writer:
        best_effort(writer.discard)
    save(call.state, call.key, None)
    call.store.sweep([call.key])
    return None


def _needs_first_bytes(call: LandingCall, checkpoint: Checkpoint) -> bool:
    """Whether stored bytes still have to be verified, and the store cannot return them."""
    is_unseen = call.options.sha256 or (call.verify and checkpoint.container == _UNSEEN)
    return bool(is_unseen) and not call.store.rules.reads_back


def _is_proven(checkpoint: Checkpoint, writer: PartWriter) -> bool:
    try:
        return checkpoint.is_proven_by(writer.done())
    except BaseException:
        writer.keep()  # the next attempt may be able to look
        raise


def verifier_of_stored(
    call: LandingCall,
    checkpoint: Checkpoint,
    writer: PartWriter,
    fetch_again: Callable[[Feed], None],
) -> StreamVerifier:
    """A verifier of the stored parts: they are read back, or the checkpoint's census is taken over.

    :param fetch_again: feeds the first bytes of the zip entry that the checkpoint cuts in two. They are
        stored, but no store that resumes an upload can return them before its end.
    """
    verifier = verifier_for(call, checkpoint.total)
    if writer.read(0, memoryview(bytearray(1))):
        for piece in pieces(writer.read, checkpoint.done):
            verifier.feed(piece)
        return verifier
    verifier.take_over(checkpoint.census, checkpoint.done, is_zip=checkpoint.container == "zip")
    if verifier.scanner:
        fetch_again(verifier.scanner)
    return verifier


@dataclass(slots=True)
class CheckpointRecorder:
    """Records the checkpoints of one object, and saves the latest of them now and then.

    :param is_saved: whether the state has a checkpoint of the object.
    :ivar latest: the checkpoint from which the next attempt can resume, if there is one.
    """

    call: LandingCall
    is_saved: bool
    latest: Checkpoint | None = None
    _proof: str = ""
    _saved_at: float = 0.0

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue after the parts of *checkpoint*."""
        self.latest, self._proof = checkpoint, checkpoint.proof

    def callback(
        self, download: Download, verifier: StreamVerifier, writer: PartWriter, size: int
    ) -> Callable[[PartInFlight, int], None]:
        """A function that records a checkpoint after each part of *size* bytes, once it was verified."""

        def record(part: PartInFlight, crc: int) -> None:
            self._proof = chain(self._proof, part.tag)
            snapshot = verifier.snapshot()
            if snapshot is None or not writer.handle:
                return
            container, census = snapshot
            self.latest = Checkpoint(
                label=self.call.label,
                writer=dict(writer.handle),
                part_size=size,
                total=download.total or 0,
                validator=download.validator,
                parts=part.number,
                crc32=crc,
                proof=self._proof,
                container=container if self.call.verify else _UNSEEN,
                offset=census.offset,
                count=census.count,
                digest=f"{census.digest:x}",
            )

        can_resume = self.call.state is not None and download.is_ranged and download.validator
        return record if can_resume else lambda part, crc: None

    def save_if_due(self) -> None:
        """Save the latest checkpoint, if the last one was saved long enough ago."""
        now = self.call.options.clock()
        if self.latest and now - self._saved_at >= SAVE_SECONDS:
            self._saved_at = now
            self.save()

    def save(self) -> None:
        """Save the latest checkpoint."""
        self.is_saved = True
        save(self.call.state, self.call.key, self.latest)

    def forget(self) -> None:
        """Remove what the state has of the object."""
        if self.is_saved:
            save(self.call.state, self.call.key, None)
