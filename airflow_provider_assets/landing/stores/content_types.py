"""The content type of an object, from the extension of its name."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

UNKNOWN = "application/octet-stream"
# Types that mimetypes lacks, in all versions of Python or in older ones. Names of compressed files get the
# type of their container: Content-Encoding would let clients unpack them on the way.
_OWN = {
    ".7z": "application/x-7z-compressed",
    ".avif": "image/avif",
    ".bz2": "application/x-bzip2",
    ".flac": "audio/flac",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".obj": "model/obj",
    ".ogg": "audio/ogg",
    ".parquet": "application/vnd.apache.parquet",
    ".stl": "model/stl",
    ".tgz": "application/gzip",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
# A new instance knows the types of Python alone: those of the machine would differ between workers.
_TYPES = {**mimetypes.MimeTypes().types_map[True], **_OWN}


def content_type(key: str) -> str:
    """The media type of an object with this key; ``application/octet-stream`` where it is unknown."""
    return _TYPES.get(PurePosixPath(key).suffix.lower(), UNKNOWN)
