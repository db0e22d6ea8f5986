"""A repository with a history is taken over by what its owner signs; later pushes are judged from there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import loose_policy
from governance.adapters import git
from governance.entrypoints import terminal
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from governance.record import CHECKPOINTS
from playing import ENVIRONMENT, MAIN, free_port, until

REASON = "imported from the old server by hand"


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("p")
    made = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=loose_policy(folder / "policy"))
    made.begin()
    made.enroll("dev-a")
    try:
        yield made
    finally:
        made.close()
    assert not made.mistakes, made.mistakes


@pytest.fixture
def dev(play: Playground) -> Seated:
    return play.seats[0]


def history(path: Path, count: int = 3, *, more: str = "") -> Path:
    """Make a bare repository whose commits nobody signed."""
    subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=ENVIRONMENT)
    commits = "".join(
        f"commit {MAIN}\ncommitter old <old@example.com> {1_600_000_000 + n} +0000\ndata 2\nx\n"
        f"M 644 inline file{n % 50}\ndata {len(str(n)) + 1}\n{n}\n"
        for n in range(count)
    )
    raw(path, "fast-import", "--quiet", text=f"{commits}{more}")
    return path


def raw(path: Path, *args: str, text: str = "") -> str:
    """Run git as somebody who goes round the hooks."""
    command = [git.program(), "-C", str(path), "-c", "core.hooksPath=/dev/null", *args]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


def admitted(play: Playground, seat: Seated, name: str) -> None:
    play.owner.twinseal("token", "issue", seat.name, "--repo", name, "--keep", str(seat.seat))
    subprocess.run(["rm", "-rf", str(seat.work)], check=True)
    seat.use(name)


def status(play: Playground, name: str) -> dict[str, object]:
    found = terminal.parsed(play.owner.quiet("status", "--json"))["repositories"]
    return next(repository for repository in found if repository["name"] == name)


def checked(play: Playground, name: str) -> dict[str, Any]:
    found: dict[str, Any] = terminal.parsed(play.owner.quiet("repo", "check", name, "--json"))
    return found


def test_what_was_there_is_exempt_and_what_comes_is_judged_from_there(play: Playground, dev: Seated) -> None:
    path = history(play.folder / "old.git", more=f"reset refs/heads/topic/side\nfrom {MAIN}\n\n")
    said = terminal.parsed(play.owner.twinseal("repo", "adopt", "old", str(path), "--yes", "--json"))
    assert (said["baseline"]["refs"], said["baseline"]["commits"], said["mode"]) == (2, 3, "enforce")
    play.owner.twinseal("repo", "check", "old")

    admitted(play, dev, "old")
    dev.git("-C", str(dev.work), "fetch", "-q", "origin")
    dev.update()
    dev.write("README", "new\n")
    dev.commit("A small change, unsigned", sign=False)
    dev.push("HEAD:refs/heads/main", refused="signed_commits.")
    dev.reset()
    dev.write("README", "new\n")
    new = dev.commit("A small change")
    assert "1 of 1 commits signed by dev-a" in dev.push("HEAD:refs/heads/main")
    assert raw(path, "rev-parse", "main").strip() == new


def test_an_import_past_the_hooks_is_signed_for_again_and_ends_its_freeze(play: Playground) -> None:
    path = history(play.folder / "import.git")
    play.owner.twinseal("repo", "adopt", "import", str(path), refused="settings.invalid")  # There is nobody to ask.
    play.owner.twinseal("repo", "adopt", "import", str(path), "--yes")
    history(path.with_name("elsewhere.git"), 20)
    raw(path, "fetch", "-q", str(path.with_name("elsewhere.git")), "+refs/heads/main:refs/heads/main")
    play.owner.quiet("repo", "check", "import")
    assert status(play, "import")["frozen"]

    play.owner.twinseal("repo", "adopt", "import", str(path), "--yes", refused="adopt.reason")
    play.owner.twinseal("repo", "adopt", "import", str(path), "--yes", "--reason", REASON)
    assert not status(play, "import")["frozen"]
    play.owner.twinseal("repo", "check", "import")
    play.owner.twinseal(
        "repo", "adopt", "import", str(play.folder / "elsewhere.git"), "--yes", refused="repository.taken"
    )


def without_a_blob(path: Path) -> None:
    blob = raw(path, "rev-parse", "main:file0").strip()
    packs = list((path / "objects/pack").glob("*.pack"))
    for pack in packs:
        held = pack.with_name("held")
        pack.rename(held)
        for beside in (path / "objects/pack").glob("pack-*"):
            beside.unlink()
        with held.open("rb") as data:
            subprocess.run([git.program(), "-C", str(path), "unpack-objects", "-q"], stdin=data, check=True)
        held.unlink()
    (path / "objects" / blob[:2] / blob[2:]).unlink()


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a symbolic ref": (lambda p: raw(p, "symbolic-ref", "refs/heads/alias", MAIN), "adopt.symref"),
    "notes": (lambda p: raw(p, "update-ref", "refs/notes/x", "main"), "adopt.other_refs"),
    "our pins": (lambda p: raw(p, "update-ref", "refs/changes/1/1", "main"), "adopt.reserved_ref"),
    "replaced objects": (lambda p: raw(p, "update-ref", f"refs/replace/{'1' * 40}", "main"), "adopt.reserved_ref"),
    "a detached head": (lambda p: raw(p, "update-ref", "--no-deref", "HEAD", "main"), "adopt.detached_head"),
    "lent objects": (lambda p: (p / "objects/info/alternates").write_text("/nowhere\n"), "adopt.borrowed"),
    "a name that is not UTF-8": (
        lambda p: (p / "packed-refs").write_bytes(raw(p, "rev-parse", "main").strip().encode() + b" refs/heads/\xff\n"),
        "adopt.name",
    ),
    "a missing blob": (without_a_blob, "facts.git"),
    "nothing": (lambda p: raw(p, "update-ref", "-d", MAIN), "adopt.empty"),
}


@pytest.mark.parametrize(("make", "code"), ODD.values(), ids=ODD)
def test_what_would_not_be_what_it_seems_is_not_adopted(
    play: Playground, make: Callable[[Path], object], code: str, tmp_path: Path
) -> None:
    path = history(tmp_path / "odd.git")
    make(path)
    play.owner.twinseal("repo", "adopt", "odd", str(path), "--yes", refused=code)
    assert not (path / "twinseal").exists()


def test_other_namespaces_are_taken_by_name(play: Playground) -> None:
    path = history(play.folder / "notes.git")
    raw(path, "update-ref", "refs/notes/x", "main")
    play.owner.twinseal("repo", "adopt", "notes", str(path), "--yes", "--also", "refs/notes/")
    play.owner.twinseal("repo", "check", "notes")


def test_observe_mode_lets_through_says_what_it_would_have_refused_and_spends_nothing(
    play: Playground, dev: Seated
) -> None:
    path = history(play.folder / "watched.git")
    play.owner.twinseal("repo", "adopt", "watched", str(path), "--yes", "--mode", "observe")
    assert "NOT ENFORCED" in play.owner.twinseal("repo", "list")
    admitted(play, dev, "watched")
    was = raw(path, "rev-parse", "main").strip()
    dev.update()
    dev.write("big", "".join(f"{n}\n" for n in range(100)))
    new = dev.commit("Unsigned, large, and alone", sign=False)

    said = dev.push("HEAD:refs/heads/main")
    assert "observed, not enforced" in said
    assert "Would have been refused (signed_commits." in said
    assert raw(path, "rev-parse", "main").strip() == new
    play.owner.twinseal("repo", "check", "watched")
    dev.push("HEAD:refs/changes/7/1", refused="ref_rules.namespace")

    raw(path, "update-ref", "refs/heads/aside", "main")
    play.owner.quiet("repo", "check", "watched")
    found = status(play, "watched")
    assert (found["mode"], found["frozen"], found["unreviewed"]) == ("observe", [], 2)
    listed = {line["ref"]: line for line in checked(play, "watched")["lapses"]}
    assert (listed[MAIN]["recorded"], listed[MAIN]["found"], listed[MAIN]["state"]) == (was, new, "observed")
    assert listed["refs/heads/aside"]["state"] == "unreviewed"

    assert "2 refs moved before" in play.owner.twinseal("repo", "add", "watched", "--mode", "enforce")
    play.owner.twinseal("repo", "add", "watched", "--mode", "enforce", refused="repository.mode_already")
    dev.write("big", "less\n")
    dev.commit("Unsigned", sign=False)
    dev.push("HEAD:refs/heads/main", refused="signed_commits.")


def test_observe_mode_lets_through_what_could_not_even_be_judged(play: Playground, dev: Seated) -> None:
    path = play.folder / "shallow.git"
    subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=ENVIRONMENT)
    play.owner.twinseal("repo", "add", "many", str(path), "--mode", "observe")
    admitted(play, dev, "many")
    dev.write("a", "a\n")
    dev.commit("Start")
    names = [f"HEAD:refs/heads/topic/{n}" for n in range(3)]
    dev.push(names[0], *names[1:])
    until(lambda: status(play, "many")["reserved"] == 0, "it is recorded as applied")


def test_hooks_that_were_off_are_a_lapse_until_somebody_thaws(play: Playground, dev: Seated) -> None:
    path = history(play.folder / "gap.git")
    play.owner.twinseal("repo", "adopt", "gap", str(path), "--yes")
    hook = path / "hooks" / "pre-receive"
    hook.chmod(0o644)
    play.owner.twinseal("repo", "check", "gap", refused="is not executable")
    assert status(play, "gap")["frozen"]
    entries = json.loads(play.owner.quiet("ledger", "tail", "-n", "9", "--json"))
    lapse = [entry for entry in entries if entry["kind"] == "continuity.lapse"][-1]
    assert lapse["data"]["since"] < lapse["data"]["until"]

    why = ("--remediation", "an upgrade of the host reset the modes", "--yes")
    play.owner.twinseal("thaw", "gap", *why, refused="thaw.hooks_off")
    play.owner.twinseal("hooks", "install", "gap")
    play.owner.twinseal("thaw", "gap", *why)
    play.owner.twinseal("repo", "check", "gap")


def test_maintenance_keeps_every_ref_and_is_refused_in_a_frozen_repository(play: Playground, dev: Seated) -> None:
    path = history(play.folder / "kept.git")
    play.owner.twinseal("repo", "adopt", "kept", str(path), "--yes")
    for n in range(20):
        raw(path, "update-ref", f"refs/heads/topic/{n}", "main")
    play.owner.twinseal("repo", "maintain", "kept", refused="frozen since entry")
    play.owner.twinseal("repo", "adopt", "kept", str(path), "--yes", "--reason", REASON)
    until((path / CHECKPOINTS).exists, "the ledger's checkpoint is shown, loose like the others")
    before = raw(path, "for-each-ref")
    assert (path / "refs/heads/topic/1").exists()

    play.owner.twinseal("repo", "maintain", str(path))
    assert not (path / "refs/heads/topic/1").exists()
    assert raw(path, "for-each-ref") == before
    assert list((path / "twinseal/reservations").iterdir()) == []
    play.owner.twinseal("repo", "check", "kept")
    refused = subprocess.run([git.program(), "-C", str(path), "update-ref", "-d", "refs/heads/topic/1"], check=False)
    assert refused.returncode != 0


def test_a_removed_repository_keeps_its_records_and_its_name(play: Playground, dev: Seated) -> None:
    path = history(play.folder / "gone.git")
    play.owner.twinseal("repo", "adopt", "gone", str(path), "--yes")
    admitted(play, dev, "gone")
    play.owner.twinseal("repo", "remove", "gone", "--reason", "moved to another service", "--yes")

    assert not (path / "twinseal").exists()
    assert not (path / "hooks/pre-receive").exists()
    dev.git("-C", str(dev.work), "commit", "-q", "--allow-empty", "-m", "x")
    dev.push("HEAD:refs/heads/topic/x", refused="fatal: ")
    play.owner.twinseal("repo", "adopt", "gone", str(path), "--yes", refused="repository.taken")
    play.owner.twinseal("repo", "check", "gone", refused="repository.removed")
    play.owner.twinseal("repo", "adopt", "gone-again", str(path), "--yes")


def test_the_state_is_what_the_ledger_says(play: Playground) -> None:
    play.owner.twinseal("ledger", "rebuild", "--check")
