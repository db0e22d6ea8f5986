"""Adoption, observation, removal and maintenance, used to get something past the rules; each with its honest twin."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, oid
from governance import undecided
from governance.adapters import git, histories
from governance.baseline import Baseline, Tip
from governance.errors import ConflictError, DeniedError, FactsError, GovernanceError, NotFoundError
from governance.gathered import Hello, Line
from governance.identify import Identity
from governance.record import SERVICE, Effects, Kind
from governance.review import repositories
from governance.state import read, status
from playing import ENVIRONMENT, Ground, Member, Repository, ended, lines, until
from service_world import ServiceWorld

DEV = Identity("dev-a", "agent", "http", enforced=True)
REASON = "imported by hand from the old server"
SHOWN = Baseline((Tip(MAIN, OLD, "commit", oid("tree")),), 1, MAIN)
MOVED = replace(SHOWN, tips=(Tip(MAIN, NEW, "commit", oid("tree")),))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def head(world: ServiceWorld) -> int:
    return len(world.kinds()) - 1


def adopt(
    world: ServiceWorld, found: Baseline = SHOWN, *, horizon: int | None = None, **changed: object
) -> dict[str, Any]:
    """Hand in what the owner said of SHOWN, where the service finds `found`."""
    path = str(world.repository)
    body = {"name": REPOSITORY, "path": path, "baseline": SHOWN.summary(), "reason": REASON} | changed
    said = world.said("repository.adopt", "owner", body, nonce=str(len(world.kinds())))
    seen = repositories.Seen(found, 12345, head(world) if horizon is None else horizon)
    return repositories.adopt(world.service, world.caller("owner"), said, seen=seen, identifier="r9")


def mode(world: ServiceWorld, wanted: str) -> dict[str, Any]:
    body = {"repository": REPOSITORY, "mode": wanted}
    said = world.said("repository.mode", "owner", body, nonce=str(len(world.kinds())))
    return repositories.set_mode(world.service, world.caller("owner"), said, REPOSITORY)


def remove(world: ServiceWorld) -> dict[str, Any]:
    body = {"repository": REPOSITORY, "reason": REASON}
    said = world.said("repository.remove", "owner", body, nonce=str(len(world.kinds())))
    return repositories.remove(world.service, world.caller("owner"), said, REPOSITORY)


def moving(world: ServiceWorld) -> int:
    """Let a push be under way that moves a topic."""
    line = ("0" * 40, NEW, TOPIC)
    return world.decide(Effects(handle="7-7", reserve=(line,)), line)


def drifted(world: ServiceWorld) -> None:
    data = {"refs": [[MAIN, OLD, NEW]], "count": 1, "reason": "1 refs moved behind our back: refs/heads/main"}
    world.append(Draft(Kind.REFS_DRIFTED, SERVICE, REPOSITORY, MAIN, data))


# -- a baseline that is not of what is there


def test_a_baseline_is_of_what_was_shown_where_it_was_shown(world: ServiceWorld) -> None:
    for found, changed, code in [
        (MOVED, {}, "adopt.moved"),
        (replace(SHOWN, head="refs/heads/other"), {}, "adopt.moved"),
        (SHOWN, {"path": "/srv/orchard.git"}, "repository.taken"),
        (SHOWN, {"name": "orchard"}, "repository.taken"),
    ]:
        with pytest.raises(ConflictError) as refused:
            adopt(world, found, **changed)
        assert refused.value.code == code
    assert adopt(world)["baseline"] == SHOWN.summary()
    with world.service.read() as tx:
        assert status.refs(tx, REPOSITORY) == {MAIN: OLD}


def test_a_baseline_is_handed_in_once(world: ServiceWorld) -> None:
    body = {"name": REPOSITORY, "path": str(world.repository), "baseline": SHOWN.summary(), "reason": REASON}
    said = world.said("repository.adopt", "owner", body, nonce="once")
    seen = repositories.Seen(SHOWN, 12345, head(world))
    ask = {"seen": seen, "identifier": "r9"}
    assert repositories.adopt(world.service, world.caller("owner"), said, **ask)
    again = {"seen": replace(seen, horizon=head(world)), "identifier": "r9"}
    with pytest.raises(ConflictError) as refused:
        repositories.adopt(world.service, world.caller("owner"), said, **again)
    assert refused.value.code == "statement.replayed"


def test_a_repository_that_moves_is_not_adopted_as_it_was(world: ServiceWorld) -> None:
    before = head(world)
    seq = moving(world)
    with pytest.raises(ConflictError) as refused:
        adopt(world)
    assert refused.value.code == "repository.busy"
    world.applied(seq, TOPIC)
    with pytest.raises(ConflictError) as refused:
        adopt(world, horizon=before)
    assert refused.value.code == "adopt.moved"
    assert adopt(world)


def test_a_pin_that_is_still_to_be_made_is_not_forgotten_by_a_baseline(world: ServiceWorld) -> None:
    """It would never be made; or it would, and be a ref that nobody knows."""
    seq = world.open_change()
    world.applied(seq, TOPIC)
    with pytest.raises(ConflictError) as refused:
        adopt(world)
    assert refused.value.code == "repository.busy"
    world.applied(seq, "refs/changes/1/1")
    assert adopt(world)


def test_what_is_left_reserved_in_a_frozen_repository_does_not_keep_its_owner_out(world: ServiceWorld) -> None:
    moving(world)
    drifted(world)
    assert adopt(world)
    with world.service.read() as tx:
        assert (read.freezes(tx, REPOSITORY), read.reserved(tx, REPOSITORY, TOPIC)) == ((), False)


def test_a_ref_whose_name_holds_what_text_calls_a_line_end_is_one_ref(tmp_path: Path) -> None:
    path = tmp_path / "odd.git"
    subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=ENVIRONMENT)
    commit = f"commit {MAIN}\ncommitter a <a@example.com> 1600000000 +0000\ndata 2\nx\n"
    command = [git.program(), "-C", str(path), "fast-import", "--quiet"]
    subprocess.run(command, input=commit.encode(), check=True, env=ENVIRONMENT)
    name = "refs/heads/two\u2028lines\u0085"
    subprocess.run([git.program(), "-C", str(path), "update-ref", name, "main"], check=True, env=ENVIRONMENT)
    assert [tip.ref for tip in histories.baseline(path).tips] == [MAIN, name]


def promised(path: Path, told: Path) -> None:
    """Lose the tip, and let the repository's settings say which program would bring it back."""
    for pack in list((path / "objects/pack").glob("*.pack")):
        held = pack.rename(path / "held")
        for beside in list((path / "objects/pack").iterdir()):
            beside.unlink()
        with held.open("rb") as data:
            subprocess.run([git.program(), "-C", str(path), "unpack-objects", "-q"], stdin=data, check=True)
    tip = git.refs(path)[MAIN][0]
    (path / "objects" / tip[:2] / tip[2:]).unlink()
    settings = {
        "core.repositoryformatversion": "1", "extensions.partialclone": "far", "remote.far.promisor": "true",
        "remote.far.url": f"ext::touch {told}", "protocol.ext.allow": "always",
    }  # fmt: skip
    git.set_config(path, settings)


