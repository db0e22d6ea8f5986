"""Attacks on the HTTP surface: statements, tokens, bodies, names (T, and what the design says of statements)."""

from __future__ import annotations

import http.client
import json
import socket
import string
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from governance.people.statements import FRESH_MS
from playing import LOG, MAIN, Answer, Ground, Member, Repository

MINUTE_MS = 60_000
JSON = {"Content-Type": "application/json"}


def invited(ground: Ground, **changed: Any) -> Answer:  # noqa: ANN401 - JSON
    """Ask, as the owner, for something that only an owner gets."""
    return ground.owner.say("principal.invite", "/principals/invitation", {"name": "qa-a"}, **changed)


def memory(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


class TestStatements:
    """A statement is acted on once, for what and by whom it was said."""

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            pytest.param({"type": "principal.retire"}, "statement.other", id="another type"),
            pytest.param({"log": "localhost/elsewhere"}, "statement.other", id="another log"),
            pytest.param({"by": "dev-a"}, "statement.not_yours", id="another speaker"),
            pytest.param({"by": "nobody"}, "statement.not_yours", id="an unknown speaker"),
            pytest.param({"at": 0}, "statement.stale", id="long ago"),
        ],
    )
    def test_a_statement_of_something_else_is_refused(self, ground: Ground, changed: dict[str, Any], code: str) -> None:
        refused = invited(ground, **changed)
        assert (refused.status, refused.code) == (403, code)
        assert invited(ground).status == 201

    @pytest.mark.parametrize("minutes", [-11, 11])
    def test_a_stale_or_early_statement_is_refused(self, ground: Ground, minutes: int) -> None:
        now = ground.ask("GET", "/about").body["time"]
        assert invited(ground, at=now + minutes * MINUTE_MS).code == "statement.stale"
        assert FRESH_MS == 10 * MINUTE_MS
        assert invited(ground, at=now + (minutes // abs(minutes)) * 9 * MINUTE_MS).status == 201

    def test_a_statement_is_acted_on_once_also_at_once(self, ground: Ground) -> None:
        owner = ground.owner
        said = owner.signed("principal.invite", {"name": "qa-a"})

        def ask(_: int) -> Answer:
            return ground.ask("POST", "/principals/invitation", said, token=owner.tokens[""])

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 7
        assert {answer.code for answer in answers if answer.status == 409} == {"statement.replayed"}

    def test_a_statement_signed_again_is_still_the_same_statement(self, ground: Ground) -> None:
        """A signature can be made anew over the same bytes; what was said is known by its bytes."""
        owner = ground.owner
        said = owner.signed("principal.invite", {"name": "qa-a"})
        assert ground.ask("POST", "/principals/invitation", said, token=owner.tokens[""]).status == 201
        time.sleep(1.1)  # A signature holds its second; the next one is another signature.
        anew = said | {"signature": owner.key.sign(said["statement"].encode()).decode()}
        assert anew != said
        assert ground.ask("POST", "/principals/invitation", anew, token=owner.tokens[""]).code == "statement.replayed"

    @pytest.mark.parametrize(
        "mangle",
        [
            pytest.param(lambda s: s | {"signature": ""}, id="no signature"),
            pytest.param(lambda s: s | {"signature": s["signature"].replace("A", "B")}, id="another signature"),
            pytest.param(lambda s: s | {"signature": s["signature"] * 2}, id="two signatures"),
            pytest.param(lambda s: s | {"signature": "\u0430"}, id="not ASCII"),
            pytest.param(lambda s: s | {"statement": s["statement"] + " "}, id="a blank behind"),
            pytest.param(
                lambda s: s | {"statement": s["statement"].replace('{"at"', '{"at":1,"at"')}, id="a key twice"
            ),
            pytest.param(lambda s: s | {"statement": json.dumps(json.loads(s["statement"]))}, id="not canonical"),
            pytest.param(lambda s: s | {"statement": s["statement"].replace("qa-a", "qa-b")}, id="another body"),
            pytest.param(lambda s: s | {"statement": "null"}, id="no object"),
            pytest.param(lambda s: s | {"statement": "[" * 5000}, id="deep"),
        ],
    )
    def test_bytes_that_were_not_signed_are_refused(self, ground: Ground, mangle: Any) -> None:  # noqa: ANN401
        owner = ground.owner
        said = owner.signed("principal.invite", {"name": "qa-a"})
        refused = ground.ask("POST", "/principals/invitation", mangle(said), token=owner.tokens[""])
        assert refused.status in {403, 422}, refused.raw
        assert refused.code.startswith(("statement.", "signature."))
        assert ground.ask("POST", "/principals/invitation", said, token=owner.tokens[""]).status == 201

    def test_another_key_does_not_sign_for_the_owner(self, ground: Ground) -> None:
        owner, agent = ground.owner, ground["dev-a"]
        said = owner.signed("principal.invite", {"name": "qa-a"})
        forged = said | {"signature": agent.key.sign(said["statement"].encode()).decode()}
        refused = ground.ask("POST", "/principals/invitation", forged, token=owner.tokens[""])
        assert (refused.status, refused.code) == (403, "statement.not_yours")

    def test_t16_an_agents_token_does_not_carry_the_owners_statement(
        self, ground: Ground, standing: Repository
    ) -> None:
        said = ground.owner.signed("principal.invite", {"name": "dev-a"})
        for token in (ground["dev-a"].tokens[""], ground["dev-a"].tokens[standing.name]):
            assert ground.ask("POST", "/principals/invitation", said, token=token).code == "statement.not_yours"
        assert ground.ask("POST", "/principals/invitation", said, token=ground.owner.tokens[""]).status == 201

    @pytest.mark.parametrize(
        ("type_", "path", "body"),
        [
            ("principal.add", "/principals", {"name": "x", "role": "dev-a", "emails": ["x@example.org"]}),
            ("principal.invite", "/principals/invitation", {"name": "dev-a"}),
            ("principal.retire", "/principals/retirement", {"name": "qa-a"}),
            ("token.issue", "/tokens", {"principal": "owner", "repository": "", "days": 1}),
            ("repository.add", "/repositories", {"name": "mine", "path": "/tmp", "advisory": True}),
        ],
    )
    def test_an_agent_is_no_owner_and_the_attempt_is_recorded(
        self, ground: Ground, type_: str, path: str, body: dict[str, Any]
    ) -> None:
        size = len(ground.entries())
        refused = ground["dev-a"].say(type_, path, body)
        assert (refused.status, refused.code) == (403, "authority.owner_only"), refused.raw
        (entry,) = ground.entries("request.refused", start=size)
        assert entry["actor"]["id"] == "dev-a"
        assert (entry["data"]["code"], entry["subject"]) == ("authority.owner_only", type_)

    def test_an_agent_revokes_no_key_and_no_token_but_its_own(self, ground: Ground) -> None:
        tokens = ground.owner.get("/tokens").body["items"]
        owners = next(t["id"] for t in tokens if t["principal"] == "owner" and t["revoked_seq"] is None)
        agent = ground["dev-a"]
        assert agent.say("token.revoke", "/tokens/revocation", {"id": owners}).code == "authority.owner_only"
        key = {"fingerprint": ground.owner.key.fingerprint, "reason": "mine now"}
        assert agent.say("key.revoke", "/keys/revocation", key).code == "authority.owner_only"
        assert all(t["principal"] == "dev-a" for t in agent.get("/tokens").body["items"])
        assert invited(ground).status == 201


class TestTokens:
    """A connection says who it is by token, and by nothing else."""

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param({}, id="none"),
            pytest.param({"Authorization": "Bearer"}, id="empty"),
            pytest.param({"Authorization": "Bearer tws_" + "A" * 43}, id="made up"),
            pytest.param({"Authorization": "Bearer ' or 1=1 --"}, id="SQL"),
            pytest.param({"Authorization": "Basic !!!"}, id="not base64"),
            pytest.param({"Authorization": "Basic //8="}, id="not text"),
            pytest.param({"Authorization": "Digest x"}, id="another scheme"),
            pytest.param({"X-Forwarded-User": "owner", "Remote-User": "owner", "X-WEBAUTH-USER": "owner"}, id="T-11"),
        ],
    )
    def test_without_a_token_nothing_is_answered(self, ground: Ground, header: dict[str, str]) -> None:
        refused = ground.ask("GET", "/status", headers=header)
        assert (refused.status, refused.code) == (401, "request.unauthenticated")
        assert "realm" in refused.headers["www-authenticate"]
        assert ground.owner.get("/status").status == 200

    def test_a_token_in_the_address_is_none(self, ground: Ground) -> None:
        """T-09: links are prefetched, and logged."""
        token = ground.owner.tokens[""]
        assert ground.ask("GET", f"/status?token={token}&access_token={token}").status == 401

    def test_tokens_are_in_no_log_and_no_entry(self, ground: Ground, started: Repository) -> None:
        token = ground["dev-a"].tokens[started.name]
        head = started.commit(ground["dev-a"], {"a": "1\n"}, started.refs()[MAIN])
        assert started.push(ground["dev-a"], f"{head}:{MAIN}").landed
        assert started.push(ground["dev-a"], f"{head}:refs/heads/MAIN").code
        ground.ask("GET", "/nowhere", token=token)
        said = ground.log + json.dumps(ground.entries())
        held = [t for member in ground.members.values() for t in member.tokens.values()]
        assert held
        assert not [t for t in held if t in said or t.removeprefix("tws_") in said]
        assert "tws_" not in said


