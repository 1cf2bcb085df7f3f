"""The page of a report, as text and as a browser shows it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from PIL import Image

from airflow_provider_assets.reports.page import (
    MAX_PROBLEMS,
    BatchLine,
    Picture,
    Report,
    render,
    size,
)
from airflow_provider_assets.reports.pictures import to_jpeg

CHROMIUM = shutil.which("chromium")
HOSTILE = '"><script>alert(1)</script><img src=http://elsewhere.test/x>'


def square(color: str) -> str:
    from io import BytesIO

    file = BytesIO()
    Image.new("RGB", (600, 400), color).save(file, "PNG")
    return to_jpeg(file.getvalue())


def report(**changes) -> Report:
    batches = [
        BatchLine(1, 1000, 1000, 1000, 2_000_000_000, 80.0, "s3://bucket/scenario-001.zip"),
        BatchLine(
            2,
            1000,
            990,
            990,
            1_000_000_000,
            None,
            "s3://bucket/scenario-002.zip",
            {"asset_7": "moderated"},
        ),
        BatchLine(3, 400, 400, problems={"": "AuthenticationError: check connection 'x'"}),
    ]
    pictures = [Picture(square("teal"), "a kite over the sea", "asset_1.png")]
    given = {
        "title": "scenario-2026-01-09-7c92f9ee",
        "facts": {"window": "2026-01-09"},
        "batches": batches,
        "pictures": pictures,
    }
    return Report(**{**given, **changes})


def test_the_page_names_totals_batches_and_problems():
    text = re.sub(r"<[^>]+>", " ", render(report()))
    for shown in ("2 of 3", "2,400", "2,390", "1,990", "2.8 GiB", "23.8 MiB", "asset_7: moderated",
                  "has not landed", "check connection", "landed before", "a kite over the sea"):  # fmt: skip
        assert shown in text, shown


def test_what_a_vendor_names_is_text_and_nothing_else():
    batch = BatchLine(1, 1, 1, 1, 1, 1.0, HOSTILE, {HOSTILE: HOSTILE})
    page = render(
        report(
            title=HOSTILE,
            facts={HOSTILE: HOSTILE},
            batches=[batch],
            pictures=[Picture("", HOSTILE, HOSTILE)],
            note=HOSTILE,
        )
    )
    assert "<script" not in page
    assert page.count("<img") == 1
    assert "default-src 'none'" in page


def test_a_thousand_problems_do_not_make_a_page_of_a_thousand_lines():
    batch = BatchLine(1, 1000, 0, 0, problems={f"asset_{i}": "moderated" for i in range(1000)})
    page = render(report(batches=[batch]))
    assert page.count("<li>") == MAX_PROBLEMS + 1
    assert "and 950 more" in page


def test_a_run_without_items_has_a_page():
    assert "0 of 1" in render(report(batches=[BatchLine(1, 0, 0)], pictures=[]))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1536, "1.5 KiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 51, "2,048.0 TiB"),
    ],
)
def test_a_size_is_written_for_people(count, text):
    assert size(count) == text


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_a_browser_shows_it_without_a_network_and_without_a_complaint(
    tmp_path, width, height, scheme
):
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(render(report()), encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--proxy-server=127.0.0.1:9", "--enable-logging=stderr", f"--user-data-dir={tmp_path}/profile",
            f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
            f"--window-size={width},{height}", f"--screenshot={shot}", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr
    with Image.open(shot) as image:
        assert image.size == (width, height)
        colors = image.convert("RGB").getcolors(width * height)
        background = max(colors)[1]
        assert len(colors) > 100  # text, bars and a picture
        assert (sum(background) < 200) is (scheme == "dark")
        # Nothing is wider than the screen: the column at its right edge is empty.
        edge = image.convert("RGB").crop((width - 4, 0, width, height)).getcolors()
        assert [color for _, color in edge] == [background]
