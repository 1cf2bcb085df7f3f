"""The names of an archive's entries: ``fileNameTemplate``, ``flat`` and the length limits.

Source: the description of ``POST /assets/download`` in Scenario's API reference. The directory
that ``flat: false`` groups by is undocumented; here it is the generator.
"""

from __future__ import annotations

import re

from airflow_provider_assets.sandbox.scenario.assets import Asset

_TOKEN = re.compile(r"<(seed|num|prompt|generator|id|description)>")
_FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or"}
    | {"over", "that", "the", "this", "to", "was", "with"}
)
_SLUG_WORDS = 8
_NAME_CAP = 128
_DIRECTORY_CAP = 64
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]')


def entry_name(template: str, asset: Asset, *, flat: bool) -> str:
    """The path of an asset inside the archive, including its extension."""
    seen: set[str] = set()
    segments = [_render(segment, asset, seen) for segment in template.split("/")]
    *folders, name = [segment for segment in segments if segment] or [asset.id]
    extension = ".png"
    if len(name) + len(extension) > _NAME_CAP:
        over = len(name) + len(extension) - _NAME_CAP
        name = _render(template.rpartition("/")[2], asset, set(), shorten=over)
    parts = [folder[:_DIRECTORY_CAP] for folder in folders if folder not in (".", "..")]
    if not flat:
        parts.insert(0, _clean(asset.generator)[:_DIRECTORY_CAP])
    return "/".join([*parts, name[: _NAME_CAP - len(extension)] + extension])


def slug(text: str) -> str:
    """Lower case, without function words, at most 8 words joined by ``_``."""
    words = [word for word in re.findall(r"\w+", text.lower()) if word not in _FUNCTION_WORDS]
    return "_".join(words[:_SLUG_WORDS])


def _render(segment: str, asset: Asset, seen: set[str], *, shorten: int = 0) -> str:
    out = ""
    position = 0
    for found in _TOKEN.finditer(segment):
        literal, token = segment[position : found.start()], found[1]
        position = found.end()
        if token in seen:
            out += literal.rstrip("-_. ")
            continue
        seen.add(token)
        value = _value(token, asset)
        if shorten and token in ("prompt", "description"):
            value, shorten = value[: max(len(value) - shorten, 0)], max(shorten - len(value), 0)
        out += literal + value
    return _clean(out + segment[position:])


def _value(token: str, asset: Asset) -> str:
    values = {
        "seed": str(asset.seed),
        "num": str(asset.index),
        "prompt": slug(asset.prompt),
        "generator": slug(asset.generator),
        "id": asset.id,
        "description": slug(asset.description),
    }
    return values[token]


def _clean(text: str) -> str:
    return _UNSAFE.sub("_", text).strip()
