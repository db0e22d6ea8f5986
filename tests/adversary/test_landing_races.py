"""What happens between asking and landing, on a real repository, with the lander stopped where it matters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from audit.entry import Draft
from governance import record
from governance.adapters import git, settings
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.seat import Seat
from governance.adapters.yard import GitYard
from governance.entrypoints.house import House, opened
from governance.errors import UnavailableError
from governance.people import statements, tokens
from governance.people.tokens import Caller
from governance.record import SERVICE
from governance.review import landing
from landing_world import LandingWorld, landing_world, lines

MAIN = "refs/heads/main"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    with landing_world(tmp_path_factory.mktemp("r")) as found:
        yield found


@contextmanager
def inside(world: LandingWorld) -> Iterator[House]:
    """Stop the service and be it, so that nothing lands but when we say so."""
    world.play.stop(kill=True)
    try:
        with opened(settings.load(world.play.environment("owner"))) as house:
            yield house
    finally:
        world.play.start()


def ask(house: House, world: LandingWorld, seat: str, number: int) -> None:
    """Ask as the command does, without a server between."""
    home = Seat(world.play.folder / seat)
    with house.service.read() as tx:
        head = tx.execute("select patch_set, head from patch_set where number=? order by 1 desc", (number,)).fetchone()
        token = tx.execute(
            "select id from token where principal=? and repository='demo' and revoked_seq is null", (seat,)
        ).fetchone()[0]
    body = {"repository": "demo", "change": number, "patch_set": head[0], "head": head[1]}
    now = time.time_ns() // 1_000_000
    said = statements.compose("land", log=house.service.log, by=seat, at=now, nonce=str(now), body=body)
    with KeyHome(home.keys) as keys:
        signature = keys.sign(said, home.need("fingerprint")).decode()
    statement = statements.parse(said.decode(), signature)
    here = world.repo.stat().st_uid
    landing.ask(house.service, Caller(seat, "agent", "demo", token), statement, "demo", here=here)


def append(house: House, draft: Draft) -> None:
    house.service.ledger.run(lambda tx: tx.append(draft))


def outcomes(house: House) -> list[str]:
    return [outcome for _, outcome in house.lander.round()]


def approved(world: LandingWorld, name: str) -> int:
    world.start("dev-a")
    number = world.propose("dev-a", (f"{name}.txt", lines(60)), title=name)
    world.approve(number, "dev-b", "qa-a")
    return number


def unspent(world: LandingWorld, number: int) -> bool:
    return {given["spent"] for given in world.change(number)["sign_offs"]} == {False}


def before(monkeypatch: pytest.MonkeyPatch, step: str, deed: Callable[[], None]) -> None:
    """Let something happen once, just before a step of the lander's."""
    plain = getattr(GitYard, step)

    def wrapped(self: GitYard, *args: object) -> object:
        monkeypatch.setattr(GitYard, step, plain)
        deed()
        return plain(self, *args)

    monkeypatch.setattr(GitYard, step, wrapped)


