"""Headless Chromium for tests of the console: Debian's, with whatever it complains about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
_ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_OWN_SCHEMES = ("blob", "data")  # what the page itself made


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, and end it."""
    found = shutil.which("chromium")
    assert found is not None, "chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield browser
        browser.close()


class Tab:
    """A tab with a storage of its own.

    Attributes:
        page: of playwright.
        complaints: errors and warnings that the browser logged, exceptions of the page.
        hosts: that were asked for anything.
        requests: paths that were asked for, with the headers sent.
    """

    def __init__(self, browser: Browser, url: str, **more: Any) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        context = browser.new_context(base_url=url, **more)
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.page.on("console", self._on_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._on_request)

    def close(self) -> None:
        """Forget the tab and its storage."""
        self.page.context.close()

    def _on_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _on_request(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme not in _OWN_SCHEMES:
            self.hosts.add(url.netloc)
            self.requests.append((url.path, request.headers))
