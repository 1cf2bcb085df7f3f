"""Export and archive assets from vendor APIs into your own storage, as Apache Airflow parts.

``sansio`` describes the work without doing any I/O, ``vendors`` hold one file of facts and flows per
API, ``network`` performs requests, ``landing`` moves bytes into verified objects, and ``hooks``,
``operators``, ``sensors``, ``triggers``, ``transfers`` and ``exports`` are the Airflow faces of it.
``sandbox`` serves the vendors' APIs on localhost. See ARCHITECTURE.md.
"""

from __future__ import annotations

__version__ = "0.1.0"
