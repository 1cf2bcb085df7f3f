"""Names that no file of an archive gets: those of what this package itself keeps beside the objects.

=========================  =======================================================================
``<object>.landing``       S3: the unfinished uploads to this key belong to this package
``<object>.landing/``      Google Cloud Storage: the parts of an unfinished object
``<object>.landing.json``  any store: the landing that owns the object, until its manifest is written
``.<object>….part``        folders and other file systems: an unfinished object
``<name>.started.json``    any store: the single-use packages whose download may have begun
``.staging/``              any store: a single-use package whose files have not all landed
``.plans/``                any store: the items of batches, which landings read and never remove
``.reconcile/``            any store: reports of comparisons, and the items of gaps, likewise
``.resume/``               any store: checkpoints, where Airflow keeps none (below 3.3)
``<name>.manifest.json``   any store: the manifest of a landing
``metadata/``              any store, at the top of a destination: rows about the items
``reports/``               likewise: reports of runs
=========================  =======================================================================

Plans, manifests, metadata and reports stay; a successful landing removes the others, unless the store forbids
deleting.
"""

from __future__ import annotations

import hashlib
import re
import secrets

UPLOAD_MARKER = ".landing"
PARTS_FOLDER = ".landing/"
OWNERSHIP_MARKER = ".landing.json"
STARTED_MARKER = ".started.json"
STAGING_FOLDER = ".staging/"
PLANS_FOLDER = ".plans/"
REPORTS_FOLDER = ".reconcile/"
RESUME_FOLDER = ".resume/"
MANIFEST_SUFFIX = ".manifest.json"
TOP_FOLDERS = ("metadata/", "reports/")  # reserved nowhere else, for archives may have such folders
PART_SUFFIX = ".part"

_LONGEST_NAME = 255 - 33  # bytes: the limit of common file systems, less what a part file adds
_UNFIT = re.compile(r"[^0-9A-Za-z]")
_PART_FILE = re.compile(rf"\.(.+)\.[0-9A-Za-z]{{1,16}}-[0-9a-f]{{8}}{re.escape(PART_SUFFIX)}$")
_HIDDEN = rf"\..*{re.escape(PART_SUFFIX)}"
_ENDINGS = (UPLOAD_MARKER, OWNERSHIP_MARKER, STARTED_MARKER, MANIFEST_SUFFIX)
_BESIDE = rf".*({'|'.join(map(re.escape, _ENDINGS))})"
_FOLDERS = "|".join(
    re.escape(folder[:-1])
    for folder in (STAGING_FOLDER, PLANS_FOLDER, REPORTS_FOLDER, RESUME_FOLDER)
)
_MARKER = re.compile(rf"{_FOLDERS}|{_HIDDEN}|{_BESIDE}", re.IGNORECASE)


def is_marker(name: str) -> bool:
    """Whether *name*, one segment of a key, is reserved for this package itself."""
    return _MARKER.fullmatch(name) is not None


def is_top_folder(name: str) -> bool:
    """Whether *name* is that of a folder that this package itself writes at the top of a destination."""
    return f"{name.lower()}/" in TOP_FOLDERS


def part_file(name: str, label: str = "") -> str:
    """A new name for the unfinished file that will be called *name*.

    :param label: identity of the landing; its beginning shows in the name.
    """
    tag = _UNFIT.sub("", label)[:16] or "landing"
    return f".{hidden_name(name)}.{tag}-{secrets.token_hex(4)}{PART_SUFFIX}"


def hidden_name_in(part: str) -> str | None:
    """The :func:`hidden_name` in the name of a part file; None if *part* is not a part file of ours."""
    found = _PART_FILE.match(part)
    return found[1] if found else None


def hidden_name(name: str) -> str:
    """*name* as it appears in the name of its part file: its digest if it is too long."""
    raw = name.encode()
    return name if len(raw) <= _LONGEST_NAME else hashlib.sha256(raw).hexdigest()
