"""Never fewer lines than a reviewer would have to read."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinseal_hook.counting import CAP, STEPS, Budget, Side, changed_lines, measure

FILE, LINK, SUBMODULE, ABSENT = "100644", "120000", "160000", "000000"

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "é\n", "d\r\n"]), max_size=12)


def count(old: str, new: str, *, steps: int = STEPS) -> tuple[int, int]:
    return changed_lines(old, new, budget=Budget(steps))


def longest_common(old: list[str], new: list[str]) -> int:
    """The textbook table, which shares no idea with the code under test."""
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, before in enumerate(old):
        for j, after in enumerate(new):
            table[i + 1][j + 1] = table[i][j] + 1 if before == after else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(LINES, LINES)
def test_the_count_is_that_of_a_shortest_edit(old: list[str], new: list[str]) -> None:
    lines, size = count("".join(old), "".join(new))
    assert lines == len(old) + len(new) - 2 * longest_common(old, new)
    # The bytes are those of some edit with so few lines: what is kept is a common subsequence, and weighs as much.
    total = len("".join(old + new).encode())
    assert 0 <= size <= total
    assert (total - size) % 2 == 0
    assert (size == 0) == (old == new)


@given(LINES, LINES)
def test_no_other_differ_finds_a_shorter_edit(old: list[str], new: list[str]) -> None:
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    lines, _ = count("".join(old), "".join(new))
    assert lines <= len(old) + len(new) - 2 * sum(block.size for block in blocks)


@given(LINES, LINES, st.integers(min_value=-1, max_value=30))
def test_running_out_of_steps_counts_more_and_never_less(old: list[str], new: list[str], steps: int) -> None:
    exact, rough = count("".join(old), "".join(new)), count("".join(old), "".join(new), steps=steps)
    assert rough[0] >= exact[0]
    assert rough[1] >= exact[1]
    assert rough[0] <= len(old) + len(new)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_counts_nothing_only_when_nothing_changed(old: str, new: str) -> None:
    lines, size = count(old, new)
    assert ((lines, size) == (0, 0)) == (old == new)


@pytest.mark.parametrize(
    ("old", "new", "lines", "size"),
    [
        pytest.param("", "", 0, 0, id="nothing"),
        pytest.param("", "a\nb\n", 2, 4, id="all added"),
        pytest.param("a\nb\n", "", 2, 4, id="all removed"),
        pytest.param("a\nb\nc\n", "a\nX\nc\n", 2, 4, id="one replaced"),
        pytest.param("a\nb\n", "b\na\n", 2, 4, id="reordering is a change"),
        pytest.param("a\n", "a", 2, 3, id="a lost last line end"),
        pytest.param("a\nb\n", "a\r\nb\r\n", 4, 10, id="other line ends"),
        pytest.param("x = 1 # \n", "x = 1 # \rimport evil\n", 3, 30, id="code behind a carriage return"),
        pytest.param("", "a\vb\fc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\rj\r\nk\n", 11, 28, id="every line end there is"),
        pytest.param("", "é" * 600_000, 1, 1_200_000, id="one huge line"),
        pytest.param("a\na\n", "a\na\na\n", 1, 2, id="one more of the same"),
    ],
)
def test_lines_and_bytes(old: str, new: str, lines: int, size: int) -> None:
    assert count(old, new) == (lines, size)


def swapped(pairs: int) -> tuple[str, str]:
    """Two texts of the same lines, each pair of them swapped: two edits a pair."""
    old = [f"{number}\n" for number in range(2 * pairs)]
    return "".join(old), "".join(old[number ^ 1] for number in range(2 * pairs))


def test_an_edit_up_to_the_cap_is_exact_and_one_beyond_it_counts_whole() -> None:
    assert count(*swapped(CAP // 2))[0] == CAP
    assert count(*swapped(CAP // 2 + 1))[0] == 4 * (CAP // 2 + 1)


def test_the_budget_is_shared_by_all_files_of_a_push() -> None:
    budget = Budget(1000)
    assert changed_lines(*swapped(2), budget=budget) == (4, 8)
    changed_lines(*swapped(60), budget=budget)
    assert budget.steps < 0
    assert changed_lines(*swapped(2), budget=budget) == (8, 16)


def test_lines_found_on_one_side_only_cost_no_search() -> None:
    budget = Budget(10)
    old, new = "".join(f"old {n}\n" for n in range(5000)), "".join(f"new {n}\n" for n in range(5000))
    assert changed_lines(old + "a\n", "a\n" + new, budget=budget)[0] == 10_000
    assert budget.steps >= 0


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


def side(mode: str, content: bytes | None = b"", size: int | None = None) -> Side:
    return Side(mode, len(content or b"") if size is None else size, content)


@pytest.mark.parametrize(
    ("old", "new", "same", "expected"),
    [
        pytest.param(side(ABSENT), side(FILE, b"a\n"), False, ("text", 1, 2), id="new file"),
        pytest.param(side(FILE, b"a\n"), side(ABSENT), False, ("text", 1, 2), id="deleted file"),
        pytest.param(side(FILE, b"a\n"), side("100755", b"a\n"), True, ("text", 0, 0), id="mode only"),
        pytest.param(side(FILE, b"a\n"), side(FILE, b"a\0b"), False, ("binary", 0, 5), id="a NUL"),
        pytest.param(side(FILE, b"a\0b"), side(FILE, b"a\n"), False, ("binary", 0, 5), id="binary made text"),
        pytest.param(side(ABSENT), side(FILE, "a\n".encode("utf-16")), False, ("binary", 0, 6), id="UTF-16"),
        pytest.param(side(ABSENT), side(FILE, b"caf\xe9\n"), False, ("binary", 0, 5), id="latin-1"),
        pytest.param(side(ABSENT), side(FILE, b"\xef\xbb\xbfa\n"), False, ("text", 1, 5), id="byte order mark"),
        pytest.param(side(ABSENT), side(FILE, None, 9 << 20), False, ("binary", 0, 9 << 20), id="too large to read"),
        pytest.param(side(FILE, b"a\n"), side(FILE, POINTER), False, ("lfs", 4, 66), id="became an LFS pointer"),
        pytest.param(side(FILE, b"\0"), side(FILE, POINTER), False, ("lfs", 0, 65), id="binary became LFS"),
        pytest.param(side(FILE, b""), side(FILE, b"\n " + POINTER), False, ("lfs", 4, 66), id="after blanks"),
        pytest.param(side(FILE, b""), side(FILE, b"version hawser\n"), False, ("lfs", 1, 15), id="an older name"),
        pytest.param(side(FILE, b""), side(FILE, b"a version git-lfs\n"), False, ("text", 1, 18), id="prose"),
        pytest.param(side(FILE, b"a\n"), side(FILE, b"\x1b[2Ka\n"), False, ("unseen", 2, 8), id="an escape"),
        pytest.param(side(FILE, b"a\b\n"), side(FILE, b"a\n"), False, ("unseen", 2, 5), id="a backspace went"),
        pytest.param(side(FILE, b""), side(FILE, "\u202e\n".encode()), False, ("unseen", 1, 4), id="turned round"),
        pytest.param(side(FILE, b""), side(FILE, "\u2066\n".encode()), False, ("unseen", 1, 4), id="isolated"),
        pytest.param(side(FILE, b""), side(FILE, "\x9b\n".encode()), False, ("unseen", 1, 3), id="C1"),
        pytest.param(side(FILE, b""), side(FILE, "\u200f\u2029".encode()), False, ("text", 1, 6), id="a mark"),
        pytest.param(side(FILE, b""), side(FILE, b"\ta\r\n\f"), False, ("text", 2, 5), id="white space"),
        pytest.param(side(ABSENT), side(LINK, b"/etc/passwd"), False, ("symlink", 1, 11), id="new link"),
        pytest.param(side(FILE, b"x"), side(LINK, b"x"), True, ("symlink", 2, 2), id="file made link, same object"),
        pytest.param(side(LINK, b"x"), side(FILE, b"x\n"), False, ("symlink", 2, 3), id="link made file"),
        pytest.param(side(SUBMODULE), side(SUBMODULE), False, ("submodule", 0, 0), id="submodule moved"),
        pytest.param(side(FILE, b"x\n"), side(SUBMODULE), False, ("submodule", 1, 2), id="file made submodule"),
        pytest.param(side(LINK, b"x"), side(SUBMODULE), False, ("submodule", 1, 1), id="link made submodule"),
        pytest.param(side("100666", b"x\n"), side(FILE, b"y\n"), False, ("text", 2, 4), id="odd mode before"),
    ],
)
def test_kind_and_size(old: Side, new: Side, same: bool, expected: tuple[str, int, int]) -> None:  # noqa: FBT001 - a column
    assert measure(old, new, same=same, budget=Budget()) == expected
