"""A headless Chromium driven over the WebDriver protocol with nothing but the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--disable-dev-shm-usage",
]  # fmt: skip


def missing() -> str | None:
    """Say what is missing for a browser test, or None."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install chromium chromium-driver)"
    return None


class Browser:
    def __init__(self, base: str, session: str) -> None:
        self.base, self.session = base, session

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return request(method, f"{self.base}/session/{self.session}/{path}", body)

    def open(self, url: str, ready: str = "return document.documentElement.dataset.ready === 'yes'") -> float:
        """Load a page, wait until it says it is ready; return the seconds this took."""
        start = time.monotonic()
        self.call("POST", "url", {"url": url})
        self.until(ready)
        return time.monotonic() - start

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script: str, timeout_s: float = 20) -> None:
        end = time.monotonic() + timeout_s
        while not self.run(script):
            if time.monotonic() > end:
                raise AssertionError(f"never became true: {script}; console: {self.console()}")
            time.sleep(0.02)

    def console(self) -> list[str]:
        """Errors on the console since the last call, breaches of the page's policy among them."""
        lines = self.call("POST", "se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def size(self, width: int, height: int) -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def scheme(self, name: str) -> None:
        self.devtools(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}]
        )

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.call("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def keys(self, selector: str, text: str) -> None:
        element = next(
            iter(self.call("POST", "element", {"using": "css selector", "value": selector}).values())
        )
        self.call("POST", f"element/{element}/value", {"text": text})

    def mouse(self, *actions: dict[str, Any]) -> None:
        self.call(
            "POST", "actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": list(actions)}]}
        )


def request(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    wanted = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(wanted, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.read().decode()[:500]}") from None


@contextlib.contextmanager
def browser(scratch: Path, *, script: bool = True) -> Iterator[Browser]:
    """Start a driver and a browser with a fresh profile; end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", "--allowed-ips=127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    options: dict[str, Any] = {
        "args": [*FLAGS, f"--user-data-dir={scratch / 'profile'}", "--window-size=1280,900"],
        "binary": shutil.which("chromium"),
    }
    if not script:
        options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
    try:
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError, AssertionError):
                if request("GET", f"{base}/status")["ready"]:
                    break
            if time.monotonic() > end:
                raise AssertionError("chromedriver did not start")
            time.sleep(0.05)
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = request("POST", f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        made = Browser(base, session)
        try:
            yield made
        finally:
            request("DELETE", f"{base}/session/{session}")
    finally:
        driver.terminate()
        driver.wait(timeout=10)
