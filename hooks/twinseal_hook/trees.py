"""Raw trees: their entries, what differs between two, and what in them would deceive a reader."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Entry = tuple[str, str]
    """Mode as git prints it in six digits, and object name."""

DIRECTORY = "040000"
LINK = "120000"
SUBMODULE = "160000"
ABSENT = ("000000", "")

_MODES = {b"100644": "100644", b"100755": "100755", b"120000": "120000", b"160000": "160000", b"40000": DIRECTORY}
# What HFS+ ignores in a name, so that it finds ``.git`` where other systems do not (git's utf8.c, next_hfs_char).
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])


class Tree:
    """The entries of one tree, in order; ``keys`` are the names as git sorts them."""

    __slots__ = ("entries", "keys", "known")

    def __init__(self, raw: bytes, width: int) -> None:
        """Split a raw tree whose object names are ``width`` bytes long.

        Raises:
            ValueError: It is cut off or no tree.
        """
        self.entries: list[bytes] = []
        self.keys: list[bytes] = []
        start, end = 0, len(raw)
        while start < end:
            space = raw.index(b" ", start)
            nul = raw.index(b"\0", space)
            name = raw[space + 1 : nul]
            self.keys.append(name + b"/" if raw[start:space].lstrip(b"0") == b"40000" else name)
            self.entries.append(raw[start : nul + 1 + width])
            start = nul + 1 + width
        if start > end:
            raise ValueError("the last entry is cut off")
        self.known = frozenset(self.entries)


class Difference:
    """What differs between two trees, one level deep.

    ``leaves`` are (name, old, new, trusted); an untrusted one stands in a way that readers take differently.
    ``subtrees`` are (name, old name or "", new name or ""). ``problems`` are (code, name), of the new tree alone.
    ``twins`` are names that are new here and that some file system takes for another name of the new tree.
    """

    __slots__ = ("leaves", "problems", "subtrees", "twins")

    def __init__(self, old: Tree, new: Tree) -> None:
        self.leaves: list[tuple[str, Entry, Entry, bool]] = []
        self.subtrees: list[tuple[str, str, str]] = []
        self.problems = list(_order_problems(new))
        twice = {name for code, name in self.problems if code == "duplicate_entry"}
        before = _by_name(old, new)
        after = _by_name(new, old)
        self.twins = _twins(new, after.keys() - before.keys())
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name, []), after.get(name, [])
            problems = [(code, name) for raw_mode, _ in now for code in _entry_problems(raw_mode, name)]
            self.problems += problems
            olds, news = [_entry(*each) for each in was], [_entry(*each) for each in now]
            self._pair(name, olds[:1] or [ABSENT], news[:1] or [ABSENT], trusted=not problems and name not in twice)
            for extra in olds[1:]:
                self._pair(name, [extra], [ABSENT], trusted=False)
            for extra in news[1:]:
                self._pair(name, [ABSENT], [extra], trusted=False)

    def _pair(self, name: str, old: "list[Entry]", new: "list[Entry]", *, trusted: bool) -> None:
        (old_mode, old_oid), (new_mode, new_oid) = old[0], new[0]
        if DIRECTORY in {old_mode, new_mode}:
            self.subtrees.append((name, _if(old_mode, old_oid), _if(new_mode, new_oid)))
            old, new = [_unless(each) for each in old], [_unless(each) for each in new]
        if old[0] != new[0]:
            self.leaves.append((name, old[0], new[0], trusted))


def _twins(tree: Tree, added: "set[str]") -> "set[str]":
    """Return those of the added names that differ from another only in case or in the form of their letters."""
    if not added:
        return added
    joined = b"\0".join([key.removesuffix(b"/") for key in tree.keys])
    if joined.isascii() and len(set(joined.lower().split(b"\0"))) == len(tree.keys):
        return set()
    seen: dict[str, int] = {}
    for name in joined.split(b"\0"):
        seen[_folded(name)] = seen.get(_folded(name), 0) + 1
    return {name for name in added if seen.get(_folded(name.encode("latin-1")), 0) > 1}


def _folded(name: bytes) -> str:
    if name.isascii():
        return name.decode().lower()
    from unicodedata import normalize

    text = name.decode("utf-8", "replace").translate(_IGNORED)
    return normalize("NFC", normalize("NFKC", text).casefold())


def _if(mode: str, oid: str) -> str:
    return oid if mode == DIRECTORY else ""


def _unless(entry: "Entry") -> "Entry":
    return ABSENT if entry[0] == DIRECTORY else entry


def _by_name(tree: Tree, other: Tree) -> dict[str, list[tuple[bytes, str]]]:
    """Return raw mode and object name of the entries only this tree has, under their names."""
    found: dict[str, list[tuple[bytes, str]]] = {}
    for entry in [each for each in tree.entries if each not in other.known]:
        mode, _, rest = entry.partition(b" ")
        name, _, oid = rest.partition(b"\0")
        found.setdefault(name.decode("latin-1"), []).append((mode, oid.hex()))
    return found


def _entry(mode: bytes, oid: str) -> "Entry":
    return _MODES.get(mode.lstrip(b"0")) or mode.decode("latin-1").zfill(len(DIRECTORY)), oid


def _order_problems(tree: Tree) -> "Iterator[tuple[str, str]]":
    """Tell what a reader of the first match, of the last, and a binary search would see differently."""
    names = [key.removesuffix(b"/") for key in tree.keys]
    if len(set(names)) < len(names):
        seen: set[bytes] = set()
        twice: set[bytes] = set()
        for name in names:
            (twice if name in seen else seen).add(name)
        yield from [("duplicate_entry", name.decode("latin-1")) for name in sorted(twice)]
    if tree.keys != sorted(tree.keys):
        unsorted = [after for before, after in zip(tree.keys, tree.keys[1:], strict=False) if before > after]
        yield from [("unsorted", key.removesuffix(b"/").decode("latin-1")) for key in unsorted]


def _entry_problems(mode: bytes, name: str) -> "Iterator[str]":
    if mode.startswith(b"0"):
        yield "padded_mode"
    if mode.lstrip(b"0") not in _MODES:
        yield "unknown_mode"
    if not name:
        yield "empty_name"
    elif name in {".", ".."}:
        yield "dot_name"
    elif _is_dot_git(name):
        yield "dot_git"
    if "/" in name:
        yield "slash_in_name"


def _is_dot_git(name: str) -> bool:
    """Tell whether some file system takes this for ``.git``: ignoring case, NTFS short names and streams, HFS+."""
    if name.isascii() and "git" not in name.lower():
        return False
    text = name.encode("latin-1").decode("utf-8", "replace").translate(_IGNORED).casefold()
    parts = [part.partition(":")[0].rstrip(". ") for part in text.split("\\")]
    return ".git" in parts or "git~1" in parts
