"""The pages: who posts to them, who is let in, what a passkey's answer is good for; each with the honest way beside."""

# ruff: noqa: ANN401  # What a passkey signs is JSON.
from __future__ import annotations

import html
import json
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request

from adversary.card import Case, attack
from authenticator import UP, Authenticator
from builders import asking_policy
from governance.adapters import clock
from governance.entrypoints.asking import authenticated
from governance.errors import DeniedError, FactorError, UnauthenticatedError
from governance.people import logins, prompts, tokens
from governance.people.factors import Assertion
from governance.people.logins import FAILURES, LIFE_MS
from governance.people.passkeys import factor_of
from governance.record import SERVICE
from login_world import MINUTE, LoginWorld
from playing import AGENTS, Ground
from tabs import FORM, PASSWORD, Holder, Page, Tab, code

if TYPE_CHECKING:
    from collections.abc import Iterator

EVIL = "https://evil.example"
LINKS = re.compile(r'(?:href|action|src)="([^"]*)"')


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A service for these attacks: its people are enrolled as persons, with factors."""
    folder = tmp_path_factory.mktemp("w")
    made = Ground(folder / "g", policy=asking_policy(folder / "policy", "account", "factor"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture(scope="module")
def owner(ground: Ground) -> Holder:
    return Holder(ground.owner)


@pytest.fixture(scope="module")
def mia(ground: Ground) -> Holder:
    return Holder(ground.enroll("mia", role="human"))


@pytest.fixture
def asked(owner: Holder) -> Iterator[dict[str, Any]]:
    """A prompt of the owner's that nobody has answered."""
    found = owner.prompt(owner.member.signed("account.password", {"digest": clock.nonce()}))
    yield found
    tab = owner.log_in()
    page = tab.get(f"/prompts/{found['prompt']}")
    if 'name="reason"' in page.text:
        tab.post(f"/prompts/{found['prompt']}/deny", {"csrf": page.field("csrf"), "reason": ""})


def state(owner: Holder, asked: dict[str, Any]) -> str:
    """Return how a prompt stands, as the terminal sees it."""
    found = owner.ground.ask("GET", f"/prompts/{asked['prompt']}", token=owner.member.tokens[""])
    return str(found.body["state"])


def answers(owner: Holder, tab: Tab, asked: dict[str, Any], key: Authenticator | None = None) -> dict[str, str]:
    """Return the fields that approve a prompt, with an assertion of this moment."""
    page = tab.get(f"/prompts/{asked['prompt']}")
    credential = (key or owner.key).sign(page.options())
    return {"csrf": page.field("csrf"), "digest": asked["digest"], "credential": json.dumps(credential)}


def approve(tab: Tab, asked: dict[str, Any], fields: dict[str, str], **headers: str) -> Page:
    return tab.post(f"/prompts/{asked['prompt']}/answer", fields, **headers)


FOREIGN: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "another site": ({"Origin": EVIL, "Sec_Fetch_Site": "cross-site"}, ("browser.other_origin",)),
    "another site, by an old browser": ({"Origin": EVIL, "Sec_Fetch_Site": ""}, ("browser.other_origin",)),
    "another port of this host": ({"Origin": "http://127.0.0.1:1"}, ("browser.other_origin",)),
    "a host that begins like ours": ({"Origin": "http://127.0.0.1.evil.example"}, ("browser.other_origin",)),
    "a page that hides where it is from": ({"Origin": "null"}, ("browser.other_origin",)),
    "nobody says from where": ({"Origin": "", "Sec_Fetch_Site": ""}, ("browser.other_origin",)),
    "the same site, not the same origin": ({"Sec_Fetch_Site": "same-site"}, ("browser.other_origin",)),
    "a body that needs no form": ({"Content_Type": "text/plain"}, ("browser.no_form",)),
    "a body for scripts": ({"Content_Type": "application/json"}, ("browser.no_form",)),
    "a body with files": ({"Content_Type": "multipart/form-data; boundary=x"}, ("browser.no_form",)),
}