def test_a_repository_s_own_settings_start_no_program_of_ours(tmp_path: Path) -> None:
    path, told = tmp_path / "far.git", tmp_path / "told"
    subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=ENVIRONMENT)
    commit = f"commit {MAIN}\ncommitter a <a@example.com> 1600000000 +0000\ndata 2\nx\nM 644 inline f\ndata 2\nx\n"
    command = [git.program(), "-C", str(path), "fast-import", "--quiet"]
    subprocess.run(command, input=commit.encode(), check=True, env=ENVIRONMENT)
    promised(path, told)

    assert "promised by a remote" in histories.baseline(path).borrowed[0]
    with pytest.raises(git.GitError):
        git.run(path, "cat-file", "-p", "main")
    assert not told.exists()
    subprocess.run([git.program(), "-C", str(path), "cat-file", "-p", "main"], check=False, env=ENVIRONMENT)
    assert told.exists()


# -- observation, to get something in before the rules hold


def test_the_rules_do_not_begin_while_something_let_through_may_still_move(world: ServiceWorld) -> None:
    mode(world, "observe")
    hello = a_hello()
    answer = undecided.undecidable(world.service, hello, DEV, REPOSITORY, DeniedError("?", code="identity.none"))
    assert (answer.code, answer.reserve) == (0, ((OLD, NEW, MAIN),))
    seq = head(world)
    with pytest.raises(ConflictError) as refused:
        mode(world, "enforce")
    assert refused.value.code == "repository.busy"

    data = {"decision": seq, "moved": [[OLD, NEW, MAIN]], "opens": [], "landed": [], "abandoned": []}
    world.append(Draft(Kind.PUSH_APPLIED, SERVICE, REPOSITORY, str(seq), data | {"let_through": True}))
    assert mode(world, "enforce")["unreviewed"] == 1
    with world.service.read() as tx:
        (line,) = status.lapses(tx, REPOSITORY)
    assert (line["ref"], line["recorded"], line["found"], line["state"]) == (MAIN, OLD, NEW, "observed")


