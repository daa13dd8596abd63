"""A real browser for the tests of pages: headless Chromium, driven over two pipes.

Chromium's `--remote-debugging-pipe` speaks the DevTools protocol over file descriptors 3 and 4, one JSON message after
the other with a NUL behind each, so nothing but the browser itself is needed. Protocol: chromedevtools.github.io.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1", "--force-color-profile=srgb",
)  # fmt: skip
PATIENCE = 60.0  # seconds for any one answer: a busy machine is not a failure
CODES = {" ": 32, "Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34,
         "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Backspace": 8}  # fmt: skip


def find_browser() -> str | None:
    """The Chromium on the PATH, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One Chromium with a profile of its own that is thrown away; `with Browser() as browser: browser.page()`."""

    def __init__(self, path: str | None = None) -> None:
        program = path or find_browser()
        assert program is not None, f"none of {', '.join(NAMES)} is on the PATH"
        self._profile = tempfile.mkdtemp(prefix="tracegrad-browser-")
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # By way of two high numbers, so that putting one end in its place does not close the other.
        moves = [(commands, 100), (answers, 101), (100, 3), (101, 4)]
        places = [(os.POSIX_SPAWN_DUP2, old, new) for old, new in moves]
        places += [(os.POSIX_SPAWN_CLOSE, place) for place in (100, 101)]
        silent = [(os.POSIX_SPAWN_OPEN, place, os.devnull, os.O_RDWR, 0) for place in (0, 1, 2)]
        command = [program, *FLAGS, f"--user-data-dir={self._profile}", "--remote-debugging-pipe", "about:blank"]
        self._pid = os.posix_spawn(program, command, os.environ, file_actions=[*silent, *places], setpgroup=0)
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._count = 0
        self._pages: dict[str, Page] = {}

    def page(self, *, width: int = 1280, height: int = 800) -> Page:
        """A new empty tab."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.size(width, height)
        return page

    def send(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Give one command and wait for what it returns; events that come first go to their pages."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        data = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        wanted, deadline = self._count, time.monotonic() + PATIENCE
        while True:
            answer = self.receive(deadline)
            assert answer is not None, f"{method}: no answer within {PATIENCE:g} s"
            if answer.get("id") == wanted:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def receive(self, deadline: float) -> dict[str, Any] | None:
        """The next message, handed to its page if it is an event; None after the deadline."""
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        if "method" in message and message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].heard(message["method"], message["params"])
        return message

    def forget(self, session: str) -> None:
        """Events of a closed page have nowhere to go."""
        del self._pages[session]

    def close(self) -> None:
        """End the browser with all its processes and remove its profile."""
        try:
            os.killpg(self._pid, signal.SIGKILL)
        finally:
            os.waitpid(self._pid, 0)
            os.close(self._to)
            os.close(self._from)
            shutil.rmtree(self._profile, ignore_errors=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Page:
    """One tab. `errors` holds what its console complained about, `requests` every address it asked for."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Any command of the DevTools protocol."""
        return self._browser.send(method, session=self._session, **parameters)

    def heard(self, method: str, event: dict[str, Any]) -> None:
        """Take note of an event."""
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(part.get("value", part.get("description"))) for part in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}".rstrip())
        elif method == "Network.requestWillBeSent" and not event["request"]["url"].startswith("data:"):
            self.requests.append(event["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def open(self, page: str | Path) -> None:
        """Open a file, or an address, and wait until it has loaded."""
        address = page.resolve().as_uri() if isinstance(page, Path) else page
        self._loaded = False
        answer = self.send("Page.navigate", url=address)
        assert "errorText" not in answer, f"{address}: {answer['errorText']}"
        deadline = time.monotonic() + PATIENCE
        while not self._loaded:
            assert self._browser.receive(deadline) is not None, f"{address} did not load within {PATIENCE:g} s"

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as plain data; of a promise, what it becomes."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What an element shows, as the reader sees it."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def wait(self, expression: str) -> Any:
        """Wait until the expression is true, on the page that comes after this one too."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if value := self.evaluate(expression):
                    return value
            except AssertionError as error:
                if "navigated" not in str(error):
                    raise
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.02)

    def painted(self) -> None:
        """Wait until the page has been drawn as it now is."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def click(self, selector: str) -> None:
        """Press the left button in the middle of an element, after scrolling it into view."""
        x, y = self.place(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def place(self, selector: str) -> tuple[float, float]:
        """The middle of an element, in view."""
        x, y = self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'nearest', inline: 'nearest'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2] }})(document.querySelector({json.dumps(selector)}))"
        )
        return x, y

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse: mouseMoved, mousePressed, mouseReleased, mouseWheel (with deltaX and deltaY)."""
        button = {"button": "left", "clickCount": 1} if kind in ("mousePressed", "mouseReleased") else {}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **(button | more))

    def press(self, *keys: str) -> None:
        """Press keys one after the other: a character, or a name such as "ArrowLeft", "Home", "Tab", "Enter"."""
        for key in keys:
            code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
            words = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            facts = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", type="keyDown" if words else "rawKeyDown", text=words, **facts)
            self.send("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, words: str) -> None:
        """Write into what has the focus."""
        self.send("Input.insertText", text=words)

    def size(self, width: int, height: int, *, zoom: float = 1.0) -> None:
        """The size of the window in its own pixels; zoomed in, as by the browser's zoom, fewer of them fit in."""
        self.send("Emulation.setDeviceMetricsOverride", width=round(width / zoom), height=round(height / zoom),
                  deviceScaleFactor=zoom, mobile=False)  # fmt: skip

    def media(self, **features: str) -> None:
        """What the page sees of the reader's system: prefers_color_scheme="dark", prefers_reduced_motion="reduce"."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=wanted)

    def screenshot(self, path: Path | None = None) -> bytes:
        """The window as a PNG, also written to the path."""
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(data)
        return data

    def close(self) -> None:
        """Close the tab."""
        self._browser.forget(self._session)
        self._browser.send("Target.closeTarget", targetId=self._target)


def missing(fail: Callable[[str], Any], skip: Callable[[str], Any]) -> None:
    """Without a browser the tests of pages fail where CI is set, and are skipped with the reason elsewhere."""
    if find_browser() is None:
        reason = f"no browser: none of {', '.join(NAMES)} is on the PATH (Debian: apt-get install chromium)"
        (fail if os.environ.get("CI") else skip)(reason)