@attack("T-09")
@pytest.mark.parametrize(("headers", "codes"), FOREIGN.values(), ids=FOREIGN)
def test_t09_what_another_page_posts_is_not_taken(
    case: Case, owner: Holder, asked: dict[str, Any], headers: dict[str, str], codes: tuple[str, ...]
) -> None:
    """The cookie goes along, the form is whole, its assertion is right: only where it comes from is not."""
    tab = owner.log_in()
    fields = answers(owner, tab, asked)
    case.turned_away(approve(tab, asked, fields, **headers), *codes)
    assert state(owner, asked) == "open"
    case.turned_away(tab.post("/logout/everywhere", {"csrf": fields["csrf"]}, **headers), *codes)
    case.twin(approve(tab, asked, fields))
    assert state(owner, asked) == "approved"


@attack("T-09")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "PATCH", "DELETE"])
def test_t09_no_address_approves_whatever_it_holds_and_whoever_follows_it(
    case: Case, owner: Holder, asked: dict[str, Any], method: str
) -> None:
    tab = owner.log_in()
    fields = answers(owner, tab, asked)
    query = "&".join(f"{name}={value}" for name, value in fields.items() if name != "credential")
    for path in (f"/prompts/{asked['prompt']}/answer", f"/prompts/{asked['prompt']}/deny", "/logout", "/login"):
        for asking in (path, f"{path}?{query}&code=000000&_method=POST&token={owner.member.tokens['']}"):
            page = tab.ask(method, asking, X_HTTP_Method_Override="POST")
            assert page.status in {405, 303} or path == "/login", (asking, page.status)
    assert state(owner, asked) == "open"
    assert tab.get("/account").status == 200
    case.answered("405")
    case.twin(approve(tab, asked, fields))


@attack("T-09")
def test_t09_a_scanner_that_follows_every_link_of_every_page_does_nothing(
    case: Case, owner: Holder, asked: dict[str, Any]
) -> None:
    """With the person's own cookies even: what a mail gateway, a preview or a prefetching browser does."""
    tab, seen, size = owner.log_in(), set[str](), len(owner.ground.entries())
    waiting = ["/", f"/prompts/{asked['prompt']}", "/account", "/login", "/passkeys/enroll"]
    while waiting:
        path = html.unescape(waiting.pop())
        if path in seen or not path.startswith("/"):
            continue
        seen.add(path)
        for method in ("HEAD", "GET"):
            waiting += LINKS.findall(tab.ask(method, path, Purpose="prefetch", Sec_Purpose="prefetch").text)
    assert len(seen) > 8
    assert "/logout" in seen
    assert [e["kind"] for e in owner.ground.entries(start=size) if not e["kind"].startswith("ledger.")] == []
    assert state(owner, asked) == "open"
    case.answered("405")
    case.twin(approve(tab, asked, answers(owner, tab, asked)))


@attack("T-09")
def test_t09_no_token_in_an_address_lets_anybody_in(case: Case, owner: Holder, asked: dict[str, Any]) -> None:
    tab, token = owner.log_in(), owner.member.tokens[""]
    for query in (f"token={token}", f"access_token={token}", f"twinseal_session={tab.session}", f"csrf={'0' * 64}"):
        case.turned_away(Tab(owner.ground).get(f"/prompts/{asked['prompt']}?{query}"), "login.first")
        assert owner.ground.ask("GET", f"/prompts?{query}").status == 401
    case.twin(tab.get(f"/prompts/{asked['prompt']}"))


SPOOFED = {
    "X_Forwarded_For": "127.0.0.1",
    "X_Forwarded_User": "owner",
    "X_WEBAUTH_USER": "owner",
    "Remote_User": "owner",
    "X_Remote_User": "owner",
    "X_Real_IP": "127.0.0.1",
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
    "X_Original_URL": "/account",
    "X_Rewrite_URL": "/account",
    "Forwarded": 'for=127.0.0.1;host=evil.example;proto=https;by="owner"',
    "Client_IP": "127.0.0.1",
    "True_Client_IP": "127.0.0.1",
}