def test_what_was_let_through_is_told_from_where_it_began_and_not_when_it_is_back(world: ServiceWorld) -> None:
    mode(world, "observe")
    told = []
    for old, new in ((OLD, NEW), (NEW, oid("x")), (oid("x"), OLD)):
        seq = world.decide(Effects(handle="7-7"), (old, new, MAIN), allowed=False)
        data = {"decision": seq, "moved": [[old, new, MAIN]], "opens": [], "landed": [], "abandoned": []}
        world.append(Draft(Kind.PUSH_APPLIED, SERVICE, REPOSITORY, str(seq), data | {"let_through": True}))
        with world.service.read() as tx:
            told.append([(line["recorded"], line["found"]) for line in status.lapses(tx, REPOSITORY)])
    assert told == [[(OLD, NEW)], [(OLD, oid("x"))], []]


def a_hello(*more: Line) -> Hello:
    return Hello("r1", "", (Line(OLD, NEW, MAIN), *more), (), 77, 88)


STILL: list[tuple[str, GovernanceError, tuple[Line, ...]]] = [
    ("a right that ended on the way", DeniedError("x", code="identity.revoked"), ()),
    ("a session of another repository", DeniedError("x", code="identity.session"), ()),
    ("a pin of ours", FactsError("x"), (Line(OLD, NEW, "refs/changes/1/1"),)),
    ("replaced objects", FactsError("x"), (Line(OLD, NEW, f"refs/replace/{OLD}"),)),
    ("more than one entry holds", FactsError("x"), tuple(Line(OLD, NEW, f"refs/x/{n}{'x' * 230}") for n in range(200))),
]


@pytest.mark.parametrize(("error", "more"), [row[1:] for row in STILL], ids=[row[0] for row in STILL])
def test_what_stays_refused_under_observation(
    world: ServiceWorld, error: GovernanceError, more: tuple[Line, ...]
) -> None:
    mode(world, "observe")
    answer = undecided.undecidable(world.service, a_hello(*more), DEV, REPOSITORY, error)
    assert answer.code != 0
    assert answer.reserve == ()
    assert world.kinds()[-1] == "request.refused"

    twin = undecided.undecidable(world.service, a_hello(), DEV, REPOSITORY, FactsError("x"))
    assert (twin.code, world.kinds()[-1]) == (0, "push.decided")


@pytest.mark.parametrize("end", ["enforced", "removed", "held"])
def test_nothing_undecided_passes_where_rules_hold(world: ServiceWorld, end: str) -> None:
    if end != "enforced":
        mode(world, "observe")
    if end == "removed":
        remove(world)
    if end == "held":
        world.decide(Effects(handle="8-8", reserve=((OLD, NEW, MAIN),)), (OLD, NEW, MAIN))
    answer = undecided.undecidable(world.service, a_hello(), DEV, REPOSITORY, FactsError("x"))
    assert (answer.code, answer.reserve) == (3, ())


