"""Adapts the pages, which are written to be read in the repository, to the site that mkdocs builds."""

from __future__ import annotations

import re
from typing import Any

# A relative link that leaves docs/ leads to the repository, since the site holds docs/ only.
_OUTSIDE = re.compile(r"\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Let links that leave ``docs/`` lead to the repository."""
    return _OUTSIDE.sub(rf"]({config['repo_url']}/blob/main/\1)", markdown)
