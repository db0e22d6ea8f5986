"""Two changes that git merges without a word and that must not land on the sign-offs they had, each with its twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governance.adapters import git
from landing_world import LandingWorld, landing_world, lines

MISSING = "four_eyes.missing_sign_offs"
TEXT = lines(60)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    with landing_world(tmp_path_factory.mktemp("c")) as found:
        keep = str(found.play.folder / "owner")
        found.play.owner.twinseal("token", "issue", "owner", "--repo", "demo", "--keep", keep)
        number = found.propose(
            "dev-a",
            *((f"old/{each}.txt", lines(20, each * 100)) for each in range(4)),
            ("run.sh", lines(9)),
            ("notes.log", lines(9)),
            ("alone.txt", lines(9)),
            ("bad\udcff\x1b[2J.txt", lines(9)),
            title="What the attacks start from",
        )
        found.approve(number, "dev-b", "qa-a")
        found.land("dev-a", number)
        # What git only does where the repository says so: else it calls both a conflict, and nothing lands either.
        git.run(found.repo, "config", "merge.directoryRenames", "true")
        (found.repo / "info").mkdir(exist_ok=True)
        (found.repo / "info" / "attributes").write_text("*.log merge=union\n")
        yield found


class Side:
    """One of the two sides of a merge: what it does to its clone."""

    def __init__(self, world: LandingWorld, seat: str) -> None:
        self.world, self.seat = world, world[seat]
        self.work = Path(self.seat.work)

    def git(self, *args: str) -> None:
        self.seat.git("-C", str(self.work), *args)

    def write(self, name: str, text: str = TEXT) -> None:
        self.seat.write(name, text)

    def end(self, name: str, text: str) -> None:
        self.write(name, (self.work / name).read_text() + text)


def no_letters(ours: Side, theirs: Side) -> None:
    """A path that is no text, so that the refusal cannot be written down."""
    ours.end("bad\udcff\x1b[2J.txt", TEXT)
    theirs.write("bad\udcff\x1b[2J.txt", "top\n" + lines(9))


def renamed_folder(ours: Side, theirs: Side) -> None:
    """Git moves what is approved in old/ into new/, where nobody has seen it."""
    ours.write("old/approved.txt")
    theirs.git("mv", "old", "new")


def renamed_folder_of_ours(ours: Side, theirs: Side) -> None:
    """What the target gained in a folder is carried off by our rename of it."""
    ours.git("mv", "new", "newer")
    theirs.write("new/gained.txt", lines(3))


def mode_and_content(ours: Side, theirs: Side) -> None:
    """Git merges an executable bit with text that nobody meant to be run."""
    ours.end("run.sh", TEXT)
    (theirs.work / "run.sh").chmod(0o755)
    theirs.git("add", "run.sh")


def union(ours: Side, theirs: Side) -> None:
    """The repository's attributes let git take both sides of one file."""
    ours.end("notes.log", "ours\n" + TEXT)
    theirs.end("notes.log", "theirs\n")


def another_case(ours: Side, theirs: Side) -> None:
    """One file on many a checkout, two in git."""
    ours.write("Name.txt")
    theirs.write("name.txt", lines(2))


def file_and_folder(ours: Side, theirs: Side) -> None:
    """A file and a folder that are one on many a checkout."""
    ours.write("LIB")
    theirs.write("lib/x.txt", lines(2))


def link_and_folder(ours: Side, theirs: Side) -> None:
    """A folder here is a link there, in another case: what is written below goes where the link points."""
    ours.write("Hooks2/run.txt")
    (theirs.work / "hooks2").symlink_to("src")
    theirs.git("add", "hooks2")


def submodule_and_path(ours: Side, theirs: Side) -> None:
    """A submodule where the other side has a file."""
    ours.write("Module")
    head = theirs.seat.git("-C", str(theirs.work), "rev-parse", "HEAD").strip()
    theirs.git("update-index", "--add", "--cacheinfo", f"160000,{head},module")


ATTACKS = [
    (no_letters, "changed bad"),
    (renamed_folder, "would do something else"),
    (renamed_folder_of_ours, "would do something else"),
    (mode_and_content, "changed run.sh too"),
    (union, "changed notes.log too"),
    (another_case, "changed Name.txt too"),
    (file_and_folder, "changed LIB too"),
    (link_and_folder, "changed Hooks2/run.txt too"),
    (submodule_and_path, "changed Module too"),
]


@pytest.mark.parametrize(("attack", "why"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_what_merges_without_a_conflict_does_not_land_on_old_sign_offs(
    world: LandingWorld, attack: Callable[[Side, Side], None], why: str
) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    name = attack.__name__
    attack(Side(world, "dev-a"), Side(world, "dev-b"))
    mine = world.propose("dev-a", (f"{name}-mine.txt", lines(51)), title=name)
    theirs = world.propose("dev-b", title=f"against {name}")
    world.approve(mine, "dev-b", "qa-a")
    if world.change(theirs)["about"]["reasons"]:
        world.approve(theirs, "dev-a", "qa-a")
    world.land("dev-b", theirs)
    tip = world.main()
    world.land("dev-a", mine, refused=MISSING)
    decision = world.change(mine)["landing"]
    assert why in decision["message"], decision
    assert (world.main(), world.change(mine)["state"]) == (tip, "open")
    assert {given["spent"] for given in world.change(mine)["sign_offs"]} == {False}


def test_what_touches_nothing_of_the_other_side_lands_as_it_was_signed_off(world: LandingWorld) -> None:
    """The twin of all of them: a change in the same folders, to other paths."""
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    mine = world.propose("dev-a", ("new/mine.txt", TEXT), ("alone.txt", lines(8)))
    theirs = world.propose("dev-b", ("new/theirs.txt", TEXT), ("run.sh", lines(8)))
    world.approve(mine, "dev-b", "qa-a")
    world.approve(theirs, "dev-a", "qa-a")
    world.land("dev-b", theirs)
    tip, head = world.main(), world.head("dev-a")
    world.land("dev-a", mine)
    assert world.parents() == [tip, head]
    world.sound()


def test_what_a_tree_says_of_merging_moves_nothing_without_new_sign_offs(world: LandingWorld) -> None:
    """Attributes pushed in the tree: git reads none in a bare repository, and the paths would meet if it did."""
    (world.repo / "info" / "attributes").unlink(missing_ok=True)
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    Side(world, "dev-a").end("notes.log", f"ours in the tree\n{TEXT}")
    Side(world, "dev-b").end("notes.log", "theirs in the tree\n")
    mine = world.propose("dev-a", ("tree.txt", TEXT), title="mine")
    theirs = world.propose("dev-b", (".gitattributes", "*.log merge=union\n"), title="theirs")
    world.approve(mine, "dev-b", "qa-a")
    world.approve(theirs, "dev-a", "qa-a", "owner")  # Attributes are high-risk.
    world.land("dev-b", theirs)
    tip = world.main()
    world.land("dev-a", mine, refused="notes.log")  # By conflict or by paths in common, as git's version has it.
    assert (world.main(), world.change(mine)["state"]) == (tip, "open")
