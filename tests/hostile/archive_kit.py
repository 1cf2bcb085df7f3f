"""The form of an entry of the zoo: an archive, and what has to come of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from zip_forge import Item, forge

from airflow_provider_assets.sansio.errors import AssetsError, IntegrityError, InvalidRequestError


@dataclass(frozen=True)
class Refusal:
    """An error of this class, whose message holds this text."""

    error: type[AssetsError]
    text: str


Lands = dict[str, bytes]
Fate = Lands | Refusal


@dataclass(frozen=True)
class Hostile:
    """An archive, and what comes of it.

    ``files``: with ``layout="files"``: the objects that land, or the refusal. ``archive``: with
    ``layout="archive"``: a refusal, or None if it lands as it is. ``streamed``: as ``files``, if one pass
    sees something else than random access. ``called``: its file name.
    """

    name: str
    data: bytes
    files: Fate
    archive: Refusal | None = None
    streamed: Fate | None = None
    called: str = "export.zip"


damaged = partial(Refusal, IntegrityError)
refused = partial(Refusal, InvalidRequestError)
WORDS = b"words " * 40
TWO = (Item("a.txt", b"first"), Item("b.txt", b"second"))
BOTH = {"a.txt": b"first", "b.txt": b"second"}


def named(title: str, *names: bytes | str, lands: tuple[str, ...], **how: object) -> Hostile:
    """An archive of entries with these names, each of which lands under its name in *lands*."""
    items = [Item(name, f"{n}".encode(), **how) for n, name in enumerate(names)]
    return Hostile(title, forge(items), {name: f"{n}".encode() for n, name in enumerate(lands)})


def broken(title: str, data: bytes, text: str, *, indexed: Fate | str | None = None) -> Hostile:
    """An archive that is damaged; *indexed*: what random access says, if it is something else."""
    seen = damaged(text)
    other = damaged(indexed) if isinstance(indexed, str) else indexed
    return Hostile(title, data, seen if other is None else other, seen, seen)


def opaque(title: str, text: str, **item: object) -> Hostile:
    """An archive that lands as it is, but cannot be unpacked."""
    return Hostile(title, forge([Item("a.bin", WORDS, raw=WORDS, **item)]), refused(text))


def folder(title: str, name: str, data: bytes = b"x", **how: object) -> Hostile:
    """An archive of a folder with content."""
    items = [Item("a", b"1"), Item(name, data, **how)]
    return Hostile(title, forge(items), refused("is a folder with content"))
