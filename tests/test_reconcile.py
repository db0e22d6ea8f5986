"""Git's side of every push is told by a fake world; the ledger, its file and its state are real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, oid
from governance.reconcile import Reconciler, World
from governance.record import SERVICE, Effects, Kind
from service_world import DIGEST, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.reconcile import Line

PIN = "refs/changes/1/1"
ELSEWHERE = oid("elsewhere")


class BrokeError(Exception):
    pass


class Git:
    """A repository as the reconciler sees it. A step named in `breaks` fails, before or after it took effect."""

    def __init__(self) -> None:
        self.values = {MAIN: OLD}
        self.symbolic: dict[str, str] = {}
        self.living: set[str] = set()
        self.frozen: list[str] = []
        self.pins: list[tuple[str, str, str]] = []
        self.breaks: dict[str, str] = {}
        self.tidied: list[frozenset[str]] = []
        self.looks = 0
        self.meanwhile: Callable[[int], None] = lambda look: None

    def move(self, *lines: Line) -> None:
        for _, new, ref in lines:
            self.values[ref] = new
            if new == ZERO:
                del self.values[ref]

    def world(self) -> World:
        return World(refs=self._refs, alive=self._alive, pin=self._pin, mark_frozen=self._mark, tidy=self._tidy)

    def _step(self, name: str, act: Callable[[], None]) -> None:
        when = self.breaks.pop(name, "")
        if when == "before":
            raise BrokeError(name)
        act()
        if when == "after":
            raise BrokeError(name)

    def _refs(self, path: Path) -> dict[str, tuple[str, str]]:
        self._step("refs", lambda: None)
        found = {ref: (value, self.symbolic.get(ref, "")) for ref, value in self.values.items()}
        self.looks += 1
        self.meanwhile(self.looks)
        return found

    def _alive(self, handle: str) -> bool:
        return handle in self.living

    def _pin(self, path: Path, ref: str, value: str, handle: str) -> None:
        def make() -> None:
            self.pins.append((ref, value, handle))
            self.values[ref] = value

        self._step("pin", make)

    def _tidy(self, path: Path, held: frozenset[str]) -> None:
        self._step("tidy", lambda: self.tidied.append(held))

    def _mark(self, path: Path, why: str) -> None:
        self._step("mark", lambda: self.frozen.append(why))


class Scene(ServiceWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.git = Git()
        self.reconciler = Reconciler(self.service, self.git.world())
        self.spool = self.repository / "twinseal" / "applied"
        self.spool.parent.mkdir()

    def tell(self, handle: str, *lines: Line) -> None:
        """Add to the spool what the transaction hook saw committed."""
        with self.spool.open("a") as file:
            file.writelines(f"{handle} {' '.join(line)}\n" for line in lines)

    def drain(self) -> int:
        return self.reconciler.drain(REPOSITORY, self.repository)

    def check(self) -> list[Line]:
        return self.reconciler.check(REPOSITORY, self.repository)

    def reserved(self) -> dict[str, str]:
        return dict(self.rows("select ref, state from reservation"))

    def value(self, ref: str) -> str:
        return dict(self.rows("select ref, oid from ref_value")).get(ref, "")

    def freezes(self) -> int:
        return int(self.rows('select count(*) from "freeze" where lifted_seq is null')[0][0])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as made:
        yield made
        assert made.difference() == ""


TOPIC_LINES = ((ZERO, NEW, TOPIC), (ZERO, NEW, PIN))
LANDING = (OLD, NEW, MAIN)


def landing(scene: Scene, *, handle: str = "5-5", asked: bool = False) -> int:
    """Decide a landing on main that spends a sign-off, of a push or as the lander was asked to."""
    scene.applied(scene.open_change())
    scene.git.move(*TOPIC_LINES)
    bound = {"change": 1, "patch_set": 1, "diff_digest": DIGEST}
    data = {"verdict": "approve", "binding": bound, "expires_at": scene.now, "statement": {}}
    mia = Actor("mia", "human", "")
    (given,) = scene.append(Draft(Kind.SIGN_OFF_GIVEN, mia, REPOSITORY, "1", data))
    if asked:
        data = {"change": 1, "patch_set": 1, "head": NEW, "target": MAIN, "token": "t", "statement": {}}
        scene.append(Draft(Kind.LANDING_ASKED, mia, REPOSITORY, "1", data))
    return scene.decide(Effects(handle=handle, reserve=(LANDING,), spend=(given.seq,), landed=((MAIN, 1),)))


def spent(scene: Scene) -> bool:
    return scene.rows("select spent_seq from sign_off")[0][0] is not None


def test_what_the_spool_tells_is_recorded_once(scene: Scene) -> None:
    scene.open_change()
    scene.git.move(*TOPIC_LINES)
    scene.tell("1-1", *TOPIC_LINES)

    assert scene.drain() == 1
    assert scene.reserved() == {TOPIC: "applied", PIN: "applied"}
    assert scene.value(TOPIC) == NEW
    assert (scene.drain(), scene.check(), scene.freezes()) == (0, [], 0)


def test_a_push_that_was_killed_before_it_moved_anything_is_released_with_what_it_spent(scene: Scene) -> None:
    landing(scene)
    assert spent(scene)

    assert scene.check() == []
    assert scene.reserved()[MAIN] == "released"
    assert not spent(scene)
    assert scene.value(MAIN) == OLD
    assert scene.kinds()[-1] == "push.released"


def test_a_push_that_is_still_running_is_left_alone(scene: Scene) -> None:
    landing(scene)
    scene.git.living.add("5-5")
    entries = len(scene.kinds())

    assert scene.check() == []
    scene.git.move(LANDING)
    assert scene.check() == []
    assert scene.reserved()[MAIN] == "reserved"
    assert len(scene.kinds()) == entries
    assert scene.git.looks == 2, "what a push under way explains is not even looked at again"


def test_what_moved_without_a_word_in_the_spool_is_applied_and_stays_spent(scene: Scene) -> None:
    landing(scene)
    scene.git.move(LANDING)

    assert scene.check() == []
    assert scene.value(MAIN) == NEW
    assert spent(scene)
    assert scene.rows("select state from change") == [("landed",)]
    assert scene.freezes() == 0


def test_a_pin_that_was_promised_and_not_made_is_made_under_its_own_reservation(scene: Scene) -> None:
    scene.open_change()
    scene.git.move(TOPIC_LINES[0])

    assert scene.check() == []
    assert scene.git.pins == [(PIN, NEW, "1-1")]
    assert scene.reserved() == {TOPIC: "applied", PIN: "reserved"}
    assert scene.check() == []
    assert scene.reserved()[PIN] == "applied"
    assert len(scene.git.pins) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_pin_that_breaks_is_made_at_the_next_look(scene: Scene, when: str) -> None:
    scene.open_change()
    scene.git.move(TOPIC_LINES[0])
    scene.git.breaks["pin"] = when

    with pytest.raises(BrokeError):
        scene.check()
    assert [scene.check(), scene.check()] == [[], []]
    assert scene.reserved() == {TOPIC: "applied", PIN: "applied"}
    assert len(scene.git.pins) == 1
    assert scene.freezes() == 0


def test_a_topic_that_never_moved_leaves_neither_pin_nor_change(scene: Scene) -> None:
    scene.open_change()

    assert scene.check() == []
    assert scene.git.pins == []
    assert set(scene.reserved().values()) == {"released"}
    assert scene.rows("select state from change") == [("void",)]


def test_a_pin_made_for_a_topic_that_did_not_move_opens_no_change(scene: Scene) -> None:
    scene.open_change()
    scene.git.move(TOPIC_LINES[1])
    scene.check()

    assert scene.rows("select state from change") == [("void",)]
    assert scene.reserved() == {TOPIC: "released", PIN: "applied"}


DRIFTS = {
    "main moved": (lambda git: git.move((OLD, ELSEWHERE, MAIN)), (MAIN, OLD, ELSEWHERE)),
    "main deleted": (lambda git: git.move((OLD, ZERO, MAIN)), (MAIN, OLD, "")),
    "a ref appeared": (lambda git: git.move((ZERO, NEW, "refs/heads/x")), ("refs/heads/x", "", NEW)),
    "a pin of ours appeared": (lambda git: git.move((ZERO, NEW, PIN)), (PIN, "", NEW)),
    "main became an alias": (lambda git: git.symbolic.update({MAIN: TOPIC}), (MAIN, OLD, f"-> {TOPIC}")),
    "an alias appeared": (
        lambda git: git.values.update({"refs/heads/y": OLD}) or git.symbolic.update({"refs/heads/y": MAIN}),
        ("refs/heads/y", "", f"-> {MAIN}")),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "line"), DRIFTS.values(), ids=DRIFTS)
def test_a_ref_that_moved_behind_our_back_freezes_once_and_is_told_until_it_is_thawed(
    scene: Scene, spoil: Callable[[Git], None], line: Line
) -> None:
    assert scene.check() == []
    spoil(scene.git)

    assert scene.check() == [line]
    assert scene.freezes() == 1
    assert scene.check() == [line]
    assert scene.freezes() == 1
    assert scene.git.frozen == ["1 refs moved behind our back"] * 2
    assert scene.kinds().count("refs.drifted") == 1
    assert scene.value(MAIN) == OLD


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_freeze_marker_that_breaks_is_written_at_the_next_look(scene: Scene, when: str) -> None:
    scene.git.move((OLD, ELSEWHERE, MAIN))
    scene.git.breaks["mark"] = when

    with pytest.raises(BrokeError):
        scene.check()
    assert scene.freezes() == 1
    scene.check()
    assert scene.git.frozen
    assert scene.kinds().count("refs.drifted") == 1


def test_a_look_that_fails_concludes_nothing(scene: Scene) -> None:
    landing(scene)
    entries = len(scene.kinds())
    scene.git.breaks["refs"] = "before"

    with pytest.raises(BrokeError):
        scene.check()
    assert len(scene.kinds()) == entries
    assert scene.reserved()[MAIN] == "reserved"


def test_a_drift_that_is_gone_at_the_second_look_is_none(scene: Scene) -> None:
    scene.git.move((OLD, ELSEWHERE, MAIN))
    scene.git.meanwhile = lambda look: scene.git.move((ELSEWHERE, OLD, MAIN))

    assert scene.check() == []
    assert (scene.freezes(), scene.git.looks) == (0, 2)


def test_a_push_that_lands_while_we_look_is_no_drift(scene: Scene) -> None:
    def lands(look: int) -> None:
        if look == 1:
            seq = scene.decide(Effects(handle="6-6", reserve=(LANDING,)))
            scene.git.move(LANDING)
            scene.applied(seq)

    scene.git.meanwhile = lands
    assert scene.check() == []
    assert (scene.value(MAIN), scene.freezes(), scene.git.looks) == (NEW, 0, 1)


def test_a_push_that_is_decided_while_we_look_is_not_judged_by_what_we_saw_before(scene: Scene) -> None:
    def decided(look: int) -> None:
        if look == 1:
            scene.decide(Effects(handle="6-6", reserve=(LANDING,)))
            scene.git.move(LANDING)

    scene.git.meanwhile = decided
    assert scene.check() == []
    assert scene.reserved()[MAIN] == "reserved"
    assert scene.check() == []
    assert (scene.value(MAIN), scene.freezes()) == (NEW, 0)


def ends(scene: Scene, *lines: Line, told: bool, handle: str = "5-5") -> Callable[[int], None]:
    """Return what lets a push that is under way move its refs and end, right after they were read."""

    def end(look: int) -> None:
        if look == 1:
            scene.git.move(*lines)
            if told:
                scene.tell(handle, *lines)
            scene.git.living.discard(handle)

    return end


@pytest.mark.parametrize("told", [True, False])
def test_a_push_that_ends_while_we_look_is_neither_released_nor_a_drift(scene: Scene, told: bool) -> None:  # noqa: FBT001 - a row
    landing(scene)
    scene.git.living.add("5-5")
    scene.git.meanwhile = ends(scene, LANDING, told=told)

    assert scene.check() == []
    assert "push.released" not in scene.kinds()
    assert (spent(scene), scene.freezes(), scene.git.frozen) == (True, 0, [])
    assert scene.reserved()[MAIN] == ("applied" if told else "reserved")
    assert scene.check() == []
    assert (scene.value(MAIN), scene.reserved()[MAIN], spent(scene)) == (NEW, "applied", True)


def test_a_push_that_ends_between_two_looks_is_no_drift_beside_one(scene: Scene) -> None:
    landing(scene)
    scene.git.living.add("5-5")
    scene.git.move((ZERO, ELSEWHERE, "refs/heads/x"))
    scene.git.meanwhile = ends(scene, LANDING, told=False)

    assert scene.check() == [("refs/heads/x", "", ELSEWHERE)]
    assert [body["data"]["count"] for body in scene.bodies("kind='refs.drifted'")] == [1]
    assert "push.released" not in scene.kinds()


def test_a_drift_that_a_push_begun_since_explains_is_none(scene: Scene) -> None:
    """The first look sees main where no reservation has it; at the second one is held by a process that runs."""
    scene.git.move((OLD, ELSEWHERE, MAIN))

    def begins(look: int) -> None:
        if look == 2:
            scene.decide(Effects(handle="6-6", reserve=((OLD, ELSEWHERE, MAIN),)))
            scene.git.living.add("6-6")

    scene.git.meanwhile = begins
    assert scene.check() == []
    assert (scene.freezes(), scene.git.looks) == (0, 2)


def test_a_push_decided_after_we_looked_is_not_judged_by_an_earlier_one_of_its_name(scene: Scene) -> None:
    landing(scene)
    late = ((ZERO, NEW, "refs/heads/late"),)
    scene.git.meanwhile = lambda look: scene.decide(Effects(handle="5-5", reserve=late)) and None

    assert scene.check() == []
    assert (scene.reserved()[MAIN], scene.reserved()["refs/heads/late"]) == ("released", "reserved")


def test_a_process_that_dies_after_it_was_asked_for_is_judged_at_the_next_look(scene: Scene) -> None:
    landing(scene)
    scene.git.living.add("5-5")
    scene.git.meanwhile = lambda look: scene.git.living.clear()

    assert scene.check() == []
    assert scene.reserved()[MAIN] == "reserved"
    assert scene.check() == []
    assert (scene.reserved()[MAIN], spent(scene)) == ("released", False)


def both(scene: Scene) -> None:
    """Decide one push that lands change 1 on main and rewinds its topic with it."""
    scene.applied(scene.open_change())
    scene.git.move(*TOPIC_LINES)
    bound = {"change": 1, "patch_set": 1, "diff_digest": DIGEST}
    data = {"verdict": "approve", "binding": bound, "expires_at": scene.now, "statement": {}}
    (given,) = scene.append(Draft(Kind.SIGN_OFF_GIVEN, Actor("mia", "human", ""), REPOSITORY, "1", data))
    lines = (LANDING, (NEW, ZERO, TOPIC))
    effects = Effects(handle="5-5", reserve=lines, spend=(given.seq,), landed=((MAIN, 1),), abandoned=((TOPIC, 1),))
    scene.decide(effects)


@pytest.mark.parametrize(
    ("moved", "kept", "state"),
    [
        ([LANDING], True, "landed"),
        ([(NEW, ZERO, TOPIC)], False, "abandoned"),
        ([], False, "open"),
    ],
    ids=["main", "the topic", "neither"],
)
def test_sign_offs_stay_spent_only_where_the_protected_ref_moved(
    scene: Scene,
    moved: list[Line],
    kept: bool,  # noqa: FBT001 - a row
    state: str,
) -> None:
    both(scene)
    scene.git.move(*moved)

    assert scene.check() == []
    assert (spent(scene), scene.freezes()) == (kept, 0)
    assert scene.rows("select state from change") == [(state,)]
    assert set(scene.reserved().values()) <= {"applied", "released"}


def test_sign_offs_stay_spent_where_main_moved_at_one_look_and_the_rest_never_did(scene: Scene) -> None:
    both(scene)
    scene.git.living.add("5-5")
    scene.git.move(LANDING)
    scene.tell("5-5", LANDING)
    assert scene.check() == []
    scene.git.living.clear()

    assert scene.check() == []
    assert scene.reserved()[TOPIC] == "released"
    assert spent(scene)


def test_a_drift_of_fifteen_hundred_refs_is_recorded_and_freezes(scene: Scene) -> None:
    scene.git.move(*[(ZERO, ELSEWHERE, f"refs/heads/{number}/{'x' * 200}") for number in range(1500)])

    assert len(scene.check()) == 1500
    assert scene.freezes() == 1
    assert scene.git.frozen == ["1500 refs moved behind our back"]
    assert [body["data"]["count"] for body in scene.bodies("kind='refs.drifted'")] == [1500]


def test_a_drift_under_a_name_that_is_no_text_is_recorded_and_freezes(scene: Scene) -> None:
    scene.git.move((ZERO, ELSEWHERE, "refs/heads/r\udcffse"))

    assert scene.check() == [("refs/heads/r\udcffse", "", ELSEWHERE)]
    assert scene.freezes() == 1


def test_who_tidies_is_told_what_is_held_then_and_only_after_all_was_recorded(scene: Scene) -> None:
    assert scene.check() == []
    scene.open_change()
    scene.git.living.add("1-1")
    late = ((ZERO, NEW, "refs/heads/late"),)
    scene.git.meanwhile = lambda look: scene.decide(Effects(handle="9-9", reserve=late)) and None
    assert scene.check() == []
    scene.git.meanwhile = lambda look: None
    scene.git.living.clear()
    assert scene.check() == []

    assert scene.git.tidied == [frozenset(), frozenset({"1-1", "9-9"}), frozenset()]
    scene.git.move((OLD, ELSEWHERE, MAIN))
    scene.git.breaks["tidy"] = "before"
    with pytest.raises(BrokeError):
        scene.check()
    assert scene.freezes() == 1


def test_a_world_that_does_not_tidy_is_one_all_the_same(scene: Scene) -> None:
    git = scene.git
    plain = World(refs=git._refs, alive=git._alive, pin=git._pin, mark_frozen=git._mark)

    assert Reconciler(scene.service, plain).check(REPOSITORY, scene.repository) == []
    assert git.tidied == []


def test_a_push_that_lands_between_two_looks_does_not_excuse_another_drift(scene: Scene) -> None:
    scene.git.move((ZERO, ELSEWHERE, "refs/heads/x"))

    def lands(look: int) -> None:
        if look == 1:
            seq = scene.decide(Effects(handle="6-6", reserve=(LANDING,)))
            scene.git.move(LANDING)
            scene.applied(seq)

    scene.git.meanwhile = lands
    assert scene.check() == [("refs/heads/x", "", ELSEWHERE)]


def test_a_reserved_ref_that_went_elsewhere_is_a_drift_and_is_never_called_released(scene: Scene) -> None:
    landing(scene)
    scene.git.move((OLD, ELSEWHERE, MAIN))

    assert scene.check() == [(MAIN, OLD, ELSEWHERE)]
    assert scene.reserved()[MAIN] == "reserved"
    assert spent(scene)


SPOOLS = {
    "no spool at all": None,
    "an empty spool": b"",
    "a torn line": f"1-1 {ZERO} {NEW} {TOPIC}".encode(),
    "garbage": b"\xff\xfe\0\0\n\n   \nx y\n",
    "a line with a field too many": f"1-1 {ZERO} {NEW} {TOPIC} x\n".encode(),
    "another handle's line": f"2-2 {ZERO} {NEW} {TOPIC}\n".encode(),
    "a line that nobody reserved": f"1-1 {ZERO} {NEW} refs/heads/x\n".encode(),
    "another value than the reserved one": f"1-1 {ZERO} {ELSEWHERE} {TOPIC}\n".encode(),
}


@pytest.mark.parametrize("content", SPOOLS.values(), ids=SPOOLS)
def test_a_spool_that_tells_nothing_of_ours_records_nothing(scene: Scene, content: bytes | None) -> None:
    scene.open_change()
    if content is not None:
        scene.spool.write_bytes(content)

    assert scene.drain() == 0
    assert set(scene.reserved().values()) == {"reserved"}


def test_good_lines_between_garbage_count(scene: Scene) -> None:
    scene.open_change()
    scene.spool.write_bytes(b"\xff\n")
    scene.tell("1-1", *TOPIC_LINES)
    with scene.spool.open("ab") as file:
        file.write(b"\0\0 torn")

    assert scene.drain() == 1
    assert scene.value(TOPIC) == NEW


def test_a_line_in_two_pieces_is_read_when_it_is_whole(scene: Scene) -> None:
    scene.open_change()
    whole = f"1-1 {ZERO} {NEW} {TOPIC}\n".encode()
    scene.spool.write_bytes(whole[:50])
    assert scene.drain() == 0
    scene.spool.write_bytes(whole)
    assert scene.drain() == 1


def test_a_spool_that_was_cut_or_replaced_is_read_again_and_recorded_once(scene: Scene) -> None:
    scene.open_change()
    scene.tell("0-0", *[(OLD, NEW, f"refs/heads/{number}") for number in range(9)])
    scene.tell("1-1", *TOPIC_LINES)
    assert scene.drain() == 1

    scene.spool.unlink()
    scene.tell("1-1", *TOPIC_LINES)
    assert scene.drain() == 0
    scene.decide(Effects(handle="3-3", reserve=(LANDING,)))
    scene.tell("3-3", LANDING)
    assert scene.drain() == 1
    assert scene.value(MAIN) == NEW


def test_a_restarted_service_reads_the_spool_again_and_records_nothing_twice(scene: Scene) -> None:
    scene.open_change()
    scene.git.move(*TOPIC_LINES)
    scene.tell("1-1", *TOPIC_LINES)
    assert scene.drain() == 1

    again = Reconciler(scene.service, scene.git.world())
    assert again.drain(REPOSITORY, scene.repository) == 0
    assert again.check(REPOSITORY, scene.repository) == []


def test_a_crash_between_git_and_the_record_is_healed_by_the_next_look(scene: Scene) -> None:
    scene.open_change()
    scene.git.move(*TOPIC_LINES)

    assert scene.check() == []
    assert scene.rows("select state, patch_set from change") == [("open", 1)]


def test_where_nothing_is_enforced_a_reserved_ref_that_went_elsewhere_is_let_go_once_that_is_known(
    scene: Scene,
) -> None:
    scene.append(Draft(Kind.REPOSITORY_MODE_SET, SERVICE, REPOSITORY, REPOSITORY, {"mode": "observe", "statement": {}}))
    landing(scene)
    scene.git.living.add("5-5")
    scene.git.move((OLD, ELSEWHERE, MAIN))
    scene.check()
    assert scene.reserved()[MAIN] == "reserved"  # The twin: whoever holds it may still be at it.

    scene.git.living.clear()
    scene.check()
    assert (scene.value(MAIN), scene.reserved()[MAIN]) == (ELSEWHERE, "reserved")
    scene.check()
    assert (scene.reserved()[MAIN], spent(scene), scene.freezes()) == ("released", False, 0)


@pytest.mark.parametrize("kind", [Kind.FREEZE_LIFTED, Kind.REPOSITORY_ADOPTED])
def test_a_landing_whose_ref_an_owner_takes_over_is_not_under_way_for_ever(scene: Scene, kind: Kind) -> None:
    seq = landing(scene, asked=True)
    assert scene.rows("select state, decided_seq from landing") == [("landing", seq)]
    scene.git.move((OLD, ELSEWHERE, MAIN))
    assert scene.check()
    taken = {"refs": [[MAIN, ELSEWHERE]], "statement": {}}
    scene.append(Draft(kind, SERVICE, REPOSITORY, REPOSITORY, taken))
    if kind is Kind.REPOSITORY_ADOPTED:
        refs = [[ref, value, ""] for ref, value in scene.git.values.items()]
        scene.append(Draft(Kind.BASELINE_RECORDED, SERVICE, REPOSITORY, REPOSITORY, {"refs": refs}))

    assert scene.check() == []
    assert scene.rows("select state, decided_seq from landing") == [("queued", None)]
    assert (spent(scene), scene.reserved()[MAIN]) == (False, "released")
    before = len(scene.kinds())
    scene.check()
    assert len(scene.kinds()) == before
