"""A page of a browser that notes requests to elsewhere, errors, and violations of its policy."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ["PATIENCE", "WatchedPage"]

VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

PATIENCE = 90_000
"""Milliseconds after which a test gives up; the machine may be busy."""

REFUSED = "Failed to load resource"
"""What Chromium writes for each status from 400 on; tests that expect one look at the page."""


class WatchedPage:
    """A page, and what happened in it.

    Attributes:
        page: Playwright's.
        context: Its browser context.
        requests: The addresses of all requests.
        problems: Errors of scripts, and what the console had of warnings and errors.
        dialogs: Messages of alert() and its like, which only an attack opens.
    """

    def __init__(self, context: Any) -> None:
        self.context = context
        self.origin = ""
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.dialogs: list[str] = []
        context.set_default_timeout(PATIENCE)
        context.add_init_script(VIOLATIONS)
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("dialog", self._refuse)

    def open(self, url: str) -> None:
        """Forget what was before, and go to an address."""
        self.page.unroute_all()
        self.page.goto("about:blank")
        self.page.mouse.move(0, 0)
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        for noted in (self.requests, self.problems, self.dialogs):
            noted.clear()
        self.page.goto(url)

    def check(self) -> None:
        """Nothing forbidden happened."""
        strange = [
            each
            for each in self.requests
            if not each.startswith((self.origin, f"blob:{self.origin}"))
        ]
        assert strange == []
        assert self.problems == []
        assert self.dialogs == []

    def violations(self) -> list[str]:
        """What the page's policy has refused so far."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REFUSED):
            self.problems.append(message.text)

    def _refuse(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
