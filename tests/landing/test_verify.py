"""Gzip files, verified as they go by."""

from __future__ import annotations

import gzip

import pytest
from landing_kit import linked, noise

from airflow_provider_assets.landing import land
from airflow_provider_assets.landing.verify import StreamVerifier
from airflow_provider_assets.sansio.errors import IntegrityError

ONE = gzip.compress(noise(200_000))
TWO = gzip.compress(b"second member")
WHOLE = {
    "one member": ONE,
    "several members": ONE + TWO,
    "zeros behind": ONE + bytes(10_000),
    "zeros between": ONE + bytes(512) + TWO,
}
DAMAGED = {
    "cut": ONE[:-1],
    "no trailer": ONE[:-8],
    "another CRC": ONE[:-8] + b"abcd" + ONE[-4:],
    "no member behind zeros": ONE + bytes(512) + b"abc",
    "cut behind zeros": ONE + bytes(512) + TWO[:-3],
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_gzip_file_lands_verified(local, origin, quick, data):
    manifest = land([linked(origin, data, "a.json.gz")], local, options=quick)
    assert "gzip_trailer" in manifest.verified
    assert local.get("a.json.gz") == data


@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_gzip_file_is_verified_in_any_pieces(data, step):
    verifier = StreamVerifier("a.gz")
    verifier.feed(memoryview(data)[:4])
    for at in range(4, len(data), step):
        verifier.feed(memoryview(data)[at : at + step])
    verifier.close()


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_gzip_file_is_refused(local, origin, quick, data):
    with pytest.raises(IntegrityError, match="gzip"):
        land([linked(origin, data, "a.json.gz")], local, options=quick)
    assert not dict(local.listing(""))
