"""The pages in a real browser: Chromium, a virtual authenticator, a real service."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

import chromium
from builders import asking_policy
from governance.adapters import clock, passwords
from governance.people import totp
from governance.people.accounts import digest
from playing import Ground, Member, until
from tabs import PASSWORD, Tab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page


class House:
    """A service, its owner's seat in the terminal, and their browser."""

    def __init__(self, ground: Ground, context: BrowserContext) -> None:
        self.ground = ground
        self.context = context
        self.page: Page = context.pages[0]
        self.there = f"http://localhost:{ground.address[1]}"
        self.key = chromium.Authenticator(context, self.page)
        self.apps: list[bytes] = []
        self.said: list[str] = []
        for event in ("console", "pageerror"):
            self.page.on(event, lambda message: self.said.append(str(getattr(message, "text", message))))

    @property
    def owner(self) -> Member:
        return self.ground.owner

    def log_in(self) -> None:
        """Log in by the passkey, afresh."""
        self.context.clear_cookies()
        self.page.goto(f"{self.there}/login")
        self.press("Log in with a passkey")
        self.page.wait_for_url("**/prompts")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def prompt(self, password: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Ask, in the terminal, for a prompt to set a password; return it and what to hand in then."""
        encoded = passwords.hashed(password)
        signed = self.owner.signed("account.password", {"digest": digest(encoded)})
        asked = self.ground.ask("POST", "/prompts", {"items": [signed]}, token=self.owner.tokens[""])
        return asked.done, {**signed, "encoded": encoded}

    def hand_in(self, signed: dict[str, str]) -> int:
        return self.ground.ask("POST", "/account/password", signed, token=self.owner.tokens[""]).status


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path
    ground = Ground(folder / "g", policy=asking_policy(folder / "policy", "account", "factor"))
    try:
        with chromium.browser(folder / "profile", viewport={"width": 1000, "height": 800}) as context:
            yield House(ground, context)
    finally:
        ground.close()


def a_terminal_asks_for_a_passkey_and_a_browser_makes_it(house: House) -> None:
    """The address's secret is behind its `#`: it is in no request line, and gone from the window at once."""
    asked: list[str] = []
    house.page.on("request", lambda request: asked.append(request.url))
    given = house.ground.ask("POST", "/passkeys/offers", {}, token=house.owner.tokens[""]).body
    assert given["address"] == f"{house.there}/passkeys/enroll"
    house.page.goto(f"{given['address']}#{given['secret']}")
    house.press("Make a passkey")
    house.page.get_by_text("Go back to the terminal").wait_for()
    assert house.page.url == given["address"]
    assert not [url for url in asked if given["secret"] in url.split("#")[0]]
    look = f"/passkeys/offers/{given['offer']}"
    made = house.ground.ask("GET", look, token=house.owner.tokens[""]).body
    signed = house.owner.signed("factor.enroll", {"kind": "passkey", "label": "laptop", "factor": made["factor"]})
    body = {**signed, "offer": given["offer"]}
    done = house.ground.ask("POST", "/passkeys", body, token=house.owner.tokens[""]).done
    assert (done["how"], len(done["recovery_codes"])) == ("first", 10)


def the_passkey_logs_in_and_approves_what_its_digest_names(house: House) -> None:
    house.page.goto(f"{house.there}/prompts")
    assert house.page.url.endswith("/login?next=/prompts")
    house.press("Log in with a passkey")
    house.page.wait_for_url("**/prompts")
    asked, signed = house.prompt(PASSWORD)
    house.page.goto(f"{house.there}/")
    house.page.get_by_text("asked by owner").click()
    assert house.page.locator("pre.whole").inner_text().replace("\n\n", "\n").split() == asked["shown"].split()
    house.press("Approve with a passkey")  # Nothing is typed yet: the browser itself says so.
    assert house.page.url.endswith(f"/prompts/{asked['prompt']}")
    house.page.fill("#digest", "zzzzzz")
    house.press("Approve with a passkey")
    house.page.get_by_role("alert").wait_for()
    assert house.hand_in(signed) == 403
    house.page.fill("#digest", asked["digest"].upper())
    house.press("Approve with a passkey")
    house.page.get_by_text("1 of 1 approved: owner").wait_for()
    assert house.hand_in(signed) == 201
    (entry,) = house.ground.entries("prompt.approved")
    assert (entry["data"]["channel"], entry["data"]["complete"]) == ("browser", True)


def an_app_is_added_with_its_qr_code_and_the_passkey_vouches(house: House) -> None:
    house.log_in()  # The new password has ended the session before.
    house.page.goto(f"{house.there}/account")
    house.page.get_by_text("Add an authenticator app").click()
    assert house.page.locator(".qr svg path").count() > 0
    secret = base64.b32decode(house.page.locator(".beside code").inner_text().replace(" ", ""))
    house.page.fill("#label", "phone")
    house.page.fill("#new", totp.at(secret, clock.now() // totp.STEP_MS - 1))
    house.press("Add it, with a passkey")
    house.page.wait_for_url("**/account")
    assert house.page.get_by_role("cell", name="phone").is_visible()
    house.apps.append(secret)
    assert house.ground.entries("factor.enrolled")[-1]["data"]["how"] == "another"


def name_password_and_code_log_in_without_any_script(house: House) -> None:
    house.context.clear_cookies()
    house.page.route("**/twinseal.js", lambda route: route.abort())
    house.page.goto(f"{house.there}/login")
    assert not house.page.get_by_role("button", name="Log in with a passkey").is_visible()
    house.page.fill("#name", "owner")
    house.page.fill("#password", PASSWORD)
    house.page.fill("#code", totp.at(house.apps[0], clock.now() // totp.STEP_MS))
    house.press("Log in")
    house.page.wait_for_url("**/prompts")
    asked, signed = house.prompt("another password of the owner")
    house.page.goto(f"{house.there}/prompts/{asked['prompt']}")
    house.page.fill("#digest", asked["digest"])
    house.page.fill("#code", totp.at(house.apps[0], clock.now() // totp.STEP_MS + 1))
    house.press("Approve")
    house.page.get_by_text("1 of 1 approved: owner").wait_for()
    assert house.hand_in(signed) == 201
    house.page.unroute("**/twinseal.js")


def a_code_vouches_for_another_app_where_there_is_a_passkey_too(house: House) -> None:
    """Typed, it is sent as it is: no passkey is asked. It is a wrong one, and the page says so."""
    house.log_in()
    house.page.goto(f"{house.there}/account/app")
    house.page.fill("#new", "123456")
    house.page.fill("#code", "000000")
    house.press("Add it")
    house.page.get_by_role("alert").wait_for()
    assert "not the code of now" in house.page.get_by_role("alert").inner_text()


def a_person_who_is_not_verified_is_not_let_in(house: House) -> None:
    house.context.clear_cookies()
    house.key.verified(yes=False)
    house.page.goto(f"{house.there}/login")
    house.press("Log in with a passkey")
    house.page.get_by_text("The passkey was not used").wait_for()
    house.key.verified(yes=True)
    house.press("Log in with a passkey")
    house.page.wait_for_url("**/prompts")


def a_copy_of_the_authenticator_is_not_let_in_and_locks_nobody_out(house: House) -> None:
    (credential,) = house.key.credentials()
    house.context.clear_cookies()
    house.key.put_back(credential, count=0)
    house.page.goto(f"{house.there}/login")
    house.press("Log in with a passkey")
    house.page.get_by_role("alert").wait_for()
    assert "Not let in" in house.page.get_by_role("alert").inner_text()
    house.key.put_back(credential, count=credential["signCount"] + 5)
    house.page.goto(f"{house.there}/login")
    house.press("Log in with a passkey")
    house.page.wait_for_url("**/prompts")


def an_answer_that_was_heard_is_not_good_again(house: House) -> None:
    """The form that logged in, posted again as it was, by somebody else."""
    heard: list[str] = []
    house.context.clear_cookies()
    house.page.on("request", lambda r: heard.append(r.post_data or "") if r.url.endswith("/login/passkey") else None)
    house.page.goto(f"{house.there}/login")
    house.press("Log in with a passkey")
    house.page.wait_for_url("**/prompts")
    (body,) = heard
    thief = Tab(house.ground)
    headers = {"Origin": house.there, "Content_Type": "application/x-www-form-urlencoded"}
    assert thief.ask("POST", "/login/passkey", body.encode(), **headers).status == 403
    assert not thief.session


def a_page_of_another_origin_neither_frames_posts_nor_reads_ours(house: House) -> None:
    """Another port of localhost is the same site to a browser, so cookies go along: the origin must tell."""
    house.log_in()
    asked, signed = house.prompt("yet another password")
    target = f"{house.there}/prompts/{asked['prompt']}"
    evil = "http://127.0.0.1:1"
    form = f'<form method="post" action="{target}/deny"></form><iframe src="{target}"></iframe>'
    house.page.route(f"{evil}/**", lambda route: route.fulfill(body=form, content_type="text/html"))
    house.page.goto(f"{evil}/")
    frame = house.page.frames[-1]
    until(lambda: frame.url.startswith(("chrome-error:", target)), "the frame is refused")
    assert "Approve" not in frame.content()
    with house.page.expect_navigation():
        house.page.evaluate("document.forms[0].submit()")
    assert "browser.other_origin" in house.page.content()
    assert house.ground.ask("GET", f"/prompts/{asked['prompt']}", token=house.owner.tokens[""]).body["state"] == "open"
    house.page.unroute(f"{evil}/**")
    house.page.goto(target)
    house.page.fill("#reason", "not now")
    house.press("Deny")
    house.page.get_by_text("denied").wait_for()
    assert house.hand_in(signed) == 403


def log_out_everywhere_ends_what_another_browser_holds(house: House) -> None:
    house.log_in()
    (cookie,) = [one for one in house.context.cookies() if one["name"] == "twinseal_session"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["expires"]) == (True, "Strict", "/", -1)
    other = Tab(house.ground, cookies={"twinseal_session": str(cookie["value"])})
    assert other.get("/account").status == 200
    house.page.goto(f"{house.there}/account")
    house.press("Log out everywhere")
    house.page.wait_for_url("**/login")
    assert other.get("/account").status == 303


def no_page_broke_its_own_rules(house: House) -> None:
    """What the browser refused of our own pages would be on its console."""
    ours = [text for text in house.said if "Content Security Policy" in text and "frame" not in text]
    assert ours == []
    assert not re.findall(r"Traceback|request\.broke", house.ground.log)


STEPS = (
    a_terminal_asks_for_a_passkey_and_a_browser_makes_it,
    the_passkey_logs_in_and_approves_what_its_digest_names,
    an_app_is_added_with_its_qr_code_and_the_passkey_vouches,
    name_password_and_code_log_in_without_any_script,
    a_code_vouches_for_another_app_where_there_is_a_passkey_too,
    a_person_who_is_not_verified_is_not_let_in,
    a_copy_of_the_authenticator_is_not_let_in_and_locks_nobody_out,
    an_answer_that_was_heard_is_not_good_again,
    a_page_of_another_origin_neither_frames_posts_nor_reads_ours,
    log_out_everywhere_ends_what_another_browser_holds,
    no_page_broke_its_own_rules,
)


@pytest.mark.skipif(bool(chromium.MISSING), reason=chromium.MISSING)
def test_what_a_person_does_in_a_browser_and_what_others_try(house: House) -> None:
    """One story, a step after the other: each needs what the one before has left."""
    for step in STEPS:
        step(house)
