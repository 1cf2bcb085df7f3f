"""The form of a submission: exactly one source, dimensions within limits, a known format.

Source: ``POST /enhance/async`` and its siblings in the Image API's OpenAPI document 1.2.0.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aiohttp import web

from airflow_provider_assets.sandbox.blobs import Blob, FileBlob
from airflow_provider_assets.sandbox.topaz.state import (
    FORMATS,
    MODELS,
    Process,
    Processes,
    stand_in,
)
from airflow_provider_assets.sandbox.topaz.views import error
from airflow_provider_assets.sandbox.vendor import Refused

Form = Mapping[str, str | bytearray | bytes | web.FileField]
_SOURCES = ("image", "source_id", "source_url")
_LARGEST = 32_000
_DEFAULT_SIZE = (512, 512)


@dataclass(frozen=True, slots=True)
class _Source:
    source_id: str
    filename: str
    format: str
    size: tuple[int, int]
    blob: Blob


def process_of(form: Form, processes: Processes, folder: Path) -> Process:
    """The process that a form asks for.

    :raises Refused: with 400, 404, 415 or 422.
    """
    source = _source(form, processes, folder)
    wanted_format = FORMATS.get(_text(form, "output_format", "jpeg"))
    if wanted_format is None:
        raise Refused(error(400, "output_format is not supported"))
    model = _text(form, "model", MODELS[0][2])
    wanted = _wanted(form, source.size)
    process_id = str(uuid.uuid4())
    seed = uuid.UUID(process_id).int & 0x7FFFFFFF
    return Process(
        id=process_id,
        source_id=source.source_id,
        filename=source.filename,
        input_format=source.format,
        output_format=wanted_format,
        size=source.size,
        wanted=wanted,
        model=next((one for one in MODELS if one[2] == model), ("Enhance", "GAN", model)),
        life=processes.fresh_life(),
        source=source.blob,
        output=stand_in(seed, wanted, processes.world.options.item_bytes),
        crop=_text(form, "crop_to_fill", "false") == "true",
    )


def _source(form: Form, processes: Processes, folder: Path) -> _Source:
    given = [name for name in _SOURCES if name in form]
    if len(given) != 1:
        raise Refused(error(400, "exactly one of image, source_id and source_url is needed"))
    upload = form[given[0]]
    if isinstance(upload, web.FileField):
        return _uploaded(upload, folder)
    if given[0] == "source_url":
        name = PurePosixPath(_text(form, "source_url", "")).name
        blob = stand_in(len(name), _DEFAULT_SIZE, 0)
        return _Source(str(uuid.uuid4()), name, _format(name), _DEFAULT_SIZE, blob)
    wanted = _text(form, "source_id", "")
    for old in processes.by_id.values():
        if old.source_id == wanted:
            return _Source(wanted, old.filename, old.input_format, old.size, old.source)
    raise Refused(error(404, "No source with this ID"))


def _uploaded(upload: web.FileField, folder: Path) -> _Source:
    name = PurePosixPath(upload.filename).name
    kind, source_id = _format(name), str(uuid.uuid4())
    path, digest = folder / f"{source_id}.upload", hashlib.sha256()
    with path.open("wb") as out:
        while piece := upload.file.read(1 << 20):
            digest.update(piece)
            out.write(piece)
    with path.open("rb") as stream:
        head = stream.read(24)
    size = _DEFAULT_SIZE
    if head.startswith(b"\x89PNG") and len(head) == 24:
        width, height = struct.unpack(">II", head[16:])
        size = (width, height)
    blob = FileBlob(path, path.stat().st_size, digest.hexdigest())
    return _Source(source_id, name, kind, size, blob)


def _format(name: str) -> str:
    kind = FORMATS.get(PurePosixPath(name).suffix.removeprefix(".").lower())
    if kind is None:
        raise Refused(error(415, "The image could not be decoded"))
    return kind


def _wanted(form: Form, size: tuple[int, int]) -> tuple[int, int]:
    """The output's dimensions; a single one keeps the proportions."""
    width, height = (_side(form, name) for name in ("output_width", "output_height"))
    if width and height:
        return width, height
    if width:
        return width, max(round(size[1] * width / size[0]), 1)
    if height:
        return max(round(size[0] * height / size[1]), 1), height
    return 2 * size[0], 2 * size[1]


def _side(form: Form, name: str) -> int:
    text = _text(form, name, "")
    if text and not (text.isdecimal() and 1 <= int(text) <= _LARGEST):
        raise Refused(error(422, f"{name} must be between 1 and {_LARGEST}"))
    return int(text or 0)


def _text(form: Form, name: str, default: str) -> str:
    value = form.get(name, default)
    return value if isinstance(value, str) else default
