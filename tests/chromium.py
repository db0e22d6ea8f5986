"""A real browser, one for a module: Chromium as the system has it, with a virtual authenticator for its passkeys."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, CDPSession, Page

PROGRAM = Path(os.environ.get("TWINSEAL_TEST_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps",
]  # fmt: skip
MISSING = "" if PROGRAM.exists() else f"{PROGRAM} is missing; on Debian: apt-get install chromium"


@contextmanager
def browser(folder: Path, **more: Any) -> Iterator[BrowserContext]:  # noqa: ANN401 - as playwright takes it
    """Run one while the block lasts. It reaches loopback alone: every other name leads nowhere."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is

    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"
    with sync_playwright() as playing:
        context = playing.chromium.launch_persistent_context(
            str(folder), executable_path=str(PROGRAM), headless=True, args=[*ARGUMENTS, nowhere], **more
        )
        try:
            yield context
        finally:
            context.close()


class Authenticator:
    """The virtual authenticator of one page: its person is there, and verified unless a test says otherwise."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.session: CDPSession = context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = made["authenticatorId"]

    def verified(self, *, yes: bool) -> None:
        """Let the person be verified by PIN or finger, or not."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": yes})

    def credentials(self) -> list[dict[str, Any]]:
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return list(found["credentials"])

    def put_back(self, credential: dict[str, Any], *, count: int) -> None:
        """Set a credential's sign count: what a copy of an authenticator would have."""
        about = {"authenticatorId": self.id, "credentialId": credential["credentialId"]}
        self.session.send("WebAuthn.removeCredential", about)
        changed = {**credential, "signCount": count}
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": changed})
