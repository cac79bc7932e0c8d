"""How soon a browser has drawn a page, and the processor time that its main thread spends on it.

Chromium without a screen asks a real server on loopback; each page is opened anew, with nothing kept.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from benchmarks.servers import free_port

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMES = 15
_SEEN = """() => {
  const page = performance.getEntriesByType("navigation")[0];
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  return Math.max(page.loadEventEnd, first ? first.startTime : 0);
}"""


@dataclass(frozen=True)
class Drawn:
    """In ms: from asking to drawn and loaded, and the processor time of the page's main thread until then."""

    ms: float
    cpu_ms: float


def drawn(app: Any, paths: Iterable[str]) -> dict[str, Drawn]:
    """Each page of `app` as drawn, by path. Raises `RuntimeError` where there is no browser."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RuntimeError(
            f"no browser here: install Debian's package chromium, or put {BROWSERS} on the PATH"
        )
    with _listening(app) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            return {path: _median([_once(browser, address + path) for _ in range(TIMES)]) for path in paths}
        finally:
            browser.close()


def _once(browser: Browser, url: str) -> Drawn:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url, wait_until="load")
    page.wait_for_timeout(150)
    told = {one["name"]: 1000 * one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    ms = page.evaluate(_SEEN)
    context.close()
    return Drawn(ms, told["TaskDuration"])


def _median(taken: list[Drawn]) -> Drawn:
    middle = statistics.median
    return Drawn(middle(one.ms for one in taken), middle(one.cpu_ms for one in taken))


@contextmanager
def _listening(app: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
