# ruff: noqa: DTZ001  # the strategy gives them their zone
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import iso_ms, parse_moment

# A calendar far from the ends of time, where every zone has an offset.
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(timezone.utc))


@given(MOMENTS, st.sampled_from(["UTC", "Europe/Paris", "Asia/Kathmandu", "America/St_Johns"]))
def test_a_moment_reads_the_same_in_every_zone_and_spelling(moment, zone) -> None:
    there = moment.astimezone(ZoneInfo(zone))
    assert parse_moment(there.isoformat(), "x") == moment
    assert iso_ms(there) == iso_ms(moment)
    assert moment - parse_moment(iso_ms(there), "x") < timedelta(milliseconds=1)


@given(st.text())
def test_any_text_is_a_zoned_moment_or_refused(text) -> None:
    try:
        moment = parse_moment(text, "x")
    except InvalidRequestError:
        return
    assert moment.tzinfo is not None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_without_a_year_in_utc_is_refused_by_the_name_of_its_field(text) -> None:
    with pytest.raises(InvalidRequestError, match=r"^the_name: .* before the year 1 or after"):
        parse_moment(text, "the_name")
