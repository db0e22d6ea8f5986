"""Attacks on what counts as a change (P): what looks small and is not, and what is not seen."""

from __future__ import annotations

import pytest

from adversary.card import Case, attack
from adversary.raw import BOGUS, NEXT, small
from playing import MAIN, Files, Member, Repository, lines

POINTER = "oid sha256:" + "0" * 64 + "\nsize 4\n"
LATEST = "version https://git-lfs.github.com/spec/v1\n"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"src/\u00e9/auth.py": "1\n"}, id="not ASCII", marks=attack("P-01")),
        pytest.param({"a\tb/auth.py": "1\n"}, id="a tab", marks=attack("P-01")),
        pytest.param({"ok.md\nsrc/auth.py": "1\n"}, id="a line feed", marks=attack("P-01")),
        pytest.param({"ok.md\r": "1\n"}, id="a return", marks=attack("P-21")),
        pytest.param({"\x1b[2K\x1b[1Gok.md": "1\n"}, id="a path with escapes", marks=attack("P-21")),
        pytest.param({"a\u202etxt.exe": "1\n"}, id="a path turned round", marks=attack("P-21")),
        pytest.param({"\x1b[8m/ok.md": "1\n"}, id="a folder with escapes", marks=attack("P-21")),
        pytest.param({"ok.py": "a = 1  # \u202e 2 = a \u2069\n"}, id="text turned round", marks=attack("P-21")),
        pytest.param({"ok.sh": "ok # \x1b[1A\x1b[2K\n"}, id="text with escapes", marks=attack("P-21")),
        pytest.param({"ok.sh": "rm x\b\b\b\bls  \n"}, id="text with backspaces", marks=attack("P-21")),
        pytest.param({"ok.sh": "ok \u009b2K\n"}, id="text with C1 controls", marks=attack("P-21")),
        pytest.param({"data": b"text\n\0" + b"x\n" * 3}, id="a NUL", marks=attack("P-05")),
        pytest.param({"script.ps1": lines(3).encode("utf-16")}, id="UTF-16", marks=attack("P-05")),
        pytest.param({"latin": b"caf\xe9\n"}, id="Latin-1", marks=attack("P-05")),
        pytest.param({"one": "x" * 1_200_000}, id="one line", marks=attack("P-07")),
        pytest.param({"one": "x\r" * 51}, id="lines by CR", marks=attack("P-07")),
        pytest.param({"one": "x\u2028" * 51}, id="lines by LS", marks=attack("P-07")),
        pytest.param({"one": " " * 5000 + "evil()\n"}, id="far to the right", marks=attack("P-07")),
        pytest.param({"README": ("100755", "first\n")}, id="chmod", marks=attack("P-09")),
        pytest.param({"run": ("100755", "1\n")}, id="a new executable", marks=attack("P-09")),
        pytest.param({"README": ("120000", "/etc/passwd")}, id="a file becomes a link", marks=attack("P-10")),
        pytest.param({"l": ("120000", "../../x")}, id="a link", marks=attack("P-10")),
        pytest.param({"a/.gitignore": ("120000", "x")}, id="ignored by link", marks=attack("X-27")),
        pytest.param({"a/.gitattributes": ("120000", "x")}, id="attributes by link", marks=attack("X-27")),
        pytest.param({"vendor": ("160000", BOGUS)}, id="a submodule", marks=attack("P-11")),
        pytest.param({".gitmodules": '[submodule "x"]\n'}, id="modules", marks=attack("P-11", "P-22")),
        pytest.param({"big": LATEST + POINTER}, id="a pointer", marks=attack("P-12")),
        pytest.param(
            {"big": LATEST.replace("git-lfs", "hawser") + POINTER}, id="a pointer before release", marks=attack("P-12")
        ),
        pytest.param({"big": "version http://git-media.io/v/2\n" + POINTER}, id="an old one", marks=attack("P-12")),
        pytest.param({"big": "\n" + LATEST + POINTER}, id="a pointer after a blank", marks=attack("P-12")),
        pytest.param({".gitattributes": "*.py -diff\n"}, id="attributes", marks=attack("P-06", "P-22")),
        pytest.param({"a/b/.gitattributes": "* binary\n"}, id="attributes below", marks=attack("P-06")),
        pytest.param({"a/CODEOWNERS": "* @me\n"}, id="owners", marks=attack("P-22")),
        pytest.param({".GITHUB/workflows/ci.yml": "on: push\n"}, id="CI in capitals", marks=attack("P-22")),
        pytest.param({".gitlab-ci.yml": "x: 1\n"}, id="CI", marks=attack("P-22")),
        pytest.param({".mailmap": "dev-b <dev-a@example.org>\n"}, id="mailmap", marks=attack("P-22")),
        pytest.param({"hooks/pre-commit": "x\n"}, id="hooks", marks=attack("P-22")),
        pytest.param({"package-lock.json": "{}\n"}, id="a lock", marks=attack("P-20")),
        pytest.param({"x.min.js": lines(51)}, id="generated", marks=attack("P-20")),
        pytest.param({"x.snap": lines(51)}, id="a snapshot", marks=attack("P-20")),
        pytest.param({"policies/policy.yaml": "version: 2\n"}, id="the policy", marks=attack("A-09")),
        pytest.param({"readme": "1\n"}, id="another case", marks=attack("X-20")),
        pytest.param({"readme/x": "1\n"}, id="a folder in another case", marks=attack("X-20")),
        pytest.param({"\u212a": "1\n", "k": "2\n"}, id="a Kelvin sign", marks=attack("X-20")),
        pytest.param({"\u00e9": "1\n", "e\u0301": "2\n"}, id="two forms of one letter", marks=attack("X-20")),
        pytest.param({"x\u200c": "1\n", "x": "2\n"}, id="a letter that is ignored", marks=attack("X-20")),
        pytest.param({"fifty": lines(51)}, id="51 lines", marks=attack("P-19")),
        pytest.param({f"f{n}": "1\n" for n in range(4)}, id="4 files", marks=attack("P-19")),
        pytest.param({f"f{n}": "1\n" for n in range(1500)}, id="1,500 files", marks=attack("P-04")),
    ],
)
def test_what_looks_small_and_is_not_needs_two(case: Case, started: Repository, dev: Member, files: Files) -> None:
    first = started.refs()[MAIN]
    refused = started.push(dev, f"{started.commit(dev, files, first)}:{MAIN}")
    case.refused(refused, "four_eyes.no_change")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))


