"""Airflow's user interface in a browser, as a reader uses it: by the texts that it shows."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from browser import Page, launched, opened

TICK = 0.1
HEIGHT = 900
# `named`: the innermost element with a text or a label; `entry`: what is filled in beside a label.
FINDERS = """
const isSeen = one => one.getClientRects().length && getComputedStyle(one).visibility !== 'hidden';
const says = (one, text) => (one.innerText ?? '').replace('*', '').trim() === text;
const named = (text, among = '*') => [...document.querySelectorAll(among)]
    .filter(one => (says(one, text) || one.getAttribute('aria-label') === text) && isSeen(one)).pop();
const entry = label => {
    for (let row = named(label); row; row = row.parentElement) {
        const found = row.querySelector('input, textarea');
        if (found) return found;
    }
};
const inRow = (text, label) => [...document.querySelectorAll('tr')]
    .find(row => row.innerText.includes(text))?.querySelector(`button[aria-label="${label}"]`);
"""
KEYS = {"Enter": 13}


@dataclass
class AirflowPages:
    """A browser on one Airflow.

    :param folder: where pictures are kept.
    :param texts: what every page said.
    """

    page: Page
    loop: asyncio.AbstractEventLoop
    url: str
    folder: Path
    texts: list[str] = field(default_factory=list)

    def _wait(self, done: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(done)

    # --- looking -----------------------------------------------------------------------------

    def run(self, script: str) -> Any:
        """The value of an expression, which may use the finders."""
        return self._wait(self.page.run(f"(() => {{{FINDERS} return {script}}})()"))

    def text(self) -> str:
        """What the page shows, outside of what can be filled in."""
        self.texts.append(str(self.run("document.body?.innerText ?? ''")))
        return self.texts[-1]

    def until(self, script: str, seconds: float = 30.0) -> Any:
        """The value of an expression as soon as it is true; the page may change its address meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            self._wait(asyncio.sleep(TICK))
        self.picture("failed")
        raise AssertionError(f"not within {seconds:.0f} s: {script}; the page:\n{self.text()}")

    def until_it_says(self, *texts: str) -> str:
        """What the page shows once it shows all of *texts*."""
        for text in texts:
            self.until(f"(document.body?.innerText ?? '').includes({json.dumps(text)})")
        return self.text()

    def picture(self, name: str, height: int = HEIGHT) -> None:
        """Keep a picture of the page in a window of that height, once what appears is there."""
        self._wait(resized(self.page, height))
        self._wait(asyncio.sleep(4 * TICK))
        shot = self._wait(self.page.call("Page.captureScreenshot", format="webp", quality=80))
        (self.folder / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))
        self._wait(resized(self.page))

    def complaints(self) -> list[str]:
        """Errors on the console, without Airflow's own: a static file that its package lacks."""
        told = [json.dumps(one) for one in self.page.complaints]
        return [
            one for one in told if '"error"' in one or "exception" in one if "/static/" not in one
        ]

    # --- acting ------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        """Load a page."""
        self._wait(self.page.call("Page.navigate", url=self.url + path))

    def click(self, element: str) -> None:
        """Click an element, which an expression finds, until it has noticed: what unfolds moves it away."""
        while not self._clicked(element):
            self._wait(asyncio.sleep(TICK))

    def _clicked(self, element: str) -> bool:
        """Whether a click in the middle of an element, once that can be clicked, has met it."""
        middle = f"""(() => {{
            const one = {element};
            if (!one || one.disabled) return null;
            one.scrollIntoView({{block: 'center'}});
            window.wasClicked = false;
            one.addEventListener('click', () => window.wasClicked = true, {{once: true, capture: true}});
            const box = one.getBoundingClientRect();
            return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
        }})()"""
        place = self.until(middle)
        self._wait(asyncio.sleep(TICK))
        while (now := self.until(middle)) != place:
            place = now
            self._wait(asyncio.sleep(TICK))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._wait(
                self.page.call(
                    "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
                )
            )
        return bool(
            self.run(f"window.wasClicked ?? !({element})")
        )  # undefined: it led to another page

    def type(self, label: str, text: str) -> None:
        """Fill in what is beside a label."""
        self.click(f"entry({json.dumps(label)})")
        self._wait(self.page.call("Input.insertText", text=text))

    def choose(self, label: str, option: str) -> None:
        """Choose from a list that is searched by typing."""
        self.type(label, option)
        self.until(f"document.querySelector('[role=option]')?.innerText === {json.dumps(option)}")
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key that makes no text."""
        for kind in ("rawKeyDown", "keyUp"):
            self._wait(
                self.page.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS[key]
                )
            )


async def resized(page: Page, height: int = HEIGHT) -> None:
    """Give the window another height."""
    size = {"width": 1280, "height": height, "deviceScaleFactor": 1, "mobile": False}
    await page.call("Emulation.setDeviceMetricsOverride", **size)


@contextmanager
def airflow_pages(url: str, profile: Path, folder: Path) -> Iterator[AirflowPages]:
    """A browser on the Airflow at *url*; it ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.new_event_loop()
    with launched(profile) as devtools:
        opening = opened(devtools, "about:blank")
        page = loop.run_until_complete(opening.__aenter__())
        try:
            loop.run_until_complete(resized(page))
            yield AirflowPages(page, loop, url, folder)
        finally:
            loop.run_until_complete(opening.__aexit__(None, None, None))
            loop.close()