@attack("T-11")
def test_t11_no_header_of_a_proxy_is_anybody(case: Case, owner: Holder, mia: Holder) -> None:
    for tab in (Tab(owner.ground), mia.log_in()):
        before = tab.get("/account")
        for name, value in {**SPOOFED}.items():
            page = tab.get("/account", **{name: value})
            assert (page.status, page.location) == (before.status, before.location), name
        page = tab.get("/account", **SPOOFED)
        assert "<h1>owner</h1>" not in page.text
        assert "evil.example" not in page.text + page.location
    case.turned_away(Tab(owner.ground).get("/account", **SPOOFED), "login.first")
    token = mia.member.tokens[""]
    headers = {name.replace("_", "-"): value for name, value in SPOOFED.items()}
    assert owner.ground.ask("GET", "/tokens", token=token, headers=headers).body["items"][0]["principal"] == "mia"
    case.twin(owner.log_in().get("/account", **SPOOFED))


@attack("T-11", "X-WEB-06")
def test_t11_guesses_through_many_addresses_are_counted_by_person(case: Case, ground: Ground) -> None:
    """Each guess says that it comes from elsewhere; five are counted, and then the right one is not let in either."""
    noah = Holder(ground.enroll("noah", role="human"))
    secret = noah.add_app()

    def guess(number: int) -> Page:
        tab, address = Tab(ground), f"203.0.113.{number}"
        fields = {"name": "noah", "password": f"guess {number}", "code": "000000", "next": "/"}
        return tab.post("/login", fields, X_Forwarded_For=address, X_Real_IP=address, Forwarded=f"for={address}")

    with ThreadPoolExecutor(4) as pool:
        for page in pool.map(guess, range(8)):
            case.turned_away(page, "login.refused")
    failed = [e for e in ground.entries("session.refused") if e["data"]["principal"] == "noah"]
    assert len(failed) == FAILURES
    fields = {"name": "noah", "password": PASSWORD, "code": code(secret), "next": "/"}
    case.turned_away(Tab(ground).post("/login", fields), "login.refused")
    ground.restart()  # No restart forgets them.
    case.turned_away(Tab(ground).post("/login", fields), "login.refused")
    case.twin(noah.log_in().get("/account"))


@attack("T-16")
def test_t16_a_token_that_may_read_carries_no_act_and_no_push(
    case: Case, ground: Ground, owner: Holder, tmp_path: Path
) -> None:
    repository = ground.govern(tmp_path, *AGENTS, "owner")
    head = repository.begin()
    dev, qa = ground["dev-a"], ground["qa-a"]
    number = repository.open(dev, repository.commit(dev, {"notes": "x\n" * 60}, head))
    said = {"principal": "qa-a", "repository": repository.name, "days": 1, "scope": "read"}
    done = ground.owner.say("token.issue", "/tokens", said).done
    refs = repository.refs()
    able, qa.tokens[repository.name] = qa.tokens[repository.name], done["token"]
    case.denied(repository.sign_off(qa, number), "token.read_only", by=qa)
    case.denied(repository.sign_off(qa, number, "reject"), "token.read_only", by=qa)
    lock = {"repository": repository.name, "files": ["**"], "lines": 10}
    path = f"/repositories/{repository.name}/locks"
    case.denied(qa.say("lock.request", path, lock, repository=repository.name), "token.read_only", by=qa)
    pushed = repository.push(qa, f"{repository.commit(qa, {'b': 'b'}, head)}:refs/heads/topic/b")
    assert not pushed.landed
    refused = [e["subject"] for e in ground.entries("request.refused") if e["data"]["code"] == "token.read_only"]
    assert refused[-1] == "push"
    assert repository.refs() == refs
    seat = {"principal": "owner", "repository": "", "days": 1, "scope": "read"}
    reading = ground.owner.say("token.issue", "/tokens", seat).done["token"]
    signed = ground.owner.signed("principal.invite", {"name": "qa-a"})
    by = ground.ask("POST", "/principals/invitation", signed, token=reading)
    case.denied(by, "token.read_only", by=ground.owner)
    assert ground.ask("POST", "/passkeys/offers", {}, token=reading).code == "token.read_only"
    prompt = {"items": [owner.member.signed("account.password", {"digest": "0" * 64})]}
    assert ground.ask("POST", "/prompts", prompt, token=reading).code == "token.read_only"
    asked = ground.ask("POST", "/prompts", prompt, token=owner.member.tokens[""]).done
    about, path = {"digest": asked["digest"], "code": "000000"}, f"/prompts/{asked['prompt']}"
    seat = {"principal": owner.name, "repository": "", "days": 1, "scope": "read"}
    theirs = ground.owner.say("token.issue", "/tokens", seat).done["token"]
    for _ in range(6):  # It counts for no lock-out either.
        case.denied(ground.ask("POST", f"{path}/answer", about, token=theirs), "token.read_only", by=owner.member)
    case.denied(ground.ask("POST", f"{path}/deny", {}, token=theirs), "token.read_only", by=owner.member)
    assert ground.ask("GET", path, token=theirs).body["state"] == "open"
    assert ground.ask("GET", f"/repositories/{repository.name}/changes", token=done["token"]).status == 200
    fetched = ground.ask("GET", f"/git/{repository.name}.git/info/refs?service=git-upload-pack", token=done["token"])
    assert fetched.status == 200
    qa.tokens[repository.name] = able
    case.twin(repository.sign_off(qa, number))


