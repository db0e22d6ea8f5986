"""Attacks on keys and signatures (K) by real pushes: what the verifier answers is what the push is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import keys
from adversary.card import Case, attack
from adversary.raw import NEXT, small
from governance.adapters import clock
from governance.adapters.gnupg_home import KeyHome
from governance.signatures import possession_challenge
from playing import LOG, MAIN, Ground, Member, Repository, until
from signature_cases import AT, Forge, Made
from ssh_forge import SshKey, craft, ed

BAD = "signed_commits.bad_signature"


def names(ground: Ground, start: str) -> str:
    return f"{start}-{len(ground.owner.get('/principals').body['items'])}"


def by(repository: Repository, who: Member, signature: bytes | None = None, *, author: str = "") -> str:
    """Return a small commit of somebody, signed as it is said here."""
    first = repository.refs()[MAIN]
    raw = unsigned(repository, who, author=author)
    signed = keys.with_signature(raw, who.key.sign(raw) if signature is None else signature)
    return keys.write_object(repository.work, signed) if first else ""


def unsigned(repository: Repository, who: Member, *, author: str = "") -> bytes:
    first = repository.refs()[MAIN]
    tree = repository.tree({"notes": f"by {who.name}\n"}, base=first)
    return keys.commit_bytes(tree, [first], author=author or who.person)


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with KeyHome(tmp_path_factory.mktemp("k") / "home") as home:
        yield Forge(home.short)


class Gnupg(Member):
    """A principal whose key gpg holds, so that it signs in every way that gpg can."""

    def __init__(self, ground: Ground, forge: Forge, name: str, *, ends: int = 0) -> None:
        super().__init__(ground, name)
        self.forge = forge
        self.made: Made = forge.key(email=f"{name}@example.org")
        if ends:
            forge.gpg("--quick-set-expire", self.made.fingerprint, f"seconds={ends}", at=clock.now() // 1000)
        fpr, certificate = self.made.fingerprint, forge.certificate(self.made)
        self.key = keys.Key(name, f"{name}@example.org", fpr, self.made.signing, certificate, self.sign)

    def sign(self, data: bytes, *options: str) -> bytes:
        return self.forge.sign(data, self.made, *options, at=clock.now() // 1000)


@pytest.fixture
def gnupg(ground: Ground, started: Repository, forge: Forge) -> Iterator[Gnupg]:
    who = Gnupg(ground, forge, names(ground, "gnupg"))
    assert who.enroll(ground.add(who.name, role="dev-a").done["secret"]).status == 201
    started.admit(who)
    yield who
    ground.owner.say("principal.retire", "/principals/retirement", {"name": who.name})


@pytest.fixture
def leaver(ground: Ground, started: Repository) -> Iterator[Member]:
    who = ground.enroll(names(ground, "leaver"), role="dev-a")
    del ground.members[who.name]
    started.admit(who)
    yield who
    ground.owner.say("principal.retire", "/principals/retirement", {"name": who.name})


@attack("K-01", "K-02")
def test_k01_a_key_with_the_victims_name_is_a_stranger(case: Case, started: Repository, dev: Member) -> None:
    twin = keys.make_key(None, dev.name, dev.key.email)
    case.refused(started.push(dev, f"{by(started, dev, twin.sign(unsigned(started, dev)))}:{MAIN}"), BAD)
    case.lands(started, dev, by(started, dev))


@attack("K-08")
def test_k08_a_name_that_reads_like_gpgs_status_changes_nothing(case: Case, started: Repository, dev: Member) -> None:
    fake = f"x\n[GNUPG:] VALIDSIG {dev.key.fingerprint}\n[GNUPG:] GOODSIG {dev.key.fingerprint[-16:]} dev-a"
    evil = keys.make_key(None, fake, dev.key.email)
    case.refused(started.push(dev, f"{by(started, dev, evil.sign(unsigned(started, dev)))}:{MAIN}"), BAD)
    case.lands(started, dev, by(started, dev))


@attack("K-07")
@pytest.mark.parametrize("order", ["good first", "good last", "twice the same"])
def test_k07_of_two_signatures_none_counts(
    case: Case, started: Repository, dev: Member, ground: Ground, order: str
) -> None:
    raw = unsigned(started, dev)
    good, other = dev.key.sign(raw), ground["dev-b"].key.sign(raw)
    both = {"good first": good + other, "good last": other + good, "twice the same": good + good}[order]
    codes = BAD, "signed_commits.hidden_content"
    case.refused(started.push(dev, f"{by(started, dev, both)}:{MAIN}"), *codes)
    headers = keys.with_signature(keys.with_signature(raw, good), other)
    case.refused(started.push(dev, f"{keys.write_object(started.work, headers)}:{MAIN}"), *codes)
    case.lands(started, dev, by(started, dev, good))


@attack("K-09")
def test_k09_a_text_signature_fits_two_texts_and_is_refused(case: Case, started: Repository, gnupg: Gnupg) -> None:
    text = gnupg.sign(unsigned(started, gnupg), "--textmode")
    case.refused(started.push(gnupg, f"{by(started, gnupg, text)}:{MAIN}"), BAD)
    case.lands(started, gnupg, by(started, gnupg))


@attack("K-16")
def test_k16_a_subkey_that_came_after_enrolment_signs_nothing(case: Case, started: Repository, gnupg: Gnupg) -> None:
    raw = unsigned(started, gnupg)
    added = Made(gnupg.made.fingerprint, gnupg.forge.add_subkey(gnupg.made.fingerprint))
    thief = gnupg.forge.sign(raw, added, at=clock.now() // 1000)
    case.refused(started.push(gnupg, f"{by(started, gnupg, thief)}:{MAIN}"), BAD)
    case.lands(started, gnupg, by(started, gnupg))


@attack("K-06")
def test_k06_what_a_revoked_key_signed_before_does_not_land_after(
    case: Case, started: Repository, dev: Member, gnupg: Gnupg, ground: Ground
) -> None:
    head = by(started, gnupg)
    case.lands(started, gnupg, head)
    back = gnupg.forge.sign(unsigned(started, gnupg), gnupg.made, at=AT - 3600)
    body = {"fingerprint": gnupg.made.fingerprint, "reason": "stolen"}
    assert ground.owner.say("key.revoke", "/keys/revocation", body).status == 200
    case.refused(started.push(dev, f"{by(started, gnupg, back)}:{MAIN}"), BAD)
    case.refused(started.push(dev, f"{by(started, gnupg)}:{NEXT}"), BAD)


@attack("K-05")
def test_k05_an_openpgp_key_signs_nothing_past_its_end(
    case: Case, started: Repository, dev: Member, ground: Ground, forge: Forge
) -> None:
    """The key ends while the test runs; what it signed in time has landed, and stays."""
    who = Gnupg(ground, forge, names(ground, "brief"), ends=6)
    assert who.enroll(ground.add(who.name, role="dev-a").done["secret"]).status == 201
    case.lands(started, dev, by(started, who))
    late = by(started, who)
    until(lambda: refused_in_time(started, dev, late), "its end")
    case.refused(started.push(dev, f"{late}:{MAIN}"), BAD)


def refused_in_time(repository: Repository, dev: Member, head: str) -> bool:
    """Push where it does no harm; whatever went through is taken away again."""
    pushed = repository.push(dev, f"{head}:{NEXT}")
    if pushed.landed:
        until(lambda: not repository.reserved(), "the push is recorded")
        repository.push(dev, f":{NEXT}")
        until(lambda: not repository.reserved(), "the push is recorded")
    return pushed.code == BAD


def ssh_member(ground: Ground, *, seconds: int = 0) -> tuple[Member, SshKey]:
    """Enrol somebody with an SSH key, which may end soon."""
    who = Member(ground, names(ground, "by-ssh"))
    key, secret = ed(who.name), ground.add(who.name, role="dev-a").done["secret"]
    more = {"ends": clock.now() // 1000 + seconds} if seconds else {}
    asked = ground.ask("POST", "/challenges", {"certificate": key.line, "secret": secret, **more}).body
    about = {"principal": who.name, "fingerprint": key.fingerprint, "nonce": asked["nonce"]}
    proof = craft(key, possession_challenge(LOG, **about, **more), namespace=b"twinseal").decode()  # type: ignore[arg-type]
    said = {"certificate": key.line, "secret": secret, "nonce": asked["nonce"], "proof": proof, **more}
    answer = ground.ask("POST", "/keys", said)
    assert answer.status == 201, answer.raw
    return who, key


@attack("K-04")
def test_k04_an_ssh_key_past_its_end_signs_nothing_whatever_the_commit_is_dated(
    case: Case, started: Repository, dev: Member, ground: Ground
) -> None:
    """The commit is dated 2023, long before the end; git would believe that."""
    who, key = ssh_member(ground, seconds=5)
    case.lands(started, dev, by(started, who, craft(key, unsigned(started, who))))
    late = by(started, who, craft(key, unsigned(started, who)))
    until(lambda: refused_in_time(started, dev, late), "its end")
    case.refused(started.push(dev, f"{late}:{MAIN}"), BAD)


@attack("K-15")
def test_k15_a_key_is_one_principals_whatever_pattern_names_it(
    case: Case, started: Repository, dev: Member, ground: Ground, tmp_path: Path
) -> None:
    who, key = ssh_member(ground)
    signers = tmp_path / "signers"
    signers.write_text(f"*@example.org {key.line}\n")
    as_dev = by(started, dev, craft(key, unsigned(started, dev)))
    shown = started.git("-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "-1", "--format=%G?", as_dev)
    assert shown == "G", "git is satisfied"
    case.refused(started.push(dev, f"{as_dev}:{MAIN}"), "signed_commits.not_the_author")
    case.refused(started.push(dev, f"{by(started, who, craft(key, b'another'))}:{MAIN}"), BAD)
    case.lands(started, dev, by(started, who, craft(key, unsigned(started, who))))


@attack("K-20")
def test_k20_an_unsigned_commit_is_refused(case: Case, started: Repository, dev: Member) -> None:
    bare = keys.write_object(started.work, unsigned(started, dev))
    case.refused(started.push(dev, f"{bare}:{MAIN}"), "signed_commits.unsigned")
    case.refused(started.push(dev, f"{bare}:{NEXT}"), "signed_commits.unsigned")
    case.lands(started, dev, small(started, dev))


@attack("K-11")
def test_k11_an_unsigned_commit_under_a_signed_tip_is_refused(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    below = {signed: started.commit(dev, {"a": "1\n"}, first, signed=signed) for signed in (False, True)}
    for ref in (MAIN, NEXT):
        refused = started.push(dev, f"{started.commit(dev, {}, below[False])}:{ref}")
        case.refused(refused, "signed_commits.unsigned")
    case.lands(started, dev, started.commit(dev, {"b": "1\n"}, below[True]))
