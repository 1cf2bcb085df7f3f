"""A page in headless Chromium, driven by the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")


@dataclass
class Page:
    """An open page; what its console was told is in ``complaints``."""

    socket: aiohttp.ClientWebSocketResponse
    session: str = ""
    complaints: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    async def listen(self) -> None:
        async for message in self.socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] in (
                "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown",
            ):  # fmt: skip
                self.complaints.append(told["params"])

    async def call(self, method: str, **params: Any) -> Any:
        number = max(self._answers, default=0) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        await self.socket.send_json(command)
        told = await asyncio.wait_for(answer, 30)
        assert "error" not in told, told
        return told["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression, once it is true."""
        look = f"const value = {script}; if (value) done(value); else setTimeout(look, 50);"
        return await self.run(
            f"new Promise((done) => {{ const look = () => {{ {look} }}; look(); }})"
        )

    async def click(self, selector: str) -> None:
        """Press the mouse on an element, which has to be the one that is seen there."""
        where = await self.run(
            f"(() => {{ const one = document.querySelector({selector!r}); one.scrollIntoView();"
            " const box = one.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;"
            " return document.elementFromPoint(x, y) === one && {x, y}; })()"
        )
        assert where, f"{selector} cannot be clicked"
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where
            )

    async def screen(self, width: int, height: int, scheme: str) -> Image.Image:
        """What a screen of that size shows to somebody who prefers that colour scheme."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        shot = await self.call("Page.captureScreenshot")
        return Image.open(BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


@contextlib.contextmanager
def launched(folder: Path) -> Iterator[str]:
    """A new browser; yields the address of its DevTools."""
    with subprocess.Popen(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
        ],
        stderr=subprocess.PIPE, text=True,
    ) as browser:  # fmt: skip
        try:
            told = ""
            while not (found := re.search(r"DevTools listening on (ws://\S+)", told)):
                told = browser.stderr.readline()
                assert told, "chromium ended"
            yield found[1]
        finally:
            browser.kill()


@contextlib.asynccontextmanager
async def opened(devtools: str, url: str) -> AsyncIterator[Page]:
    """A page of a browser."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(devtools, max_msg_size=0) as socket,
    ):
        page = Page(socket)
        listening = asyncio.create_task(page.listen())
        target = await page.call("Target.createTarget", url="about:blank")
        attached = await page.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page.session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            await page.call(f"{domain}.enable")
        await page.call("Page.navigate", url=url)
        yield page
        listening.cancel()