@attack("T-16")
def test_t16_a_rotated_token_is_no_wider_and_lasts_no_longer_than_the_one_before(
    case: Case, ground: Ground, owner: Holder
) -> None:
    del owner
    qa, dev = ground["qa-a"], ground["dev-a"]
    said = {"principal": "qa-a", "repository": "", "days": 2, "scope": "read"}
    old = ground.owner.say("token.issue", "/tokens", said).done

    def rotate(by: Any, **changed: Any) -> Any:
        return by.say("token.rotate", "/tokens/rotation", {"id": old["id"], **changed})

    case.denied(rotate(dev), "authority.owner_only", by=dev)
    case.denied(rotate(qa, days=30), "authority.owner_only", by=qa)
    new = rotate(qa).done
    assert (new["scope"], new["expires_at"], new["replaces"]) == ("read", old["expires_at"], old["id"])
    assert ground.ask("GET", "/tokens", token=old["token"]).status == 401
    assert ground.ask("GET", "/tokens", token=new["token"]).status == 200
    assert rotate(qa).code == "request.not_found"
    case.twin(ground.owner.say("token.rotate", "/tokens/rotation", {"id": new["id"], "days": 30}))


@attack("X-WEB-01")
def test_a_session_that_was_there_before_log_in_is_nobodys_after_it(case: Case, owner: Holder, mia: Holder) -> None:
    """The thief's own session, a made-up one, and one of the victim's from before: none is what log-in opens."""
    thief, made_up = mia.log_in(), "A" * 43
    for planted in (thief.session, made_up, ""):
        tab = Tab(owner.ground, cookies={"twinseal_session": planted} if planted else {})
        owner.log_in(tab=tab)
        assert tab.session not in {planted, ""}
        assert "<h1>owner</h1>" in tab.get("/account").text
        thief = mia.log_in() if planted == thief.session else thief
    case.turned_away(Tab(owner.ground, cookies={"twinseal_session": made_up}).get("/account"), "login.first")
    before = owner.log_in()
    old = before.twin()
    owner.log_in(tab=before)
    case.turned_away(old.get("/account"), "login.first")
    case.twin(before.get("/account"))


@attack("X-WEB-02")
def test_an_ended_session_opens_nothing(case: Case, ground: Ground, owner: Holder) -> None:
    tab = owner.log_in()
    copy = tab.twin()
    page = tab.get("/account")
    gone = tab.post("/logout", {"csrf": page.field("csrf")})
    assert (gone.status, tab.session) == (303, "")
    case.turned_away(copy.get("/account"), "login.first")
    eve = Holder(ground.enroll("eve", role="human"))
    hers = eve.log_in()
    eve.set_password("another password of hers")
    case.turned_away(hers.get("/account"), "login.first")
    hers, copy = eve.log_in(), owner.log_in()
    form = hers.get("/account").field("csrf")
    assert ground.owner.say("principal.retire", "/principals/retirement", {"name": "eve"}).status == 200
    case.turned_away(hers.get("/account"), "login.first")
    case.turned_away(hers.post("/logout/everywhere", {"csrf": form}), "login.first")
    case.turned_away(eve.try_password("another password of hers"), "login.refused")
    case.twin(copy.get("/account"))


