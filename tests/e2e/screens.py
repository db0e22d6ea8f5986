"""Pictures of every page, light and dark, narrow and wide: `make screens` writes them to out/screens/.

Somebody looks at them before a release; no test does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

TOP = Path(__file__).parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "hooks")]

from builders import loosened  # noqa: E402 - after the path
from chromium import MISSING, Authenticator, browser  # noqa: E402
from governance.entrypoints import pages  # noqa: E402
from governance.entrypoints.browsing import Visit  # noqa: E402
from governance.people import having  # noqa: E402
from governance.state.accounts import WebSession  # noqa: E402
from playing import Ground, lines  # noqa: E402
from tabs import Holder  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (380, 1200)
LIGHTS: tuple[Literal["light", "dark"], ...] = ("light", "dark")
OUT = TOP / "out" / "screens"


class Album:
    """Takes one page in every light and width."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            for light in LIGHTS:
                self.page.emulate_media(color_scheme=light)
                self.page.screenshot(path=self.folder / f"{name}-{width}-{light}.png", full_page=True)
            overflow = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if overflow > 0:
                sys.stdout.write(f"{name} is {overflow} px wider than a window of {width}\n")
        sys.stdout.write(f"{name}\n")


def policy(folder: Path) -> Path:
    """Return a policy that asks for a factor for what is on these pictures."""
    folder.mkdir(parents=True)
    for name in ("policy.yaml", "roles.yaml"):
        text = loosened(name).replace(b"acts: [factor]", b"acts: [account, sign-off, thaw]")
        (folder / name).write_bytes(text)
    return folder / "policy.yaml"


def main() -> None:
    if MISSING:
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory(prefix="twinseal-") as made:
        folder = Path(made)
        ground = Ground(folder / "g", policy=policy(folder / "policy"))
        try:
            with browser(folder / "profile", device_scale_factor=1) as context:
                pictures(ground, folder, Album(context.pages[0], OUT), Authenticator(context, context.pages[0]))
        finally:
            ground.close()


def pictures(ground: Ground, folder: Path, album: Album, key: Authenticator) -> None:
    del key
    page, there = album.page, f"http://localhost:{ground.address[1]}"
    page.goto(f"{there}/login")
    album.take("login")
    page.fill("#name", "owner")
    page.fill("#password", "not the password")
    page.fill("#code", "000000")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_selector("[role=alert]")
    album.take("login-refused")
    mia = ground.enroll("mia", role="human")
    owner, other = Holder(ground.owner), Holder(mia)
    repository = ground.govern(folder / "work")
    repository.begin()
    head = repository.commit(ground["dev-a"], {"src/roses.py": lines(70)}, repository.refs()["refs/heads/main"])
    number = repository.open(ground["dev-a"], head)
    enrolling(album, owner, there)
    tab = owner.log_in()
    page.context.add_cookies([{"name": "twinseal_session", "value": tab.session, "url": there}])
    page.goto(f"{there}/prompts")
    album.take("prompts-none")
    binding = repository.change(number)["binding"]
    asked = owner.prompt(owner.member.signed("sign_off", {"verdict": "approve", "binding": binding}))
    other.prompt(mia.signed("account.password", {"digest": "0" * 64}))
    page.goto(f"{there}/prompts")
    album.take("prompts")
    page.goto(f"{there}/prompts/{asked['prompt']}")
    album.take("prompt-passkey")
    owner.add_app()
    page.goto(f"{there}/prompts/{asked['prompt']}")
    album.take("prompt")
    owner.approve(asked)
    page.goto(f"{there}/prompts/{asked['prompt']}")
    album.take("prompt-approved")
    page.goto(f"{there}/account/app")
    page.fill("#new", "123456")
    page.fill("#code", "000000")
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("alert").wait_for()
    album.take("app-refused")
    codes(album, there)
    awaiting(ground, owner, repository.name)
    for name, path in {
        "confirm": "/confirm",
        "account": "/account",
        "app": "/account/app",
        "another-passkey": "/account/passkey",
        "change": f"/{repository.name}/changes/{number}",
        "refused": f"/{repository.name}/changes/4711",
        "passkey-empty": "/passkeys/enroll",
    }.items():
        page.goto(there + path)
        album.take(name)


def awaiting(ground: Ground, owner: Holder, name: str) -> None:
    """Have a critical decision approved in the owner's name that awaits a confirmation."""
    path = f"/repositories/{name}/decisions"
    question = "Move the parser into a service of its own, with a queue before it?"
    body = {"repository": name, "kind": "architecture", "question": question, "options": [], "change": 0}
    number = ground["dev-a"].say("decision.raise", path, body, repository=name).done["decision"]
    body = {"repository": name, "decision": number, "verdict": "approve", "reason": "it is time"}
    owner.member.say("decision.sign", path, body, repository=name)


def codes(album: Album, there: str) -> None:
    """Take the page with recovery codes, which is shown once: with made-up ones."""
    session = WebSession("0" * 64, "0" * 12, "owner", "human", "owner", "passkey", 0, 0, 0)
    made = [having.recovery_code(bytes([number]) * having.CODE_BYTES) for number in range(having.CODES)]
    values = {"factors": [], "left": having.CODES, "sessions": [session], "said": "", "mend": "", "codes": made}
    shown = pages.page("account.html", visit=Visit(session, ""), here="account", **values)
    where = f"{there}/account"
    album.page.route(where, lambda route: route.fulfill(body=bytes(shown.body), content_type="text/html"))
    album.page.goto(where)
    album.take("account-codes")
    album.page.unroute(where)


def enrolling(album: Album, owner: Holder, there: str) -> None:
    """Take the page where a browser makes the passkey that a terminal asked for."""
    given = owner.offer()
    album.page.goto(f"{there}/passkeys/enroll#{given['secret']}")
    album.page.wait_for_selector("text=asked for in a terminal")
    album.take("passkey-offered")
    album.page.get_by_role("button", name="Make a passkey").click()
    album.page.wait_for_selector("text=Go back to the terminal")
    album.take("passkey-made")


if __name__ == "__main__":
    main()
