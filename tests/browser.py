"""A headless Chromium, spoken to over two pipes: what a page says, asks for and measures.

The protocol is Chromium's own (https://chromedevtools.github.io/devtools-protocol): messages in
JSON that end in a null byte. No driver and no package is needed.
"""

import base64
import fcntl
import functools
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

#: names under which the browser is installed; the variable ABSENTIA_BROWSER comes first
NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "chrome-headless-shell", "headless_shell",
)  # fmt: skip


@functools.cache
def installed():
    """Return the path of a Chromium, or None."""
    named = os.environ.get("ABSENTIA_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def _pipe():
    """A pipe whose two ends have numbers above the two that the browser reads and writes."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high


class Browser:
    """A running browser; a context manager."""

    def __init__(self, program, patience=30.0):
        self.patience = patience
        self._numbers = itertools.count(1)
        self._unread = b""
        self._events = []
        self._home = tempfile.TemporaryDirectory()
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-extensions", "--remote-debugging-pipe",
            f"--user-data-dir={self._home.name}",
        )  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._home.cleanup()

    def _next(self, until):
        """The next message of the browser, or an error once the time ``until`` has passed."""
        while b"\0" not in self._unread:
            ready, *_ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._in, 1 << 20) if ready else b""
            if not more:
                raise TimeoutError("the browser does not answer")
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        """Run a command of the protocol; return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + self.patience
        while (answer := self._next(until)).get("id") != number:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def take(self, session):
        """The events of a page since the last call."""
        own = [event for event in self._events if event.get("sessionId") == session]
        self._events = [event for event in self._events if event.get("sessionId") != session]
        return own

    def wait(self, method, session):
        """Wait until a page has sent this event."""
        until = time.monotonic() + self.patience
        while not any(
            e.get("method") == method and e.get("sessionId") == session for e in self._events
        ):
            self._events.append(self._next(until))

    def page(self, width, height=900):
        """An empty page of this width."""
        return Page(self, width, height)


class Page:
    """One page of a browser."""

    def __init__(self, browser, width, height):
        self.browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call(
            "Target.attachToTarget", targetId=self._target, flatten=True
        )["sessionId"]  # fmt: skip
        for domain in ("Runtime", "Log", "Network", "Page"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def _call(self, method, **parameters):
        return self.browser.call(method, session=self._session, **parameters)

    def open(self, address):
        """Load an address, and wait until all that belongs to it is there."""
        self.browser.take(self._session)
        error = self._call("Page.navigate", url=address).get("errorText")
        if error:
            raise RuntimeError(f"{address}: {error}")
        self.browser.wait("Page.loadEventFired", self._session)

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def until(self, expression):
        """Wait until an expression holds; return its value."""
        end = time.monotonic() + self.browser.patience
        while not (value := self.evaluate(expression)):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} does not come true")
            time.sleep(0.05)
        return value

    def complaints(self):
        """Errors, warnings of the console, and addresses outside that the page asked for."""
        said = []
        for event in self.browser.take(self._session):
            what, details = event["method"], event["params"]
            if what == "Runtime.exceptionThrown":
                said.append(details["exceptionDetails"]["text"])
            elif what == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
                said.append(" ".join(str(a.get("value")) for a in details["args"]))
            elif what == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
                said.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
            elif what == "Network.requestWillBeSent":
                address = details["request"]["url"]
                if not address.startswith(("file:", "data:", "blob:", "about:")):
                    said.append(f"asks for {address}")
        return said

    def sideways(self):
        """By how many pixels the page is wider than its window."""
        return self.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def picture(self):
        """What the window shows, as the bytes of a PNG file."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def printed(self):
        """What the browser prints of the page, as the bytes of a PDF file."""
        options = {"printBackground": True, "preferCSSPageSize": True}
        return base64.b64decode(self._call("Page.printToPDF", **options)["data"])

    def close(self):
        """Close the page."""
        self.browser.call("Target.closeTarget", targetId=self._target)