@pytest.mark.parametrize(
    "files",
    [
        {"fifty": lines(50)},
        {f"f{n}": "1\n" for n in range(3)},
        {"tabs": "\tif x:\r\n\f"},
        {"caf\u00e9": "na\u00efve \u05e9\u05dc\u05d5\u05dd \u200f\n"},
        {"about": "git-lfs reads a version line\n"},
        {"READ": "1\n", "ME": "1\n"},
    ],
)
def test_what_is_small_and_plain_needs_nobody(started: Repository, dev: Member, files: Files) -> None:
    assert started.push(dev, f"{started.commit(dev, files, started.refs()[MAIN])}:{MAIN}").landed


@attack("P-19")
def test_p19_replaced_lines_count_on_both_sides(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    old = started.commit(dev, {"a": lines(26)}, first)
    case.lands(started, dev, old)
    new = started.commit(dev, {"a": lines(26, word="other")}, old)
    case.refused(started.push(dev, f"{new}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {"a": lines(25) + "other\n"}, old))


@attack("P-04")
def test_p04_many_renames_count_as_many_files(case: Case, started: Repository, dev: Member) -> None:
    """Beyond any rename limit: whatever git would make of it, each path went and came."""
    first = started.refs()[MAIN]
    old = started.commit(dev, {f"d/{n}": f"{n}\n" * 3 for n in range(450)}, first)
    started.land(dev, old, "dev-b", "qa-a")
    new = started.commit(dev, {}, old, tree=started.git("mktree", text=moved(started, old)))
    case.refused(started.push(dev, f"{new}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {"d/1": None}, old))


def moved(repository: Repository, commit: str) -> bytes:
    """Return the root of a commit with its folder d called e."""
    return repository.git("ls-tree", commit).replace("\td", "\te").encode() + b"\n"


@attack("P-18")
def test_p18_an_approved_hunk_is_not_approved_elsewhere(case: Case, started: Repository, dev: Member) -> None:
    """The same patch-id: the hunk lands in another function that looks alike around it."""
    first = started.refs()[MAIN]
    block = "def {0}():\n    a\n    b\n    c\n    d\n    e\n    f\n"
    text = block.format("one") + block.format("two")
    old = started.commit(dev, {"f.py": text}, first)
    case.lands(started, dev, old)
    hunk = "    c\n" + lines(60, word="    x")
    shown = started.commit(dev, {"f.py": text.replace("    c\n", hunk, 1)}, old)
    elsewhere = started.commit(dev, {"f.py": hunk.join(text.rsplit("    c\n", 1))}, old)
    ids = {
        started.git("patch-id", text=(started.git("diff", old, each) + "\n").encode())[:40]
        for each in (shown, elsewhere)
    }
    assert len(ids) == 1, "git takes the two for one patch"
    started.approve(started.open(dev, shown), "dev-b", "qa-a")
    case.refused(started.push(dev, f"{elsewhere}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, shown)


@attack("P-02", "P-03")
def test_p02_p03_a_rename_counts_as_what_goes_and_what_comes(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    body = lines(30)
    old = started.commit(dev, {"examples/backdoor.py": body}, first)
    case.lands(started, dev, old)
    renamed = started.commit(dev, {"examples/backdoor.py": None, "src/plugin.py": body}, old)
    case.refused(started.push(dev, f"{renamed}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {"src/plugin.py": body}, old))


@attack("P-13")
def test_p13_what_a_merge_itself_adds_is_counted(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    ours, theirs = started.commit(dev, {"a": "1\n"}, first), started.commit(dev, {"b": "1\n"}, first)
    evil = started.commit(dev, {"b": "1\n", "evil": lines(200)}, ours, theirs)
    honest = started.commit(dev, {"b": "1\n"}, ours, theirs)
    case.refused(started.push(dev, f"{evil}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, honest)


@attack("P-15")
def test_p15_added_and_taken_back_within_one_push_still_counts(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    added = started.commit(dev, {"secrets/key.pem": lines(2)}, first)
    back = started.commit(dev, {"secrets/key.pem": None}, added)
    case.refused(started.push(dev, f"{back}:{MAIN}"), "four_eyes.no_change")
    padded = started.commit(dev, {"pad": None}, started.commit(dev, {"pad": lines(60)}, first))
    case.refused(started.push(dev, f"{padded}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, small(started, dev))


@attack("G-24")
def test_g24_a_merge_that_drops_what_has_landed_is_counted(case: Case, started: Repository, dev: Member) -> None:
    """Three dots show what the side did since it left; two dots show that it takes back 60 lines of the target."""
    first = started.refs()[MAIN]
    landed = started.commit(dev, {"good": lines(60)}, first)
    started.land(dev, landed, "dev-b", "qa-a")
    side = started.commit(dev, {"notes": "1\n"}, first)
    drops = started.commit(dev, {}, landed, side, tree=started.tree({}, base=side))
    turned = started.commit(dev, {}, side, landed, tree=started.tree({}, base=side))
    for evil in (drops, turned):
        case.refused(started.push(dev, f"{evil}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {"notes": "1\n"}, landed, side))


@attack("P-21")
def test_p21_paths_reach_no_terminal_raw(case: Case, started: Repository, dev: Member) -> None:
    first = started.refs()[MAIN]
    files = {f"\x1b]0;owned\x07{n}\u202egnp.auth.py": "1\n" for n in range(2)}
    nasty = started.commit(dev, files, first)
    pushed = started.push(dev, f"{nasty}:{NEXT}")
    assert "Change 2" in pushed.said
    refused = started.push(dev, f"{nasty}:{MAIN}")
    case.refused(refused, "four_eyes.missing_sign_offs")
    for said in (pushed.said, refused.said):
        assert not set(said) & set("\x1b\x07\x9b\u202e"), said
    case.lands(started, dev, small(started, dev))


@attack("X-12")
@pytest.mark.parametrize("parents", [3, 120])
def test_x12_an_octopus_is_measured_by_nobody_and_needs_two(
    case: Case, started: Repository, dev: Member, parents: int
) -> None:
    first = started.refs()[MAIN]
    sides = [started.commit(dev, {}, first, message=f"side {n}\n") for n in range(parents)]
    octopus = started.commit(dev, {"evil": "1\n"}, *sides)
    case.refused(started.push(dev, f"{octopus}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {}, sides[0], sides[1]))