@attack("X-WEB-03")
def test_a_form_carries_the_token_of_its_own_session(case: Case, owner: Holder, asked: dict[str, Any]) -> None:
    tab, other = owner.log_in(), owner.log_in()
    fields = answers(owner, tab, asked)
    theirs = other.get("/account").field("csrf")
    for wrong in ("", theirs, fields["csrf"][:-1], fields["csrf"].upper(), "\u00e9" * 64):
        case.turned_away(approve(tab, asked, {**fields, "csrf": wrong}), "browser.csrf")
    case.turned_away(approve(tab, asked, {k: v for k, v in fields.items() if k != "csrf"}), "browser.csrf")
    twice = f"csrf={theirs}&csrf={fields['csrf']}&reason=x".encode()
    origin = owner.ground.play.url
    page = tab.ask("POST", f"/prompts/{asked['prompt']}/deny", twice, Origin=origin, Content_Type=FORM)
    case.turned_away(page, "browser.no_form")
    assert state(owner, asked) == "open"
    case.twin(approve(tab, asked, fields))


@attack("X-WEB-04")
def test_no_page_may_be_framed_run_a_foreign_script_or_be_kept(case: Case, owner: Holder) -> None:
    tab = owner.log_in()
    for path in ("/prompts", "/account", "/account/app", "/account/passkey", "/passkeys/enroll", "/prompts/0"):
        page = tab.get(path)
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?! src=\"/static/twinseal.js\" defer></script>)|style=|\son[a-z]+=", page.text)
    case.answered("frame-ancestors")
    script = tab.get("/static/twinseal.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert tab.get("/static/../base.html").status == 404
    case.twin(script)


ELSEWHERE = [
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/%2f/evil.example",
    "javascript:alert(1)", "/x\r\nSet-Cookie: a=b", "/prompts?x=//evil", " /prompts", "http:evil.example", "/.//x y",
]  # fmt: skip


@attack("X-WEB-05")
@pytest.mark.parametrize("where", ELSEWHERE)
def test_log_in_leads_to_a_path_of_ours_or_to_the_first_page(case: Case, owner: Holder, where: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415 - beside its only use

    shown = Tab(owner.ground).get(f"/login?next={quote(where, safe='')}")
    assert shown.field("next") == "/"
    tab = Tab(owner.ground)
    page = tab.get("/login")
    credential = json.dumps(owner.key.sign(page.options()))
    fields = {"challenge": page.field("challenge"), "credential": credential, "next": where}
    done = tab.post("/login/passkey", fields)
    assert (done.status, done.location, len(done.cookies)) == (303, "/", 1)
    assert tab.get(f"/login?next={quote(where, safe='')}").location == "/"
    case.answered("303")
    twin = owner.log_in(next_="/account")
    case.twin(twin.get("/account"))


@attack("X-WEB-07")
def test_neither_the_answer_nor_its_time_tells_who_has_an_account(case: Case, ground: Ground, owner: Holder) -> None:
    """All answers come at the ticks of one clock, and a hash is computed for every name alike."""
    names = {"enrolled": "zoe", "an agent": "dev-a", "nobody": "nobody-at-all", "no name": "\u0000'--"}
    zoe = Holder(ground.enroll("zoe", role="human"))
    took: dict[str, list[float]] = {what: [] for what in names}
    said = set()
    for _ in range(3):
        for what, name in names.items():
            begun = time.monotonic()
            page = zoe.try_password("wrong", name=name)
            took[what].append(time.monotonic() - begun)
            case.turned_away(page, "login.refused")
            said.add(re.sub(r'value="[^"]*"|data-options="[^"]*"', "", page.text))
    assert len(said) == 1
    assert min(min(times) for times in took.values()) > 0.4
    middles = {what: statistics.median(times) % 0.5 for what, times in took.items()}
    assert all(middle < 0.25 for middle in middles.values()), (middles, took)
    case.twin(owner.log_in().get("/account"))


@attack("X-WEB-08")
@pytest.mark.parametrize("back", [1, LIFE_MS, 10 * LIFE_MS], ids=["a moment", "half a day", "days"])
def test_no_clock_that_jumps_back_revives_a_session(case: Case, owner: Holder, tmp_path: Path, back: int) -> None:
    with LoginWorld(tmp_path) as world:
        secret, mine = clock.token(), world.passkey()
        world.log_in(secret=secret)
        assert logins.session(world.service, secret) is not None
        world.now += LIFE_MS
        assert logins.session(world.service, secret) is None
        world.now -= back
        assert logins.session(world.service, secret) is None
        world.now -= back
        text = world.challenge()
        world.now += LIFE_MS * 40
        with pytest.raises(DeniedError) as denied:
            world.by_passkey(mine, challenge=text)
        case.answered(denied.value.code)
        world.by_passkey(mine)
        assert world.difference() == ""
    case.twin(owner.log_in().get("/account"))


@attack("X-WEB-08")
def test_no_clock_that_jumps_back_revives_a_token(case: Case, owner: Holder, tmp_path: Path) -> None:
    with LoginWorld(tmp_path) as world:
        mine, _ = tokens.fresh(clock.token())
        ends = world.now + MINUTE
        draft = tokens.issued(mine, principal="mia", repository="", expires_at=ends, actor=SERVICE, statement={})
        world.service.ledger.run(lambda tx: tx.append(draft))
        app = SimpleNamespace(state=SimpleNamespace(service=world.service))
        asked = Request({"type": "http", "app": app, "headers": [(b"authorization", f"Bearer {mine}".encode())]})
        assert authenticated(asked).principal == "mia"
        world.now += 2 * MINUTE
        world.log_in()  # An entry: from now on time stands no earlier.
        world.now -= 10 * MINUTE
        with pytest.raises(UnauthenticatedError) as over:
            authenticated(asked)
        case.answered(over.value.code)
    case.twin(owner.log_in().get("/account"))


@attack("X-WEB-09")
def test_text_that_is_markup_is_shown_as_text(case: Case, ground: Ground, owner: Holder, tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7777*7777}}"
    repository = ground.govern(tmp_path, *AGENTS, "owner")
    dev, head = ground["dev-a"], repository.begin()
    number = repository.open(dev, repository.commit(dev, {"a": "b"}, head, message=nasty + "\n"))
    tab = owner.log_in()
    held = owner.enroll_passkey(Authenticator(origin=owner.key.origin), label=nasty[:60])
    pages = [tab.get(path) for path in (f"/{repository.name}/changes/{number}", "/account", "/%3Cscript%3E/changes/1")]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "60481729" not in page.text
    assert "&lt;script&gt;alert(1)" in pages[0].text
    assert "&lt;script&gt;" in pages[1].text
    case.answered("escaped")
    removal = owner.member.signed("factor.remove", {"factor": held["factor"]})
    assert owner.hand_in("/factors/removal", removal).status < 300
    case.twin(pages[0])


@attack("X-PK-01")
def test_an_assertion_is_good_once(case: Case, owner: Holder) -> None:
    """Log-in heard on the wire, and sent again: at once, by two at one moment, with the next page's challenge."""
    tab = Tab(owner.ground)
    page = tab.get("/login")
    credential = json.dumps(owner.key.sign(page.options()))
    fields = {"challenge": page.field("challenge"), "credential": credential, "next": "/"}

    def send(_: int) -> Page:
        return Tab(owner.ground).post("/login/passkey", fields)

    with ThreadPoolExecutor(4) as pool:
        answers_ = list(pool.map(send, range(4)))
    assert sorted(one.status for one in answers_) == [303, 403, 403, 403]
    for one in answers_:
        if one.status == 403:
            case.turned_away(one, "login.refused")
    other = {**fields, "challenge": Tab(owner.ground).get("/login").field("challenge")}
    case.turned_away(Tab(owner.ground).post("/login/passkey", other), "login.refused")
    case.turned_away(Tab(owner.ground).post("/login/passkey", {**fields, "challenge": "x"}), "login.refused")
    case.twin(next(one for one in answers_ if one.status == 303))


@attack("X-PK-02")
def test_an_assertion_is_for_one_prompt_of_one_person_at_our_origin(
    case: Case, ground: Ground, owner: Holder, mia: Holder, asked: dict[str, Any]
) -> None:
    tab = owner.log_in()
    other = owner.prompt(owner.member.signed("account.password", {"digest": clock.nonce()}))
    here, there = answers(owner, tab, asked), answers(owner, tab, other)
    size = len(ground.entries())
    lies = [
        {**here, "credential": there["credential"]},  # Signed for another prompt.
        {**here, "credential": json.dumps(owner.key.sign(log_in(ground)))},
        {**here, "credential": signed(owner, tab, asked, origin=EVIL)},
        {**here, "credential": signed(owner, tab, asked, crossOrigin=True)},
    ]
    for fields in lies:
        page = approve(tab, asked, fields)
        assert page.status == 403, page.text
        assert state(owner, asked) == "open"
    theirs = mia.log_in()
    page = theirs.get(f"/prompts/{asked['prompt']}")
    assert 'name="digest"' not in page.text
    form = {"csrf": theirs.get("/account").field("csrf"), "digest": asked["digest"], "credential": here["credential"]}
    assert approve(theirs, asked, form).status == 403
    codes = [e["data"]["code"] for e in ground.entries("request.refused", start=size)]
    assert codes == ["factor.wrong"] * 4 + ["prompt.not_yours"]
    for found in codes:
        case._saw(found, recorded=True)
    tab.post(f"/prompts/{other['prompt']}/deny", {"csrf": here["csrf"], "reason": ""})
    case.twin(approve(tab, asked, answers(owner, tab, asked)))


def log_in(ground: Ground) -> dict[str, Any]:
    """Return what a passkey is asked for to log in."""
    return Tab(ground).get("/login").options()


def signed(owner: Holder, tab: Tab, asked: dict[str, Any], **lies: Any) -> str:
    return json.dumps(owner.key.sign(tab.get(f"/prompts/{asked['prompt']}").options(), **lies))


@attack("X-PK-03")
def test_a_passkey_counts_with_its_person_and_once_of_its_kind(case: Case, ground: Ground) -> None:
    """Without PIN or finger, and from a copy whose count is behind: refused, and it approves nothing."""
    ada = Holder(ground.enroll("ada", role="human"))
    asked = ada.prompt(ada.member.signed("account.password", {"digest": clock.nonce()}))
    tab = ada.log_in()
    size = len(ground.entries())
    form = {"csrf": tab.get("/account").field("csrf"), "digest": asked["digest"]}
    for lies in ({"step": 0}, {"step": -1}, {"flags": UP, "step": 2}):
        assert approve(tab, asked, {**form, "credential": signed(ada, tab, asked, **lies)}).status == 403
    found = ground.entries("request.refused", start=size)
    assert [entry["data"]["code"] for entry in found] == ["factor.wrong"] * 3
    for entry in found:
        case._saw(entry["data"]["code"], recorded=entry["actor"]["id"] == "ada")
    assert state(ada, asked) == "open"
    case.twin(approve(tab, asked, answers(ada, tab, asked)))


@attack("X-PK-04")
def test_a_passkey_is_enrolled_by_who_holds_the_key_and_the_address(
    case: Case, ground: Ground, owner: Holder, mia: Holder
) -> None:
    """The thief has the address, or makes one; the victim's key signs for what it was shown to have made."""
    thief = Authenticator(origin=owner.key.origin)
    given = owner.offer()
    for secret in ("", "x" * 43, given["offer"], given["secret"].swapcase()):
        assert Tab(ground).post("/passkeys/enroll", {"secret": secret}).code == "passkey.offer"
    mine = mia.offer()
    shown = Tab(ground).post("/passkeys/enroll", {"secret": mine["secret"]})
    made = thief.make(shown.options())
    done = Tab(ground).post("/passkeys/enroll", {"secret": given["secret"], "credential": json.dumps(made)})
    assert done.status == 403  # Made for mia's challenge, handed in at the owner's address.
    Tab(ground).post("/passkeys/enroll", {"secret": mine["secret"], "credential": json.dumps(made)})
    body = {"kind": "passkey", "label": "x", "factor": factor_of(made["id"])}
    theirs = owner.member.signed("factor.enroll", body)
    refused = ground.ask("POST", "/passkeys", {**theirs, "offer": mine["offer"]}, token=owner.member.tokens[""])
    assert refused.code == "passkey.offer"
    agent = ground["dev-a"]
    assert ground.ask("POST", "/passkeys/offers", {}, token=agent.tokens[""]).code == "prompt.persons_only"
    other = mia.member.signed("factor.enroll", {**body, "factor": "0" * 16})
    prompt = mia.prompt(other)
    mia.approve(prompt)
    wrong = ground.ask("POST", "/passkeys", {**other, "offer": mine["offer"]}, token=mia.member.tokens[""])
    case.denied(wrong, "factor.other", by=mia.member)
    again = Tab(ground).post("/passkeys/enroll", {"secret": mine["secret"], "credential": json.dumps(made)})
    assert "made at this address already" in again.text
    right = mia.member.signed("factor.enroll", body)
    case.twin(mia.hand_in("/passkeys", {**right, "offer": mine["offer"]}))


@attack("X-PK-03")
def test_what_a_passkey_signed_enrols_one_factor(case: Case, ground: Ground, owner: Holder) -> None:
    """A passkey that is synced counts nothing: its answer would be as good for a second one, on the same page."""
    synced, first, second = (Authenticator(origin=owner.key.origin) for _ in range(3))
    owner.enroll_passkey(synced, label="synced")
    tab = owner.log_in()
    page = tab.get("/account/passkey")
    fields = {"csrf": page.field("csrf"), "sealed": page.field("sealed"), "label": "token"}
    fields["proof"] = json.dumps(synced.sign(page.options("proof"), step=0))
    case.twin(tab.post("/account/passkey", {**fields, "credential": json.dumps(first.make(page.options()))}))
    size = len(ground.entries())
    again = tab.post("/account/passkey", {**fields, "credential": json.dumps(second.make(page.options()))})
    assert again.status == 403
    found = ground.entries("request.refused", start=size)
    assert [(entry["data"]["code"], entry["actor"]["id"]) for entry in found] == [("factor.used", owner.name)]
    case._saw("factor.used", recorded=True)


@attack("X-PK-03")
@pytest.mark.parametrize("origin", ["http://x\0", "http://\ud800"], ids=["U+0000", "half a character"])
def test_a_wrong_answer_is_recorded_whatever_is_written_in_it(
    case: Case, owner: Holder, tmp_path: Path, origin: str
) -> None:
    """What no entry can hold would leave the refusal without a record, and the guess without a count."""
    with LoginWorld(tmp_path) as world:
        mine = world.passkey()
        about = {"digest": clock.nonce()}
        asked = world.ask(world.said("account.password", "mia", about, nonce=clock.nonce()))
        with world.service.read() as look:
            challenge = prompts.challenge_of(look, world.service.log, asked["prompt"], "mia")
        lie = Assertion(mine.sign(world.service.passkeys.asked(challenge=challenge), origin=origin))
        by, typed = world.caller("mia"), asked["digest"]
        with pytest.raises(FactorError) as refused:
            prompts.answer(world.service, by, asked["prompt"], typed=typed, proof=lie, channel="browser")
        case.answered(refused.value.code)
        assert world.rows("select count(*) from factor_failure") == [(1,)]
    case.twin(owner.log_in().get("/account"))
