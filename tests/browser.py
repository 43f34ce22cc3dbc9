"""A headless Chromium for the tests of pages: Debian's package, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass
class Visit:
    """A page that is open, what its console complained of, and each address that it asked for."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Run a browser while the body runs. Skips the test if Chromium is not installed."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed; on Debian or Ubuntu: apt install chromium")
    with sync_playwright() as playwright:
        # Its sandbox does not start where the tests run as root, as they do in a container.
        browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: "Browser", address: str, width: int = 1200, **context: Any) -> Iterator[Visit]:
    """Open a page of `width` pixels in a profile of its own; `context` are Playwright's options, as color_scheme."""
    with browser.new_context(viewport={"width": width, "height": 900}, **context) as profile:
        seen = Visit(profile.new_page())
        seen.page.on("console", lambda message: _complain(seen, message.type, message.text))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.goto(address)
        yield seen


def serious_violations(page: "Page") -> list[str]:
    """Return what axe-core finds that is serious or critical for people who see, hear or move in other ways."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [f"{found['id']}: {found['nodes']}" for found in violations if found["impact"] in ("serious", "critical")]


def _complain(seen: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        seen.complaints.append(f"{kind}: {text}")
