"""Writes an object piece by piece, without knowing its length beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from airflow_provider_assets.landing.crc import Checksum, combine_all, crc32
from airflow_provider_assets.landing.pipeline.buffers import Buffer, BufferPool
from airflow_provider_assets.landing.stores.base import Part, PartWriter, Store, best_effort
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions


@dataclass(slots=True)
class ObjectWriter:
    """Collects pieces into parts: :meth:`write`, then :meth:`finish` or :meth:`abort`.

    :param label: identity of the landing. :param buffers: memory for the parts.
    :param part_size: bytes per part; an object that fits into one part is stored in one request.
    :param pool: uploads parts in the background; None: in the calling thread.
    :param options: properties of the object.
    """

    store: Store
    key: str
    label: str
    buffers: BufferPool
    part_size: int
    pool: Executor | None = None
    options: ObjectOptions = DEFAULTS
    parts: list[Part] = field(default_factory=list)
    _buffer: Buffer | None = None
    _filled: int = 0
    _offset: int = 0
    _writer: PartWriter | None = None
    _pending: list[Future[None]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin an object of many parts early, so that the store's answer shows what it supports."""
        if self._writer is None:
            self._writer = self.store.begin(self.key, label=self.label, options=self.options)

    def write(self, piece: memoryview | bytes) -> None:
        """Write the next bytes."""
        view = memoryview(piece)
        while view:
            if self._buffer is None:
                self._buffer = self.buffers.acquire(self.part_size)
            count = min(len(view), self.part_size - self._filled)
            self._buffer[self._filled : self._filled + count] = view[:count]
            self._filled += count
            view = view[count:]
            if self._filled == self.part_size and view:
                self._flush()

    def write_all(self, pieces: Iterable[bytes]) -> None:
        """Write all *pieces*."""
        for piece in pieces:
            self.write(piece)

    def whole(self) -> Checksum:
        """Checksum of the bytes that were written so far."""
        parts = [(part.crc32, part.size) for part in self.parts]
        if self._buffer is not None:
            view = memoryview(self._buffer)[: self._filled]
            parts.append((crc32(view, 0), len(view)))
        return Checksum(sum(size for _, size in parts), combine_all(parts))

    def finish(self, *, overwrite: bool) -> Checksum:
        """Publish the object. With a *pool*, a small object is published when :meth:`wait` returns.

        :param overwrite: whether to replace an object of the same key.
        :raises AssetsError: if it could not be published; nothing is visible then.
        """
        if self._writer is None:
            return self._finish_small(overwrite=overwrite)
        if self._filled:
            self._flush()
        self.wait()
        whole = self.whole()
        self._writer.commit(whole, overwrite=overwrite)
        best_effort(self._writer.discard)
        return whole

    @property
    def is_uploaded(self) -> bool:
        """Whether :meth:`wait` would return at once."""
        return all(future.done() for future in self._pending)

    def wait(self) -> None:
        """Wait for the uploads in the pool.

        :raises AssetsError: if one of them failed.
        """
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def abort(self) -> None:
        """Give up the object, and remove its parts."""
        for future in self._pending:
            future.cancel()
        for future in self._pending:
            if not future.cancelled():
                future.exception()
        if self._buffer is not None:
            self.buffers.release(self._buffer)
            self._buffer = None
        if self._writer:
            best_effort(self._writer.discard)

    def _finish_small(self, *, overwrite: bool) -> Checksum:
        buffer, self._buffer = self._buffer, None
        view = memoryview(buffer or b"")[: self._filled]
        whole = Checksum(len(view), crc32(view, 0))

        def put() -> None:
            try:
                self.store.put(
                    self.key,
                    view,
                    crc32=whole.crc32,
                    overwrite=overwrite,
                    options=self.options,
                )
            finally:
                if buffer is not None:
                    self.buffers.release(buffer)

        self._do(put)
        return whole

    def _flush(self) -> None:
        self.begin()
        writer, buffer = self._writer, self._buffer
        # For the type checker: the object was begun and has bytes.
        assert writer is not None and buffer is not None  # noqa: S101, PT018
        view = memoryview(buffer)[: self._filled]
        part = Part(len(self.parts) + 1, self._offset, len(view), crc32(view, 0))
        self._offset += part.size
        self.parts.append(part)
        self._buffer, self._filled = None, 0

        def upload() -> None:
            try:
                writer.put_part(part, view)
            finally:
                self.buffers.release(buffer)

        self._do(upload)

    def _do(self, work: Callable[[], None]) -> None:
        if self.pool and not (self._writer and self.store.rules.needs_order):
            self._check()
            self._pending.append(self.pool.submit(work))
        else:
            work()

    def _check(self) -> None:
        """Stop early if an upload in the pool has failed.

        :raises AssetsError: the failure.
        """
        done = [future for future in self._pending if future.done()]
        self._pending = [future for future in self._pending if not future.done()]
        for future in done:
            future.result()
