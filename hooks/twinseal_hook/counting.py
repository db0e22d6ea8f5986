"""How much differs between two blobs: lines and bytes that a reviewer would have to read.

The count may be more than the shortest edit, never less: a limit on size must not be slipped under.
"""

from .trees import LINK, SUBMODULE

CAP = 400
"""Edits in one file after which looking for the shortest script ends and the file counts whole."""

STEPS = 2_000_000
"""Inner steps for all files of a push together, about half a second."""

# What git-lfs takes for a pointer: its own name or an older one on a first line, after any blanks, in a small file.
_POINTERS = (b"git-lfs", b"hawser", b"git-media")
_POINTER_SIZE = 1 << 10

# Controls but tab, line feed, form feed and return: a terminal obeys them. Then what turns the writing round
# (CVE-2021-42574), and the second set of controls, both as UTF-8 has them.
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\f\r"})
_UNSEEN = [chr(each).encode() for each in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0x80, 0xA0))]
_BEGINNINGS = {each[:-1] for each in _UNSEEN}
_KINDS = {LINK: "symlink", SUBMODULE: "submodule"}
_HARDEST_FIRST = ("submodule", "symlink", "lfs", "binary", "unseen", "text")


class Budget:
    """The steps a push has left."""

    __slots__ = ("steps",)

    def __init__(self, steps: int = STEPS) -> None:
        self.steps = steps


class Side:
    """One blob as it stands in a tree: the mode, and its content. No content and a size: too large to be read."""

    __slots__ = ("content", "mode", "size", "text")

    def __init__(self, mode: str, size: int, content: bytes | None) -> None:
        self.mode = mode
        self.size = size
        self.content = content
        self.text = None if content is None else as_text(content)

    @property
    def kind(self) -> str:
        """What a reader is up against here, judged by mode first and by content second."""
        if self.mode in _KINDS:
            return _KINDS[self.mode]
        if self.content is None or self.text is None:
            return "binary"
        if self.size < _POINTER_SIZE and _is_pointer(self.content):
            return "lfs"
        return "unseen" if unseen(self.content) else "text"


def unseen(text: bytes) -> bool:
    """Tell whether something in this is not shown, or reorders what is. A few passes at the speed of memory."""
    if len(text.translate(None, _CONTROLS)) < len(text):
        return True
    return any(each in text for each in _BEGINNINGS) and any(each in text for each in _UNSEEN)


def _is_pointer(content: bytes) -> bool:
    first = content.lstrip().partition(b"\n")[0]
    return first.startswith(b"version ") and any(name in first for name in _POINTERS)


def as_text(content: bytes) -> str | None:
    """Return the text if this is UTF-8 without NUL; everything else counts as binary."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def measure(old: Side, new: Side, *, same: bool, budget: Budget) -> tuple[str, int, int]:
    """Return kind, lines and bytes of a change; ``same`` says that both sides are one object.

    The kind is that of the side harder to review. Binary content has no lines and counts with all its bytes on both
    sides. What changes its nature (a file becoming a link) counts whole, even when the object stays.
    """
    kinds = {old.kind, new.kind}
    kind = next(each for each in _HARDEST_FIRST if each in kinds)
    still = _KINDS.get(old.mode) == _KINDS.get(new.mode)
    if same and still:
        return kind, 0, 0
    if old.text is None or new.text is None:
        return kind, 0, old.size + new.size
    if still:
        return kind, *changed_lines(old.text, new.text, budget=budget)
    return kind, len(old.text.splitlines()) + len(new.text.splitlines()), old.size + new.size


def changed_lines(old: str, new: str, *, budget: Budget) -> tuple[int, int]:
    """Return how many lines were removed and added, and how many bytes those lines hold.

    The lines are those of ``str.splitlines``: whatever any reader might break a line at, breaks one here. An edit
    beyond CAP or the budget counts every line between the common beginning and the common end.
    """
    before, after = _middles(old.splitlines(keepends=True), new.splitlines(keepends=True))
    lines = len(before) + len(after)
    size = sum([len(line.encode()) for line in before]) + sum([len(line.encode()) for line in after])
    # A line that only one side has cannot be kept; without those, the search is over what may have moved.
    shared = set(before) & set(after)
    numbers = {line: number for number, line in enumerate(shared)}
    weights = [len(line.encode()) for line in numbers]
    kept = _kept(
        [numbers[line] for line in before if line in shared],
        [numbers[line] for line in after if line in shared],
        weights=weights,
        budget=budget,
    )
    return lines - 2 * kept[0], size - 2 * kept[1]


def _middles(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Return both without their common beginning and then their common end."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return before[head : len(before) - tail], after[head : len(after) - tail]


def _kept(before: list[int], after: list[int], *, weights: list[int], budget: Budget) -> tuple[int, int]:
    """Return lines and bytes that a shortest edit keeps; nothing when finding it would take too long.

    Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), figure 2: ``reach[k]`` is how far into ``before``
    a path of that many edits gets on diagonal k. Beside it goes what the path has kept, so no path is walked back.
    """
    width, height = len(before), len(after)
    if not (before and after):
        return 0, 0
    reach, kept = {1: 0}, {1: (0, 0)}
    for edits in range(min(CAP, width + height) + 1):
        for k in range(-edits, edits + 1, 2):
            if k == -edits or (k != edits and reach[k - 1] < reach[k + 1]):
                x, (lines, size) = reach[k + 1], kept[k + 1]
            else:
                x, (lines, size) = reach[k - 1] + 1, kept[k - 1]
            y = x - k
            while x < width and y < height and before[x] == after[y]:
                lines += 1
                size += weights[before[x]]
                x += 1
                y += 1
                budget.steps -= 1
            reach[k], kept[k] = x, (lines, size)
            if x >= width and y >= height:
                return lines, size
        budget.steps -= edits + 1
        if budget.steps < 0:
            return 0, 0
    return 0, 0
