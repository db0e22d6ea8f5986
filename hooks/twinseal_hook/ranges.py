"""Which commits a ref update brings, and where they leave what is there already."""

from . import Undecided
from .objects import RAW, commit_links, tag_target, too_large
from .processes import COMMITS, WALK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .objects import Objects
    from .processes import Child, Git

_PEELED = 8  # Tags of tags are refused anyway; this many are looked through to say so.


class History:
    """The commits read so far: their raw objects, trees and parents."""

    __slots__ = ("objects", "parents", "raw", "trees")

    def __init__(self, objects: "Objects") -> None:
        self.objects = objects
        self.raw: dict[str, bytes] = {}
        self.trees: dict[str, str] = {}
        self.parents: dict[str, list[str]] = {}

    def read(self, names: "Iterable[str]") -> None:
        """Read those of the named commits that are not here yet."""
        missing = [name for name in dict.fromkeys(names) if name not in self.raw]
        for name, raw in zip(missing, self.objects.expect(missing, "commit"), strict=True):
            self.raw[name] = raw
            self.trees[name], self.parents[name] = commit_links(name, raw)


class Tip:
    """What a ref is to point to: its type, the tag in the way if there is one, and the commit at the end or ""."""

    __slots__ = ("commit", "kind", "tag", "target", "target_kind")

    def __init__(self, objects: "Objects", name: str) -> None:
        """Look through tags to the commit."""
        self.tag = self.target = self.target_kind = ""
        ((kind, _, content),) = objects.contents([name])
        self.kind = kind
        for _ in range(_PEELED):
            if kind != "tag":
                break
            if content is None or len(content) > RAW:
                raise too_large(f"a tag larger than any message ({name})", f"{RAW:,}")
            name, target_kind = tag_target(name, content)
            if not self.tag:
                self.tag, self.target, self.target_kind = content.decode("latin-1"), name, target_kind
            ((kind, _, content),) = objects.contents([name])
        self.commit = name if kind == "commit" else ""


class Range:
    """The commits from one tip back to what is left out, and the merge bases of the two."""

    __slots__ = ("bases", "commits", "fast_forward", "outside", "tip")

    def __init__(self, git: "Git", history: History, *, tip: str, exclude: str, walk: "Child | None") -> None:
        """List and read the range, by a walk that is waiting to be told or by a new one."""
        self.tip = tip
        walk = walk or git.start(*WALK)
        walk.feed(f"{tip}\n^{exclude}\n".encode() if exclude else f"{tip}\n".encode())
        self.commits = walk.output().decode("ascii").split()
        if len(history.raw.keys() | set(self.commits)) > COMMITS:
            raise too_large(f"more than {COMMITS:,} commits", f"{COMMITS:,}")
        history.read(self.commits)
        inside = set(self.commits)
        # Whatever a commit of the range has for a parent outside it, the excluded side has too.
        self.outside = {parent for name in self.commits for parent in history.parents[name]} - inside
        self.fast_forward = exclude in self.outside or tip == exclude
        self.bases = self._merge_bases(git, exclude)

    def _merge_bases(self, git: "Git", exclude: str) -> list[str]:
        """Return the best common ancestors; every one is the tip or among the parents outside."""
        if not self.commits:
            return [self.tip]
        if self.fast_forward:
            return [exclude]
        if not exclude and self.outside:
            raise Undecided(f"the history of {self.tip} cannot be read: parents are missing from the walk")
        if len(self.outside) <= 1:
            return list(self.outside)
        return git.start("merge-base", "--all", exclude, self.tip).output().decode("ascii").split()


def real_values(listing: bytes, refs: "Sequence[str]", *, zeros: str) -> dict[str, list[str]]:
    """Return per ref its value or zeros, and what it is a symbolic ref to or "".

    ``listing`` is for-each-ref's in VALUES; its patterns also match what lies below a name, which is left out here.
    """
    found = {ref: [zeros, ""] for ref in refs}
    for line in listing.decode("latin-1").split("\n"):  # Not splitlines: half an umlaut can look like a line end.
        name, ref, target = [*line.split(" "), "", ""][:3]
        if ref in found:
            found[ref] = [name, target]
    return found
