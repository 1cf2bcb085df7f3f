"""The documentation is written in plain sentences: idioms and riddles that must not return.

The list is small on purpose. A word is on it if readers have stumbled over it, with what to write instead.
"""

from __future__ import annotations

import io
import re
import tokenize

import pytest
from doc_pages import ROOT, TEXTS

COUNTED = (
    r"(?:batch|request|connection|job|entry|asset|image|item|file|link|poller|reference|manifest|event"
    r"|object|export|slice|part|loop|session|thread|try|tries|token|marker|checksum|entries|batches)"
)
UNIT = (
    r"(?:batch|request|connection|job|day|week|second|minute|hour|interval|image|item|file|landing|line"
    r"|attempt|process|triggerer|vendor|put|poll|part|entry|object|user|thread|store|key)"
)
KIND = r"(?:text|number|JSON|name|host|zip|argument|URL|UUID|error|success)"
INSTEAD = {
    r"\banew\b": "again, or from scratch",
    rf"\b(?:one|each|a single|\d[\d,]*) {COUNTED}s? an? {UNIT}\b": "one poller per connection",
    rf"\b{COUNTED}s an? {UNIT}\b(?! (?:may|can|must|has|have|is|takes))": "requests per second",
    rf"\b(?:times|MiB|ms|bytes|seconds) (?:more )?an? {UNIT}\b": "times per second",
    r"\b(?:goes|go|going|went) on\b": "continues, or resumes",
    r"\bstands? (?:in|beside|there|here|behind|against)\b": "is",
    r"\bstands in for\b": "replaces",
    r"\btells? (?:the|a) (?:whole )?story\b": "is logged",
    r"\bmere(?:ly)?\b": "only",
    r"\bby (?:its|their) very\b": "leave it out",
    r"\bbears? (?:with|an? outage|no outage)\b": "tolerates",
    r"\b(?:is|are|was) away\b": "is unavailable",
    r"\bwhose business\b": "say who is responsible",
    r"\bruns on\b(?! (?:Python|Airflow|a |an |the |any|every|whatever|localhost|port))": "keeps running",
    r"\bspeaks? of\b": "refers to",
    r"\bin circles?\b": "repeats, or a loop",
    r"\ba matter of\b": "depends on",
    rf"(?<!there )\b(?:is|are) no {KIND}s?\b": "is not a",
    r"\bis none of (?!the\b|these\b|those\b|them\b|its\b)": "must be one of",
    r"\bexcludes? each other\b": "are mutually exclusive",
    r"\bknown are\b": "known names are",
    r"\b(?:says?|said|tells?) of\b": "says about",
    r"\bnot \w+(?: \w+){0,3} any more\b": "no longer",
    r"\bas of (?:the (?:operator|landing)|:\w+:)": "as in",
    r"\b(?:one|an?) (?:listing|request|slice) more\b": "one more request",
    r"\b(?:is|date|runs) (?:still )?to come\b": "in the future",
    r"\bfurther ones\b": "later ones",
}
PATTERNS = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in INSTEAD.items()]


def riddles(text):
    """Line number, words and what to write instead."""
    return [
        (text.count("\n", 0, match.start()) + 1, match.group(0), better)
        for pattern, better in PATTERNS
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_is_written_in_plain_words(name):
    text = re.sub(r"`[^`\n]+`", lambda code: " " * len(code.group(0)), TEXTS[name])
    assert riddles(text) == []


def test_the_package_is_written_in_plain_words():
    found = [
        f"{path.relative_to(ROOT)}:{token.start[0] + line - 1}: {words!r}, better: {better}"
        for path in sorted((ROOT / "airflow_provider_assets").rglob("*.py"))
        for token in tokenize.tokenize(io.BytesIO(path.read_bytes()).readline)
        if token.type in (tokenize.COMMENT, tokenize.STRING)
        for line, words, better in riddles(token.string)
    ]
    assert found == []


@pytest.mark.parametrize(
    "sentence",
    [
        "one poller a connection",
        "100 jobs a request",
        "It is exported anew and the log tells the story.",
        "the wait bears with a vendor that is away",
        "a retry goes on where it ended",
        "this machine by its very name",
        "name=3 is no text",
        "period='week' is none of day, month, year",
        "items and select exclude each other",
        "what its records say of it is not known any more",
        "a date that is still to come costs one request more",
        "further ones, as of the operator; known are two",
    ],
)
def test_the_list_knows_what_readers_have_stumbled_over(sentence):
    assert riddles(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "It needs a connection and a request.",
        "It runs on Python 3.10.",
        "The limit is on the parts an object may have.",
        "There are no errors, and the name is none of these.",
        "Are there any more pages? It needs a request or more.",
    ],
)
def test_the_list_leaves_plain_sentences_alone(sentence):
    assert riddles(sentence) == []
