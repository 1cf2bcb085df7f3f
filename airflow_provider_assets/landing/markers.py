"""The names of all that a landing puts beside its objects while they are on their way.

=========================  =======================================================================
``<object>.landing``       S3: the unfinished uploads to this key are ours to abort
``<object>.landing/``      Google Cloud Storage: the parts of an unfinished object
``<object>.landing.json``  any store: whose object it is, until its manifest is written
``.<object>….part``        folders and other file systems: an unfinished object
``<name>.started.json``    any store: which single-use packages may have been opened
``.staging/``              any store: a single-use package whose files have not all landed
=========================  =======================================================================

Nothing of it stays after a landing that ended well, unless the store forbids to delete.
"""

from __future__ import annotations

import re

UPLOAD_MARK = ".landing"
PARTS_FOLDER = ".landing/"
CLAIM = ".landing.json"
STARTED = ".started.json"
STAGING = ".staging/"
PART_FILE = ".part"

_OF_FILES = rf"\..*{re.escape(PART_FILE)}"
_BESIDE = rf".*({'|'.join(re.escape(one) for one in (UPLOAD_MARK, CLAIM, STARTED))})"
_OURS = re.compile(rf"{re.escape(STAGING[:-1])}|{_OF_FILES}|{_BESIDE}", re.IGNORECASE)


def is_marker(name: str) -> bool:
    """Whether *name*, a segment of a key, is one that landings use for themselves."""
    return _OURS.fullmatch(name) is not None
