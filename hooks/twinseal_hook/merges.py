"""What git would have made of a merge by itself: what a merge commit adds to that was made by hand."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .processes import Child, Git

_AT_ONCE = 4
_CLEAN, _CONFLICTS = 0, 1


class Scratch:
    """An object directory for trees that belong to no push; it sees all the others and leaves nothing behind."""

    __slots__ = ("_path", "environment")

    def __init__(self, git: "Git") -> None:
        """Make it inside the quarantine, which git removes should we be killed, or beside other temporary files.

        Left inside a quarantine it would be taken into the repository: ``remove`` must be called before saying yes.
        """
        inherited = git.environment
        objects = inherited.get(b"GIT_OBJECT_DIRECTORY", inherited[b"GIT_DIR"] + b"/objects")
        above = inherited.get(b"GIT_QUARANTINE_PATH", posix.environ.get(b"TMPDIR", b"/tmp"))
        self._path = b"%b/twinseal-%d" % (above, posix.getpid())
        posix.mkdir(self._path, 0o700)
        alternates = [_quoted(objects), inherited.get(b"GIT_ALTERNATE_OBJECT_DIRECTORIES", b"")]
        self.environment = {
            b"GIT_OBJECT_DIRECTORY": self._path,
            b"GIT_ALTERNATE_OBJECT_DIRECTORIES": b":".join([each for each in alternates if each]),
        }

    def remove(self) -> None:
        """Delete it with all it holds."""
        _remove(self._path)


def merged_trees(
    git: "Git", scratch: Scratch, merges: "Sequence[tuple[str, str]]"
) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return the tree git makes of each two parents, and whether without a conflict; none for what it will not merge.

    Conflict markers stand in the tree of a merge with conflicts. Unrelated histories are not merged. Merge drivers and
    attributes of the repository's own configuration apply.
    """
    trees: dict[tuple[str, str], tuple[str, bool]] = {}
    running: list[tuple[tuple[str, str], Child]] = []
    waiting = list(dict.fromkeys(merges))
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            parents = waiting.pop(0)
            running.append((parents, git.start("merge-tree", "--write-tree", *parents, extra=scratch.environment)))
        parents, child = running.pop(0)
        code, output = child.finish()
        if code in {_CLEAN, _CONFLICTS}:
            trees[parents] = output.partition(b"\n")[0].decode("ascii"), code == _CLEAN
    return trees


def _quoted(path: bytes) -> bytes:
    """Quote a directory as GIT_ALTERNATE_OBJECT_DIRECTORIES wants it (git(1)) where a colon would end it."""
    if b":" not in path and not path.startswith(b'"'):
        return path
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _remove(path: bytes) -> None:
    for entry in list(posix.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        else:
            posix.unlink(entry.path)
    posix.rmdir(path)