def test_a_token_revoked_while_the_landing_is_read_ends_it(
    world: LandingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, tip = approved(world, "revoked"), world.main()
    with inside(world) as house:
        ask(house, world, "dev-b", number)
        with house.service.read() as tx:
            sql = "select id from token where principal='dev-b' and repository='demo' and revoked_seq is null"
            token = tx.execute(sql).fetchone()[0]
        gone = tokens.revoked(token, actor=SERVICE, statement={})
        before(monkeypatch, "gather", lambda: append(house, gone))
        assert outcomes(house) == ["landing.asker_revoked"]
        assert outcomes(house) == []
    assert (world.main(), unspent(world, number)) == (tip, True)
    world.play.owner.twinseal("token", "issue", "dev-b", "--repo", "demo", "--keep", str(world.play.folder / "dev-b"))
    fresh = Seat(world.play.folder / "dev-b").token("demo")
    kept = f"http://dev-b:{fresh}@{world.play.listen}\n"
    (world["dev-b"].seat / "git-credentials").write_text(kept, encoding="ascii")
    world.land("dev-a", number)  # The twin: somebody whose right stands.
    assert world.main() == world.head("dev-a")
    world.sound()


def freeze(house: House, world: LandingWorld) -> None:
    found = record.drifted([("refs/heads/ghost", "0" * 40, world.main())], repository="demo")
    house.service.ledger.run(lambda tx: tx.append(found))
    house.reconciler.mark("demo", world.repo)


def thaw(house: House, world: LandingWorld) -> None:
    data = {"freeze": 0, "remediation": "looked into", "refs": [], "unreviewed": [], "statement": {}}
    lifted = Draft(kind="freeze.lifted", actor=SERVICE, repo="demo", subject="demo", data=data)
    house.service.ledger.run(lambda tx: tx.append(lifted))
    house.reconciler.mark("demo", world.repo)


def test_a_freeze_before_the_ref_moves_holds_it_and_uses_nothing_up(
    world: LandingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, tip = approved(world, "marked"), world.main()
    with inside(world) as house:
        ask(house, world, "dev-a", number)
        before(monkeypatch, "move", lambda: freeze(house, world))
        assert outcomes(house) == ["landing.later"]
        assert world.main() == tip
        assert outcomes(house) == ["freeze.in_force"]
        assert world.main() == tip
        thaw(house, world)
        ask(house, world, "dev-a", number)
        assert outcomes(house) == ["landed"], "no sign-off was used up"
    assert world.main() == world.head("dev-a")
    assert not list((world.repo / "twinseal" / "reservations").iterdir())
    world.sound()


def test_a_branch_moved_behind_our_back_while_it_is_read_is_not_landed_on(
    world: LandingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.land("dev-a", approved(world, "earlier"))
    number, tip = approved(world, "drift"), world.main()
    older = git.run(world.repo, "rev-parse", f"{MAIN}~1").decode().strip()
    file = world.repo / "refs" / "heads" / "main"
    with inside(world) as house:
        ask(house, world, "dev-a", number)
        before(monkeypatch, "gather", lambda: file.write_text(f"{older}\n") and None)
        (outcome,) = outcomes(house)
        assert outcome != "landed"
        assert world.main() == older
        house.reconciler.check("demo", world.repo)  # It says so, and freezes.
        assert outcomes(house) in ([], ["freeze.in_force"])
        file.write_text(f"{tip}\n")
    world.play.owner.twinseal("thaw", "demo", "--remediation", "put back where it was, by hand")
    assert unspent(world, number)
    world.land("dev-a", number)  # The twin.
    assert world.main() == world.head("dev-a")
    world.sound()


def test_a_reservation_of_a_landing_under_way_is_neither_closed_nor_tidied(
    world: LandingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = approved(world, "tidy")
    with inside(world) as house:
        ask(house, world, "dev-a", number)
        before(monkeypatch, "move", lambda: house.reconciler.check("demo", world.repo) and None)
        assert outcomes(house) == ["landed"]
    world.sound()


def test_nobody_pushes_as_the_lander_with_whatever_token(world: LandingWorld) -> None:
    approved(world, "as-lander")
    world.play.owner.twinseal("token", "issue", "lander", "--repo", "demo", "--keep", str(world.play.folder / "thief"))
    token = Seat(world.play.folder / "thief").token("demo")
    url = f"http://lander:{token}@{world.play.listen}/git/demo.git"
    seat = world["dev-a"]
    with pytest.raises(UnavailableError, match=r"identity\.lander"):
        seat.git("-C", str(seat.work), "-c", "credential.helper=", "push", "-q", url, "HEAD:refs/heads/topic/thief")
    seat.push("HEAD:refs/heads/topic/not-a-thief")  # The twin.
    world.checked()


def test_without_its_key_the_lander_merges_nothing_moves_forward_and_is_given_another(world: LandingWorld) -> None:
    """The way back is the README's."""
    forward, behind = approved(world, "forward"), approved(world, "behind")
    key = next(e["data"]["key"]["fingerprint"] for e in world.entries() if e["subject"] == "lander")
    world.play.owner.twinseal("key", "revoke", key)
    world.land("dev-a", forward)
    world.land("dev-a", behind, refused="landing.no_key")
    secret = world.play.folder / "lander.secret"
    world.play.owner.twinseal("principal", "invite", "lander", "--secret-to", str(secret))
    env = world.play.environment("owner") | {"TWINSEAL_SEAT": str(world.play.folder / "data" / "lander")}
    for command in (
        ("key", "generate", "--as", "lander", "--email", "twinseal-lander@localhost"),
        ("key", "enroll", "--secret-file", str(secret)),
    ):
        run = [sys.executable, "-m", "governance", *command]
        done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    tip = world.main()
    world.land("dev-a", behind)
    assert world.parents()[0] == tip
    world.sound()
