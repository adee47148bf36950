"""A headless Chromium driven by its own driver over HTTP, with the standard library alone."""

import base64
import json
import shutil
import socket
import subprocess
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find():
    """Return the paths of a browser and its driver, or None if one of them is missing."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """A browser window; use it in a `with` statement."""

    def __init__(self, width=1400, height=900):
        browser, driver = find()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([driver, f"--port={port}"], **quiet)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options = {"binary": browser, "args": [*arguments, f"--window-size={width},{height}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._wait()
        session = self._call("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/session/{session['sessionId']}"
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self._call("", method="DELETE")
        finally:
            self._process.terminate()
            self._process.wait()

    def _wait(self):
        for _ in range(200):
            try:
                return self._call("/status")
            except (URLError, ConnectionError):
                time.sleep(0.1)
        raise TimeoutError("chromedriver did not start")

    def _call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, method=method)
        with urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self._call("/url", {"url": path.as_uri()})

    def run(self, script, *args):
        """Return the result of a script, or of the promise that it returns."""
        return self._call("/execute/sync", {"script": script, "args": args})

    def command(self, name, **params):
        """Run a command of the Chrome DevTools Protocol."""
        return self._call("/goog/cdp/execute", {"cmd": name, "params": params})

    def resize(self, width, height):
        settings = {"deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, **settings)

    def prefer(self, scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def mouse(self, kind, x, y, *, pressed=False):
        button = {"button": "left", "clickCount": 1} if pressed or kind == "mouseReleased" else {}
        self.command(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=int(pressed), **button
        )

    def key(self, name, modifiers=0):
        for kind in ("keyDown", "keyUp"):
            settings = {"key": name, "code": name, "modifiers": modifiers}
            self.command("Input.dispatchKeyEvent", type=kind, **settings)

    def errors(self):
        """Return what the console has reported since the last call."""
        return [entry["message"] for entry in self._call("/se/log", {"type": "browser"})]

    def screenshot(self, path):
        data = self.command("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
