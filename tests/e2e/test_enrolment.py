"""Who comes in, by which secret, with which key; and who goes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

import keys
from builders import loose_policy
from governance.adapters.seat import Seat
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from governance.errors import NotFoundError
from governance.people import principals
from governance.signatures import possession_challenge
from governance.state.schema import SCHEMA
from playing import LOG, MAIN, Ground, Member, Repository, free_port, until


def newcomer(ground: Ground, role: str = "docs") -> tuple[Member, str]:
    """Somebody invited, and their secret."""
    name = f"new-{len(ground.owner.get('/principals').body['items'])}"
    return Member(ground, name), str(ground.add(name, role=role).done["secret"])


def attempt(
    ground: Ground, who: Member, secret: str, changed: Mapping[str, Any] = MappingProxyType({})
) -> tuple[int, str]:
    """Enrol as our own client would, but for what is changed of key, proof or body; return status and code.

    The challenge is asked for with a token, so that it is the enrolment that judges the secret.
    """
    key = changed.get("key", who.key)
    certificate = base64.b64encode(key.certificate).decode()
    given = ground.ask("POST", "/challenges", {"certificate": certificate}, token=ground.owner.tokens[""]).body
    told = {"principal": who.name, "fingerprint": key.fingerprint, "nonce": given["nonce"]}
    told = {name: changed.get(name, value) for name, value in told.items()}
    proof = changed.get("signer", key).sign(possession_challenge(changed.get("origin", LOG), **told))
    body = {"certificate": certificate, "secret": secret, "nonce": given["nonce"], "proof": proof.decode()}
    body |= {name: value for name, value in changed.items() if name in {*body, "name", "emails"}}
    answer = ground.ask("POST", "/keys", body)
    return answer.status, answer.code


class TestComingIn:
    """A secret, once, within its time, with a key that is held."""

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            pytest.param({"origin": "localhost/elsewhere"}, "key.not_possessed", id="K-18 a proof for another log"),
            pytest.param({"principal": "owner"}, "key.not_possessed", id="K-18 a proof for another principal"),
            pytest.param({"nonce": "00" * 16}, "key.challenge", id="K-18 a nonce of one's own"),
            pytest.param({"signer": keys.key_of("mallory")}, "key.not_possessed", id="K-18 a key that is not held"),
            pytest.param({"key": keys.key_of("owner")}, "key.taken", id="A-18 somebody's key"),
            pytest.param({"secret": "x" * 43}, "enrolment.secret", id="a guess"),
            pytest.param({"secret": "short"}, "request.malformed", id="a short guess"),
            pytest.param({"certificate": "AAAA"}, "key.", id="no certificate"),
            pytest.param({"proof": "none"}, "key.not_possessed", id="no proof"),
        ],
    )
    def test_a_wrong_attempt_is_refused_and_spends_no_secret(
        self, ground: Ground, changed: dict[str, Any], code: str
    ) -> None:
        who, secret = newcomer(ground)
        status, said = attempt(ground, who, secret, changed)
        assert status in {404, 409, 422}, said
        assert said.startswith(code), said
        assert who.enroll(secret).status == 201

    def test_a_secret_works_once(self, ground: Ground) -> None:
        who, secret = newcomer(ground)
        assert who.enroll(secret).status == 201
        again = attempt(ground, who, secret, {"key": keys.key_of(f"{who.name}-other")})
        assert again == (404, "enrolment.secret")

    def test_a_secret_used_twice_at_once_works_once(self, ground: Ground) -> None:
        who, secret = newcomer(ground)
        others = [keys.key_of(f"{who.name}-{n}") for n in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda key: attempt(ground, who, secret, {"key": key}), others))
        assert sorted(answers) == [(201, ""), *[(404, "enrolment.secret")] * 3]
        held = next(p for p in ground.owner.get("/principals").body["items"] if p["name"] == who.name)
        assert len(held["keys"]) == 1

    def test_the_first_secret_makes_no_second_owner(self, ground: Ground) -> None:
        secret = (ground.play.folder / "state" / "enrolment-secret").read_text()
        mallory = Member(ground, "mallory")
        about = {"name": "mallory", "emails": ["mallory@example.org"]}
        assert attempt(ground, mallory, secret, about) == (404, "enrolment.secret")

    def test_a_secret_is_kept_as_a_digest_only(self, ground: Ground) -> None:
        who, secret = newcomer(ground)
        assert who.enroll(secret).status == 201
        kept = b"".join(path.read_bytes() for path in ground.data.glob("ledger.sqlite*"))
        assert secret.encode() not in kept
        assert principals.secret_digest(secret).encode() in kept

    @pytest.mark.parametrize(("late", "opens"), [(-1, True), (0, False), (1, False)])
    def test_a_secret_ends_after_fifteen_minutes(self, late: int, opens: bool) -> None:  # noqa: FBT001 - a table
        """Against the state table itself: the service's clock is the machine's, and is not turned for a test."""
        tx = sqlite.connect(":memory:")
        tx.executescript(SCHEMA)
        tx.execute("insert into enrolment values(?,?,?,null)", (principals.secret_digest("s"), "dev-a", 15 * 60_000))
        assert principals.INVITATION_MS == 15 * 60_000
        if opens:
            assert principals.invitation(tx, "s", now=15 * 60_000 + late)[1] == "dev-a"
        else:
            with pytest.raises(NotFoundError, match="older than 15 minutes"):
                principals.invitation(tx, "s", now=15 * 60_000 + late)
        tx.close()

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            pytest.param({}, 401, id="nothing"),
            pytest.param({"secret": "x" * 43}, 404, id="a guess"),
            pytest.param({"secret": ""}, 401, id="an empty secret"),
            pytest.param({"token": "tws_" + "A" * 43}, 401, id="a token made up"),
        ],
    )
    def test_a_stranger_gets_no_challenge_and_no_entry(
        self, ground: Ground, given: dict[str, str], status: int
    ) -> None:
        who, secret = newcomer(ground)
        body = {"certificate": base64.b64encode(who.key.certificate).decode()}
        size = len(ground.entries())
        told = {key: value for key, value in given.items() if key == "secret"}
        refused = ground.ask("POST", "/challenges", body | told, token=given.get("token", ""))
        assert refused.status == status, refused.raw
        assert len(ground.entries()) == size
        for good in ({"secret": secret}, {"token": ground["dev-a"].tokens[""]}):
            told = {key: value for key, value in good.items() if key == "secret"}
            assert ground.ask("POST", "/challenges", body | told, token=good.get("token", "")).status == 200
        assert who.enroll(secret).status == 201

    def test_a_wrong_secret_leaves_no_entry_and_a_wrong_proof_does(self, ground: Ground) -> None:
        who, secret = newcomer(ground)
        size = len(ground.entries())
        assert attempt(ground, who, secret, {"secret": "x" * 43}) == (404, "enrolment.secret")
        assert len(ground.entries()) == size
        assert attempt(ground, who, secret, {"proof": "none"})[1] == "key.not_possessed"
        (entry,) = ground.entries(start=size)
        assert (entry["kind"], entry["data"]["code"]) == ("request.refused", "key.not_possessed")
        assert who.enroll(secret).status == 201


class TestBeginningAgain:
    """`init --again`, for the first owner who came too late."""

    @pytest.fixture
    def play(self, tmp_path: Path) -> Iterator[Playground]:
        play = Playground(tmp_path, listen=f"127.0.0.1:{free_port()}", quiet=True)
        play.owner.twinseal("init", "--origin", LOG)
        yield play
        play.close()
        assert not play.mistakes, play.mistakes

    def test_another_secret_makes_one_owner_and_no_second(self, play: Playground) -> None:
        """Also the first secret, although its time may not be over."""
        file = play.folder / "state" / "enrolment-secret"
        old = tmp_copy(file)
        play.owner.twinseal("init", "--again")
        assert file.read_text() != old.read_text()
        assert not file.stat().st_mode & 0o077
        play.start()
        play.owner.twinseal("init", "--again", refused="the only writer")
        play.owner.twinseal("key", "generate", "--as", "owner", "--email", "owner@example.org")
        play.owner.twinseal("key", "enroll", "--secret-file", str(file))
        mallory = Seated(play, "mallory")
        mallory.twinseal("key", "generate", "--as", "mallory", "--email", "mallory@example.org")
        mallory.twinseal("key", "enroll", "--secret-file", str(old), refused="unknown, used or older")
        play.stop()
        play.owner.twinseal("init", "--again", refused="somebody is enrolled already")
        play.owner.twinseal("ledger", "rebuild", "--check")

    def test_before_anything_has_begun_there_is_nothing_to_begin_again(self, tmp_path: Path) -> None:
        play = Playground(tmp_path, listen="127.0.0.1:1", quiet=True)
        play.owner.twinseal("init", "--again", refused="nothing has begun")
        assert not play.mistakes, play.mistakes


def tmp_copy(file: Path) -> Path:
    """Keep what a file holds now."""
    kept = file.with_name("kept")
    kept.write_text(file.read_text())
    return kept


class TestGoing:
    """What ends, ends at once."""

    @pytest.fixture
    def leaver(self, ground: Ground) -> Iterator[Member]:
        who, secret = newcomer(ground, role="dev-a")
        assert who.enroll(secret).status == 201
        yield who
        ground.owner.say("principal.retire", "/principals/retirement", {"name": who.name})

    def test_a_retired_principal_is_out_at_once(self, ground: Ground, started: Repository, leaver: Member) -> None:
        started.admit(leaver)
        one, two = (started.commit(leaver, {"a": f"{n}\n"}, started.refs()[MAIN]) for n in range(2))
        assert started.push(leaver, f"{one}:refs/heads/topic/one").landed
        assert ground.owner.say("principal.retire", "/principals/retirement", {"name": leaver.name}).status == 200
        refused = started.push(leaver, f"{two}:refs/heads/topic/two")
        assert not refused.landed
        assert "Authentication failed" in refused.said
        assert leaver.get("/status").status == 401
        assert started.push(ground["dev-b"], f"{two}:refs/heads/topic/two").code == "signed_commits.bad_signature"

    def test_a_revoked_token_is_out_at_once_and_the_others_stay(
        self, ground: Ground, started: Repository, leaver: Member
    ) -> None:
        issued = started.admit(leaver).done
        revoked = leaver.say("token.revoke", "/tokens/revocation", {"id": issued["id"]})
        assert revoked.status == 200, revoked.raw
        head = started.commit(leaver, {"a": "1\n"}, started.refs()[MAIN])
        assert not started.push(leaver, f"{head}:refs/heads/topic/one").landed
        assert leaver.get("/status").status == 200
        again = leaver.say("token.revoke", "/tokens/revocation", {"id": issued["id"]})
        assert again.status == 404
        started.admit(leaver)
        assert started.push(leaver, f"{head}:refs/heads/topic/one").landed

    def test_a_revoked_key_signs_nothing_more(self, ground: Ground, started: Repository, leaver: Member) -> None:
        started.admit(leaver)
        head = started.commit(leaver, {"a": "1\n"}, started.refs()[MAIN])
        body = {"fingerprint": leaver.key.fingerprint, "reason": "lost"}
        assert leaver.say("key.revoke", "/keys/revocation", body).status == 200
        assert started.push(leaver, f"{head}:refs/heads/topic/one").code == "signed_commits.bad_signature"
        assert leaver.say("key.revoke", "/keys/revocation", body).status == 403

    def test_the_last_owner_cannot_retire(self, ground: Ground) -> None:
        refused = ground.owner.say("principal.retire", "/principals/retirement", {"name": "owner"})
        assert (refused.status, refused.code) == (409, "principal.last_owner")
        assert ground.owner.get("/status").status == 200

    def test_a_name_is_never_given_again(self, ground: Ground, leaver: Member) -> None:
        assert ground.owner.say("principal.retire", "/principals/retirement", {"name": leaver.name}).status == 200
        assert ground.add(leaver.name, role="dev-a").code == "principal.taken"
        refused = ground.owner.say("principal.invite", "/principals/invitation", {"name": leaver.name})
        assert refused.status == 404


class TestWithGnuPG:
    """The same by the commands people type, with keys that gpg makes."""

    @pytest.fixture(scope="class")
    @classmethod
    def play(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
        folder = tmp_path_factory.mktemp("p")
        policy = loose_policy(folder / "policy")
        play = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=policy)
        try:
            play.begin()
            play.enroll("dev-a", model_family="family-one")
            play.govern("demo", play.seats)
            yield play
        finally:
            play.close()
        assert not play.mistakes, play.mistakes

    def test_a_key_is_rotated_and_the_old_one_signs_nothing_more(self, play: Playground) -> None:
        (dev,) = play.seats
        dev.write("a", "1\n")
        old = dev.commit("Signed by the first key")
        dev.twinseal("key", "rotate")
        dev.push("HEAD:refs/heads/topic/one", refused="signed_commits.bad_signature")
        fingerprint = Seat(dev.seat).need("fingerprint")
        dev.git("-C", str(dev.work), "config", "user.signingkey", fingerprint)
        dev.git("-C", str(dev.work), "commit", "-q", "--amend", "-S", "--no-edit")
        assert dev.git("-C", str(dev.work), "rev-parse", "HEAD").strip() != old
        dev.push("HEAD:refs/heads/topic/one")

    def test_nobody_can_read_what_a_seat_keeps(self, play: Playground) -> None:
        (dev,) = play.seats
        for path in (
            dev.seat,
            *dev.seat.glob("tokens/*"),
            dev.seat / "gnupg",
            dev.seat / "tokens",
            dev.seat / "seat.json",
        ):
            assert not path.stat().st_mode & 0o077, path
        for path in (*(play.folder / "state").iterdir(), *(play.folder / "data").glob("ledger*")):
            assert not path.stat().st_mode & 0o077, path


def test_nothing_is_left_over(ground: Ground) -> None:
    until(lambda: ground.ask("GET", "/healthz").status == 200, "the service answers")
    ground.assert_sound()
