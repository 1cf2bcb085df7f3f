"""Secrets that others repeat are not in texts for people."""

from __future__ import annotations

from base64 import b64encode

from airflow_provider_assets.sansio.redaction import (
    redacted,
    redacted_json,
    secrets_of_headers,
    secrets_of_url,
)

HEADERS = (
    ("Authorization", "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0123456789abcdef"),
    ("X-Api-Key", "canary/key"),
    ("Content-Type", "application/json;charset=utf-8"),
)


def test_a_secret_is_hidden_as_it_is_and_percent_encoded() -> None:
    text = "the key canary/key (canary%2Fkey) is wrong, Signature=0123456789abcdef"
    assert redacted(text, secrets_of_headers(HEADERS)) == "the key *** (***) is wrong, ***"


def test_a_longer_secret_is_hidden_before_its_beginning_is() -> None:
    assert redacted("secret-of-a-user", ["secret-of", "secret-of-a-user"]) == "***"


def test_a_header_is_hidden_whole_and_without_its_scheme() -> None:
    pair = b64encode(b"the-key:the-secret").decode()
    secrets = [*secrets_of_headers([("authorization", f"Basic {pair}")])]
    assert redacted(f"Basic {pair} or {pair}", secrets) == "*** or ***"


def test_words_are_not_taken_for_secrets() -> None:
    text = "the Signature of AK over host by SDK-HMAC-SHA256 does not fit application/json;charset=utf-8"
    assert redacted(text, ["", "of", *secrets_of_headers(HEADERS)]) == text


def test_a_secret_as_short_as_a_word_garbles_no_text() -> None:
    text = "the latest test asset is untested"
    assert redacted(text, ["test", "untest", "late"]) == text
    assert redacted(text, ["untested"]) == "the latest test asset is ***"


def test_of_a_link_its_query_and_what_signs_it_are_hidden() -> None:
    url = "https://files.test/a.zip?Expires=1768032100&Signature=canary%2Bof-a-signature"
    text = "Signature canary+of-a-signature of Expires=1768032100&Signature=canary%2Bof-a-signature"
    assert redacted(text, secrets_of_url(url)) == "Signature *** of ***"
    assert (
        redacted("the whole text", secrets_of_url("https://files.test/a.zip")) == "the whole text"
    )


def test_a_secret_is_hidden_in_every_text_of_an_answer() -> None:
    answer = {"error": {"code": "key canaries", "more": ["canaries", 1, None]}, "is_last": True}
    hidden = {"error": {"code": "key ***", "more": ["***", 1, None]}, "is_last": True}
    assert redacted_json(answer, ["canaries"]) == hidden


def test_the_parts_of_a_header_or_link_are_hidden_from_sixteen_characters_on() -> None:
    key, short = "0123456789abcde=", "0123456789abcde"
    headers = [("Authorization", f"Algorithm Access={short}, Signature={key}")]
    assert redacted(f"{key} or {short}", secrets_of_headers(headers)) == f"*** or {short}"
    bare = [("Authorization", "Bearer 0123456789abcdef")]
    assert redacted("0123456789abcdef", secrets_of_headers(bare)) == "***"
    url = f"https://files.test/a.zip?A=0123456789abcdef&B={short}"
    assert redacted(f"0123456789abcdef or {short}", secrets_of_url(url)) == f"*** or {short}"