# -- removal, and a name that means something else afterwards


def test_a_name_that_was_used_is_not_used_again_and_a_folder_may_be(world: ServiceWorld) -> None:
    remove(world)
    for act in (lambda: adopt(world), lambda: adopt(world, path="/srv/other.git")):
        with pytest.raises(ConflictError, match="not used again") as refused:
            act()
        assert refused.value.code == "repository.taken"
    with pytest.raises(NotFoundError):
        mode(world, "observe")
    assert adopt(world, name="orchard")["name"] == "orchard"


def test_nothing_is_let_go_while_it_moves(world: ServiceWorld) -> None:
    seq = moving(world)
    with pytest.raises(ConflictError) as refused:
        remove(world)
    assert refused.value.code == "repository.busy"
    world.applied(seq, TOPIC)
    assert remove(world)["host"] == "front"


def test_a_push_to_a_repository_whose_mode_changes_meanwhile_is_not_judged_by_the_old_one(
    started: Repository, ground: Ground, dev: Member, tmp_path: Path
) -> None:
    """It began where nothing is enforced, and large and alone as it is would be let through there."""
    first = started.refs()[MAIN]
    large = started.commit(dev, {"large": lines(60)}, first)
    path = f"/repositories/{started.name}/mode"
    for wanted in ("observe", "enforce"):
        if wanted == "enforce":
            gathers, go_on = started.waiting_hook(tmp_path)
            push = started.start_push(dev, f"{large}:{MAIN}")
            until(gathers.exists, "the hook gathers")
        said = {"repository": started.name, "mode": wanted}
        assert ground.owner.say("repository.mode", path, said).status == 200
    go_on.touch()
    pushed = ended(push)
    started.honest_hook()
    assert (pushed.code, started.refs()[MAIN]) == ("repository.mode_moved", first)

    said = {"repository": started.name, "mode": "observe"}
    assert ground.owner.say("repository.mode", path, said).status == 200
    assert "Would have been refused (four_eyes." in started.push(dev, f"{large}:{MAIN}").said
    assert started.refs()[MAIN] == large


# -- maintenance


def test_maintenance_beside_pushes_loses_nothing_and_freezes_nothing(
    started: Repository, ground: Ground, dev: Member
) -> None:
    tip = started.refs()[MAIN]
    heads = [started.commit(dev, {f"f{n}": f"{n}\n"}, tip) for n in range(6)]
    pushes = [started.start_push(dev, f"{head}:refs/heads/topic/{n}") for n, head in enumerate(heads)]
    for _ in range(3):
        ground.twinseal("repo", "maintain", str(started.path))  # It may be refused: then it has moved nothing.
    for push in pushes:
        push.communicate()
    until(lambda: not started.reserved(), "nothing is under way")
    assert {f"refs/heads/topic/{n}": head for n, head in enumerate(heads)}.items() <= started.refs().items()
    assert ground.twinseal("repo", "maintain", str(started.path)).returncode == 0
    assert not started.frozen()
    kinds = [entry["kind"] for entry in ground.entries(started.name)]
    assert "refs.drifted" not in kinds


def test_a_reservation_of_maintenance_lets_nobody_move_a_ref_elsewhere(started: Repository, dev: Member) -> None:
    tip = started.refs()[MAIN]
    other = started.commit(dev, {"a": "a\n"}, tip)
    assert started.push(dev, f"{other}:refs/heads/topic/x").landed
    left = started.path / "twinseal/reservations/m-1-1"
    left.write_text(f"{'0' * 40} {tip} {MAIN}\n{tip} {'0' * 40} {MAIN}\n")
    command = [git.program(), "-C", str(started.path), "update-ref", MAIN, other, tip]
    env = {**ENVIRONMENT, "TWINSEAL_RESERVATION": "m-1-1"}
    assert subprocess.run(command, env=env, check=False, capture_output=True).returncode != 0
    assert started.refs()[MAIN] == tip