class TestBodies:
    """What cannot be read is refused early, in one shape, and costs nothing."""

    BAD_JSON = (b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"[" * 20_000, b'{"statement":1}', b"NaN", b"{}" * 9)

    @pytest.mark.parametrize("body", BAD_JSON)
    @pytest.mark.parametrize("path", ["/principals", "/keys", "/challenges", "/repositories/none/sign-offs"])
    def test_a_malformed_body_is_a_problem_with_a_code(self, ground: Ground, path: str, body: bytes) -> None:
        refused = ground.ask("POST", path, body, token=ground.owner.tokens[""], headers=JSON)
        assert refused.headers["content-type"] == "application/problem+json"
        assert 400 <= refused.status < 500, refused.raw
        assert set(refused.body) >= {"type", "title", "status", "detail", "code"}
        assert refused.body["type"] == f"urn:twinseal:{refused.code}"
        assert refused.body["status"] == refused.status

    def test_an_unknown_field_is_refused(self, ground: Ground) -> None:
        said = ground.owner.signed("principal.invite", {"name": "qa-a"})
        refused = ground.ask("POST", "/principals/invitation", said | {"force": "yes"}, token=ground.owner.tokens[""])
        assert (refused.status, refused.code) == (422, "request.malformed")
        assert "force" in refused.body["detail"]

    @pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
    def test_a_hundred_megabytes_are_refused_early_and_not_held(self, ground: Ground, declared: bool) -> None:  # noqa: FBT001
        before = memory(ground.pid)
        pieces = (b"x" * 65536 for _ in range(1600))
        with closing(http.client.HTTPConnection(*ground.address, timeout=20)) as connection:
            headers = JSON | ({"Content-Length": str(1600 * 65536)} if declared else {})
            try:
                connection.request("POST", "/v1/challenges", pieces, headers, encode_chunked=not declared)
                status = connection.getresponse().status
            except (ConnectionError, http.client.HTTPException):
                status = 413  # It hung up while we were still sending; the answer came before.
        assert status == 413
        assert memory(ground.pid) - before < 20_000
        assert ground.ask("GET", "/healthz").status == 200

    @pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
    def test_what_is_too_large_is_answered_with_413(self, ground: Ground, declared: bool) -> None:  # noqa: FBT001
        """Just above the limit, so that all of it can be sent before the answer is read."""
        body = b'{"certificate":"' + b"A" * (260 * 1024) + b'"}'
        with closing(http.client.HTTPConnection(*ground.address, timeout=20)) as connection:
            headers = JSON if declared else JSON | {"Transfer-Encoding": "chunked"}
            connection.request(
                "POST", "/v1/challenges", body if declared else iter([body]), headers, encode_chunked=not declared
            )
            response = connection.getresponse()
            answer = Answer(response.status, {}, response.read())
        assert (answer.status, answer.code) == (413, "request.too_large")

    def test_a_client_that_never_finishes_keeps_nobody_waiting(self, ground: Ground) -> None:
        waiting = [socket.create_connection(ground.address) for _ in range(50)]
        try:
            for one in waiting:
                one.sendall(b"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            assert ground.owner.get("/status").status == 200
        finally:
            for one in waiting:
                one.close()


class TestNames:
    """Names and numbers that are none."""

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": "x"},
            {"name": "x", "role": "dev-a"},
            {"name": "x", "role": "dev-a", "emails": 5},
            {"name": "x", "role": "dev-a", "emails": "x@example.org"},
            {"name": "x", "role": "dev-a", "emails": [["x@example.org"]]},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "delegates": 7},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "delegates": [None]},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "uid": -1},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "uid": True},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "uid": 2**53 - 1, "operator": 3},
            {"name": "x", "role": "none", "emails": ["x@example.org"]},
            {"name": "x", "role": "dev-a", "emails": ["x@example.org"], "operator": "dev-a"},
            {"name": "x", "role": "dev-a", "emails": ["dev-a@example.org"]},
            {"name": "x", "role": "dev-a", "emails": ["Dev-A@Example.org"]},
            {"name": "dev-a", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "Dev-A", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "d\u0435v-a", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "dev-a ", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "dev-a.", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "\x1b[2J", "role": "dev-a", "emails": ["x@example.org"]},
            {"name": "x" * 41, "role": "dev-a", "emails": ["x@example.org"]},
            {"name": ["x"], "role": "dev-a", "emails": ["x@example.org"]},
        ],
    )
    def test_t15_a_principal_that_cannot_be_is_refused(self, ground: Ground, body: dict[str, Any]) -> None:
        before = ground.owner.get("/principals").body
        refused = ground.owner.say("principal.add", "/principals", body)
        assert refused.status in {404, 409, 422}, refused.raw
        assert refused.code.startswith(("principal.", "request.")), refused.raw
        assert ground.owner.get("/principals").body == before

    @pytest.mark.parametrize(
        ("type_", "path", "body"),
        [
            ("principal.invite", "/principals/invitation", {}),
            ("principal.invite", "/principals/invitation", {"name": {"$ne": ""}}),
            ("principal.retire", "/principals/retirement", {"name": None}),
            ("key.revoke", "/keys/revocation", {}),
            ("key.revoke", "/keys/revocation", {"fingerprint": ["x"], "reason": 5}),
            ("token.issue", "/tokens", {"principal": "dev-a", "repository": "", "days": "30"}),
            ("token.issue", "/tokens", {"principal": "dev-a", "repository": "", "days": 0}),
            ("token.issue", "/tokens", {"principal": "dev-a", "repository": "", "days": 10**9}),
            ("token.issue", "/tokens", {"principal": "dev-a", "repository": ["x"], "days": 1}),
            ("token.issue", "/tokens", {"principal": "dev-a", "repository": "nowhere", "days": 1}),
            ("token.revoke", "/tokens/revocation", {"id": None}),
            ("repository.add", "/repositories", {}),
            ("repository.add", "/repositories", {"name": "../x", "path": "/tmp"}),
            ("repository.add", "/repositories", {"name": "x.git", "path": "/nonexistent"}),
            ("repository.add", "/repositories", {"name": "x", "path": 5}),
            ("repository.add", "/repositories", {"name": "x", "path": "/" + "p" * 5000}),
            ("sign_off", "/repositories/{0}/sign-offs", {}),
            ("sign_off", "/repositories/{0}/sign-offs", {"verdict": ["approve"], "binding": {}}),
            ("sign_off", "/repositories/{0}/sign-offs", {"verdict": "approve", "binding": {"change": True}}),
            ("sign_off", "/repositories/{0}/sign-offs", {"verdict": "approve", "binding": {"change": 2**53 - 1}}),
            ("sign_off", "/repositories/{0}/sign-offs", {"verdict": "maybe", "binding": {"change": 1}}),
            ("sign_off.withdraw", "/repositories/{0}/sign-offs", {"change": "1"}),
            ("thaw", "/repositories/{0}/thaw", {"remediation": "long enough to read", "refs": {}}),
            ("thaw", "/repositories/{0}/thaw", {"remediation": 5, "refs": {MAIN: 5}}),
            ("thaw", "/repositories/nowhere/thaw", {"remediation": "long enough to read", "refs": {}}),
        ],
    )
    def test_a_statement_with_an_odd_body_is_refused_with_a_code(
        self, ground: Ground, standing: Repository, type_: str, path: str, body: dict[str, Any]
    ) -> None:
        refused = ground.owner.say(type_, path.format(standing.name), body, repository=standing.name)
        assert refused.status in {403, 404, 409, 422}, refused.raw
        assert refused.code != "internal"

    @pytest.mark.parametrize(
        "path",
        [
            "/ledger/entries?start=-1",
            "/ledger/entries?limit=100000",
            f"/ledger/entries?start={10**30}",
            f"/ledger/entries/{10**30}",
            "/ledger/entries/-1",
            "/ledger/entries/none",
            "/repositories/{0}/changes/0",
            "/repositories/{0}/changes/-1",
            f"/repositories/{{0}}/changes/{10**30}",
            "/repositories/{0}/changes/1e3",
            "/repositories/nowhere/changes",
            "/repositories/nowhere/drift",
            "/repositories/%00/drift",
            "/nowhere",
        ],
    )
    def test_an_address_that_names_nothing_is_a_problem(self, ground: Ground, standing: Repository, path: str) -> None:
        refused = ground.owner.get(path.format(standing.name), repository=standing.name)
        assert refused.status in {403, 404, 422}, refused.raw
        assert refused.headers["content-type"] == "application/problem+json"

    def test_no_answer_and_no_log_holds_a_raw_control_character(self, ground: Ground) -> None:
        name = "\x1b]0;owned\x07\u202e\x9b"
        invited(ground, type="principal.\x1b[2J")
        ground.owner.say("principal.add", "/principals", {"name": name, "role": name, "emails": [name]})
        refused = ground.owner.say("principal.retire", "/principals/retirement", {"name": name})
        hostile = {chr(n) for n in range(32)} - {"\n"} | {"\x7f", "\x9b", "\u202e"}
        assert not hostile & set(refused.raw.decode()), refused.raw
        assert not hostile & set(ground.log)
        for command in (("ledger", "tail"), ("principal", "list"), ("ledger", "show", str(len(ground.entries()) - 1))):
            assert not hostile & set(ground.twinseal(*command).stdout)

    @pytest.mark.parametrize("path", ["/etc", "/root/.ssh", "/nonexistent"])
    def test_an_agent_learns_nothing_of_the_machines_folders(self, ground: Ground, path: str) -> None:
        body = {"name": "probe", "path": path}
        assert ground["dev-a"].say("repository.add", "/repositories", body).code == "authority.owner_only"

    def test_numbers_here_are_those_the_service_uses(self, ground: Ground) -> None:
        assert ground.ask("GET", "/about").body["log"] == LOG
        assert set(LOG) <= set(string.ascii_letters + "/")


def test_the_service_said_nothing_broke(ground: Ground, dev: Member) -> None:
    """Whatever was asked above: no request ended in an error that nobody expected."""
    assert dev.get("/status").status == 200
    broke = [line for line in ground.log.splitlines() if '"event": "request.broke"' in line or "Traceback" in line]
    assert not broke, broke[:3]
