"""SSH keys over HTTP: enrolled by who holds them, refused to who does not, and their statements acted on."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

import keys
from governance.adapters import clock
from governance.people.statements import compose
from governance.signatures import possession_challenge
from playing import LOG, MAIN, Answer, Ground, Repository
from ssh_forge import SshKey, craft, ed, rsa_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = iter(f"ssh-{number}" for number in range(1000))


class Holder:
    """A principal invited and not yet enrolled, with an SSH key of its own."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.name = next(NAMES)
        self.key: SshKey = ed(self.name)
        self.secret = ground.add(self.name, role="dev-a").done["secret"]
        self.token = ""

    def challenge(self, line: str = "", **more: Any) -> Answer:  # noqa: ANN401 - JSON
        return self.ground.ask(
            "POST", "/challenges", {"certificate": line or self.key.line, "secret": self.secret, **more}
        )

    def enroll(
        self,
        *,
        namespace: str = "twinseal",
        by: SshKey | None = None,
        told: int | None = None,
        **more: Any,  # noqa: ANN401 - JSON
    ) -> Answer:
        """Enrol. `told` is the end that is signed, where another is asked for."""
        nonce = self.challenge(**more).body["nonce"]
        ends = more.get("ends") if told is None else told
        text = possession_challenge(LOG, principal=self.name, fingerprint=self.key.fingerprint, nonce=nonce, ends=ends)
        proof = craft(by or self.key, text, namespace=namespace.encode()).decode()
        said = {"certificate": self.key.line, "secret": self.secret, "nonce": nonce, "proof": proof, **more}
        answer = self.ground.ask("POST", "/keys", said)
        self.token = answer.body["token"] if answer.status == 201 else ""
        return answer

    def revoke(self, *, namespace: str = "twinseal") -> Answer:
        """Revoke one's own key."""
        body = {"fingerprint": self.key.fingerprint, "reason": "lost"}
        raw = compose("key.revoke", log=LOG, by=self.name, at=clock.now(), nonce=clock.nonce(), body=body)
        signature = craft(self.key, raw, namespace=namespace.encode()).decode()
        said = {"statement": raw.decode(), "signature": signature}
        return self.ground.ask("POST", "/keys/revocation", said, token=self.token)

    def landings(self, query: str) -> Answer:
        return self.ground.ask("GET", f"/landings{query}", token=self.token)


@pytest.fixture
def holder(ground: Ground) -> Iterator[Holder]:
    made = Holder(ground)
    yield made
    ground.assert_sound()


def test_who_holds_an_ssh_key_enrols_it_with_its_end_and_acts_by_it(holder: Holder) -> None:
    ends = clock.now() // 1000 + 1000
    assert holder.enroll(ends=ends).body["fingerprint"] == holder.key.fingerprint
    (entry,) = [e for e in holder.ground.entries("key.enrolled") if e["subject"] == holder.key.fingerprint]
    kept = {"fingerprint": holder.key.fingerprint, "subkeys": [[holder.key.fingerprint, ends]]}
    assert entry["data"]["key"] == kept | {"certificate": base64.b64encode(holder.key.blob).decode()}
    assert holder.revoke().done["landed"] == {"updates": 0, "commits": 0, "under_way": 0}
    assert holder.revoke().code == "signature.key_revoked"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("key.not_possessed", {"by": ed("a thief")}),
        ("key.not_possessed", {"namespace": "git"}),
        ("key.not_possessed", {"ends": 4_000_000_001, "told": 4_000_000_000}),
    ],
    ids=["another key", "signed for git", "an end put off"],
)
def test_who_cannot_prove_that_they_hold_a_key_does_not_enrol_it(
    holder: Holder, code: str, how: dict[str, Any]
) -> None:
    assert holder.enroll(**how).code == code
    assert holder.enroll().status == 201


def test_a_key_that_we_do_not_enrol_gets_no_challenge(holder: Holder) -> None:
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
    pgp = base64.b64encode(keys.key_of("dev-b").certificate).decode()
    asked = [
        (rsa_of(1024).line, {}, "key.weak"),
        (secret, {}, "key.secret"),
        (holder.key.line + "\n" + holder.key.line, {}, "key.unreadable"),
        (holder.key.line, {"ends": clock.now() // 1000}, "key.expired"),
        (pgp, {"ends": clock.now() // 1000 + 1000}, "key.ends"),
    ]
    assert [holder.challenge(line, **more).code for line, more, _ in asked] == [code for _, _, code in asked]
    assert holder.challenge().status == 200


def test_a_signature_made_for_git_moves_nobody(holder: Holder) -> None:
    holder.enroll()
    assert holder.revoke(namespace="git").code == "signature.namespace"
    assert holder.revoke().status == 200


def test_what_a_key_has_landed_is_asked_by_key_or_by_name(holder: Holder, started: Repository) -> None:
    ground = holder.ground
    holder.enroll()
    key = keys.key_of("dev-a").fingerprint
    found = [u for u in holder.landings(f"?key={key}").body["items"] if u["repository"] == started.name]
    tip = started.refs()[MAIN]
    assert [(u["ref"], u["commits"], u["count"]) for u in found] == [
        (MAIN, [tip], 1),
        ("refs/heads/topic/begin", [tip], 1),
    ]
    by_name = holder.landings("?principal=dev-a").body["items"]
    assert [u for u in by_name if u["repository"] == started.name] == found
    assert holder.landings(f"?key={key}&before={found[-1]['decision']}").body["items"] != by_name
    assert holder.landings("").code == "landings.of_whom"
    assert holder.landings(f"?key={key}&principal=dev-a").code == "landings.of_whom"
    assert holder.landings("?key=nobody's").body["items"] == []
    assert ground.ask("GET", f"/landings?key={key}").status == 401
