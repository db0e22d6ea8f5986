"""The pages as they are meant to be used, by a browser as thin as can be; a real one is in `test_browser.py`."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response

from authenticator import Authenticator
from governance.adapters import clock
from governance.adapters.seat import Seat
from governance.entrypoints import browsing
from governance.entrypoints.playground import Playground
from playing import AGENTS, Ground, free_port
from tabs import PASSWORD, Holder, Tab, code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("p"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture(scope="module")
def owner(ground: Ground) -> Holder:
    return Holder(ground.owner)


def test_the_first_page_leads_to_what_waits_and_back_from_logging_in(owner: Holder, ground: Ground) -> None:
    tab = Tab(ground)
    assert tab.get("/").location == "/login"
    assert tab.get("/account").location == "/login?next=/account"
    assert tab.get("/login?next=/account").field("next") == "/account"
    owner.log_in(tab=tab, next_="/account")
    assert tab.get("/").location == "/prompts"
    assert "Nothing waits for you" in tab.get("/prompts").text
    assert tab.get("/login?next=/account").location == "/account"


def test_a_link_from_another_site_offers_to_go_on(owner: Holder, ground: Ground) -> None:
    """There a browser keeps a strict cookie back, and the page looks logged out."""
    page = Tab(ground).get("/login?next=/prompts/7", Sec_Fetch_Site="cross-site")
    assert '<a href="/prompts/7">Go on' in page.text
    assert "Go on" not in Tab(ground).get("/login?next=/prompts/7").text
    assert owner.log_in().get("/prompts/7").status == 404


def test_password_and_code_let_in_and_a_wrong_one_of_either_does_not(owner: Holder, ground: Ground) -> None:
    tab = owner.log_in()
    page = tab.get("/account/app")
    secret = page.secret()
    fields = {"csrf": page.field("csrf"), "sealed": page.field("sealed"), "label": "phone"}
    proof = json.dumps(owner.key.sign(page.options("proof")))
    wrong = tab.post("/account/app", {**fields, "new": "000000", "proof": proof})
    assert "not the code of that secret" in wrong.text
    assert wrong.secret() == secret  # The same secret again: it was scanned already.
    fields["sealed"] = wrong.field("sealed")
    proof = json.dumps(owner.key.sign(wrong.options("proof")))
    done = tab.post("/account/app", {**fields, "new": code(secret, -1), "proof": proof})
    assert (done.status, done.location) == (303, "/account")
    assert "phone" in tab.get("/account").text
    again = tab.post("/account/app", {**fields, "new": code(secret, 0), "proof": proof})
    assert again.status == 403
    given = code(secret, 0)
    assert owner.try_password("wrong", code=given).status == 403
    let_in = Tab(ground)
    assert owner.try_password(PASSWORD, tab=let_in, code=given).location == "/"
    assert let_in.get("/account").status == 200
    assert owner.try_password(PASSWORD, code=given).status == 403
    assert (given in ground.log, PASSWORD in ground.log, let_in.session in ground.log) == (False, False, False)
    told = json.dumps(ground.entries())
    assert not [secret for secret in (given, PASSWORD, let_in.session, tab.session) if f'"{secret}"' in told]


def test_a_form_of_one_session_enrols_nothing_in_another(owner: Holder, ground: Ground) -> None:
    first, second = owner.log_in(), owner.log_in()
    shown, other = first.get("/account/app"), second.get("/account/app")
    secret = shown.secret()
    proof = json.dumps(owner.key.sign(other.options("proof")))
    fields = {"csrf": other.field("csrf"), "sealed": shown.field("sealed"), "label": "x", "proof": proof}
    assert second.post("/account/app", {**fields, "new": code(secret, 0)}).code == "browser.form"
    assert ground.log.count("request.broke") == 0


def test_a_passkey_is_added_with_another_and_logs_in(owner: Holder, ground: Ground) -> None:
    tab, key = owner.log_in(), Authenticator(origin=owner.key.origin)
    page = tab.get("/account/passkey")
    fields = {"csrf": page.field("csrf"), "sealed": page.field("sealed"), "label": "token"}
    made = json.dumps(key.make(page.options()))
    assert tab.post("/account/passkey", {**fields, "code": "000000", "credential": made}).status == 403
    page = tab.get("/account/passkey")
    fields |= {"sealed": page.field("sealed"), "proof": json.dumps(owner.key.sign(page.options("proof")))}
    done = tab.post("/account/passkey", {**fields, "credential": json.dumps(key.make(page.options()))})
    assert (done.status, done.location) == (303, "/account"), done.text
    owner.key, kept = key, owner.key
    assert owner.log_in().get("/account").status == 200
    owner.key = kept


def test_sessions_are_listed_and_one_is_ended_from_another(owner: Holder) -> None:
    tab, other = owner.log_in(), owner.log_in()
    page = tab.get("/account")
    ends = re.findall(r'name="session" value="([0-9a-f]{12})"', page.text)
    assert "this one" in page.text
    for each in ends:
        assert tab.post("/account/sessions/close", {"csrf": page.field("csrf"), "session": each}).status == 303
    assert other.get("/account").status == 303
    assert tab.get("/account").status == 200
    closed = tab.post("/account/sessions/close", {"csrf": page.field("csrf"), "session": "0" * 12})
    assert closed.status == 303


def test_a_change_is_shown_to_whoever_may_see_its_repository(owner: Holder, ground: Ground, tmp_path: Path) -> None:
    repository = ground.govern(tmp_path, *AGENTS, "owner")
    dev, head = ground["dev-a"], repository.begin()
    number = repository.open(dev, repository.commit(dev, {"a": "b"}, head))
    path = f"/{repository.name}/changes/{number}"
    assert Tab(ground).get(path).location == f"/login?next={path}"
    assert Tab(ground).get(path, Accept="*/*").status == 401
    assert "topic/one" in owner.log_in().get(path).text
    bea = Holder(ground.enroll("bea", role="human"))
    tab = bea.log_in()
    assert tab.get(path).code == "token.other_repository"
    repository.admit(bea.member)
    assert "topic/one" in tab.get(path).text
    del ground.members["bea"]
    basic = base64.b64encode(f"dev-a:{dev.tokens[repository.name]}".encode()).decode()
    assert Tab(ground).get(path, Authorization=f"Basic {basic}").status == 200


def test_a_flood_of_log_ins_is_turned_away_and_keeps_no_request_waiting(owner: Holder, ground: Ground) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - beside its only use

    with ThreadPoolExecutor(24) as pool:
        pages = [pool.submit(owner.try_password, "wrong", name=f"nobody-{n}") for n in range(24)]
        waited = []
        for _ in range(10):
            begun = clock.monotonic()
            assert ground.ask("GET", "/healthz").status == 200
            waited.append(clock.monotonic() - begun)
        answered = [page.result().status for page in pages]
    assert set(answered) == {403, 503}
    assert sorted(waited)[5] < 1.0
    assert owner.log_in().get("/account").status == 200


class TestTheTerminal:
    """`account password`, `passkey enroll`, `token rotate`: real commands at a real seat."""

    @pytest.fixture
    def play(self, tmp_path: Path) -> Iterator[Playground]:
        made = Playground(tmp_path, listen=f"127.0.0.1:{free_port()}", quiet=True)
        try:
            made.begin()
            assert not made.mistakes, made.mistakes
            yield made
        finally:
            made.close()

    def test_from_nothing_to_logged_in(self, play: Playground) -> None:
        ground: Any = type("At", (), {"play": play, "address": ("127.0.0.1", int(play.listen.split(":")[1]))})
        command = [sys.executable, "-m", "governance", "passkey", "enroll", "--label", "laptop", "--json"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=play.environment("owner"), stdout=pipe, stderr=pipe, text=True) as waiting:
            assert waiting.stderr is not None
            found = next(m for line in waiting.stderr if (m := re.search(r"(http\S+)#(\S+)", line)))
            assert found[1] == f"http://localhost:{ground.address[1]}/passkeys/enroll"
            key, tab = Authenticator(origin=f"http://localhost:{ground.address[1]}"), Tab(ground)
            page = tab.post("/passkeys/enroll", {"secret": found[2]})
            made = json.dumps(key.make(page.options()))
            assert "is made" in tab.post("/passkeys/enroll", {"secret": found[2], "credential": made}).text
            said = json.loads(waiting.communicate(timeout=30)[0])
        assert (said["how"], len(said["recovery_codes"])) == ("first", 10)
        self.approved(play, ground, key, "account", "password", "--file", str(self.kept(play)))
        tab = logged_in(ground, key)
        assert "<h1>owner</h1>" in tab.get("/account").text
        before = Seat(play.owner.seat).token()
        said = json.loads(play.owner.twinseal("token", "rotate", "--json"))
        assert (said["scope"], "token" in said) == ("act", False)
        assert Seat(play.owner.seat).token() != before
        assert json.loads(play.owner.quiet("token", "list", "--json"))[0]["revoked_seq"] is not None
        assert not play.mistakes, play.mistakes

    @staticmethod
    def kept(play: Playground) -> Path:
        file = play.folder / "password"
        file.write_text(PASSWORD + "\n")
        return file

    @staticmethod
    def approved(play: Playground, ground: Any, key: Authenticator, *args: str) -> None:  # noqa: ANN401 - as above
        """Run a command that waits for an approval, and give it in a browser."""
        command = [sys.executable, "-m", "governance", *args]
        env = play.environment("owner") | {"PATH": os.environ["PATH"]}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
            tab = logged_in(ground, key)
            number = ""
            while not number and waiting.poll() is None:
                found = re.search(r'href="/prompts/(\d+)"', tab.get("/prompts").text)
                number = found[1] if found else ""
            page = tab.get(f"/prompts/{number}")
            digest = re.findall(r'class="digest"[^>]*>([0-9a-z]{6})<', page.text)[0]
            answer = json.dumps(key.sign(page.options()))
            fields = {"csrf": page.field("csrf"), "digest": digest, "credential": answer}
            assert tab.post(f"/prompts/{number}/answer", fields).status == 303
            said = waiting.communicate(timeout=30)
        assert waiting.returncode == 0, said


def logged_in(ground: Any, key: Authenticator) -> Tab:  # noqa: ANN401 - what a tab needs of a ground
    tab = Tab(ground)
    page = tab.get("/login")
    fields = {"challenge": page.field("challenge"), "credential": json.dumps(key.sign(page.options())), "next": "/"}
    assert tab.post("/login/passkey", fields).status == 303
    return tab


HTTPS, HTTP, LOOPBACK = "https://seal.example.org", "http://seal.example.org:8000", "http://127.0.0.1:8321"


def at(url: str) -> Any:  # noqa: ANN401 - what a cookie needs of a service
    return type("At", (), {"url": url})()


def test_over_https_the_cookie_is_one_that_nobody_else_can_set() -> None:
    """RFC 6265bis, 4.1.3.2: the prefix wants Secure, a path of / and no domain."""
    cookie = browsing.given(Response(), at(HTTPS), "s").headers["set-cookie"]
    assert cookie.split("; ")[0] == "__Host-twinseal=s"
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=strict", "Secure"}
    gone = browsing.taken(Response(), at(HTTPS)).headers["set-cookie"]
    assert "Max-Age=0" in gone
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} <= set(gone.split("; "))
    plain = browsing.given(Response(), at(HTTP), "s").headers["set-cookie"]
    assert set(plain.split("; ")) == {"twinseal_session=s", "HttpOnly", "Path=/", "SameSite=strict"}


def test_our_origins_are_the_public_one_and_on_loopback_its_names() -> None:
    assert browsing.origins(at(HTTPS)) == {HTTPS}
    assert browsing.origins(at(HTTP)) == {HTTP}
    assert browsing.origins(at(LOOPBACK)) == {LOOPBACK, "http://localhost:8321", "http://[::1]:8321"}
    assert browsing.origins(at("http://localhost:8321")) == browsing.origins(at(LOOPBACK))


@pytest.mark.parametrize("path", ["/", "/prompts", "/prompts/7", "/r1/changes/2", "/a~b_c.d-e"])
def test_a_path_of_ours_is_where_a_log_in_leads(path: str) -> None:
    assert browsing.local(path) == path
    assert browsing.local(path + "?x=1") == "/"
