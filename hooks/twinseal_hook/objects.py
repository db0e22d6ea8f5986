"""Reading git objects through one ``cat-file --batch``, many questions under way at once."""

import posix

from . import Refused, Undecided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .processes import Child

    Found = tuple[str, int, bytes | None]
    """Type (or "missing"), size, and the content unless it is larger than UNREAD."""

UNREAD = 2 << 20
"""Bytes above which an object's content is skipped; many short lines take fifty times their size to compare."""

RAW = 256 << 10
"""Bytes of one commit or tag; what people write is a hundredth of that, and all of it goes to the service."""

RAW_TOTAL = 16 << 20
"""Bytes of all commits and tags of a push."""

TOTAL = 1 << 30
"""Bytes of objects a push may make us read; past it, the push is an import."""

_IN_FLIGHT = 400  # Requests: 26 KB with SHA-256 names, half of what a pipe holds.
_PIECE = 1 << 16


class Objects:
    """Serves objects by name, in the order asked.

    It does not hash them again: whatever was pushed got its name from git on arrival, by its content.
    """

    __slots__ = ("_child", "_raw", "_read", "_unsent")

    def __init__(self, child: "Child") -> None:
        self._child = child
        self._raw = 0
        self._read = 0
        self._unsent = b""
        # With both pipes full, a blocking write and git's own would wait for each other for ever.
        posix.set_blocking(child.stdin, False)

    def replace(self, child: "Child") -> None:
        """Read from this cat-file from now on, keeping count."""
        posix.set_blocking(child.stdin, False)
        self._child = child

    def contents(self, names: "Sequence[str]") -> "Iterator[Found]":
        """Yield what each name stands for. To be read to its end before the next call.

        Raises:
            Undecided: Cat-file ended or answered something else.
            Refused: TOTAL is used up.
        """
        asked = 0
        for answered, name in enumerate(names):
            if asked - answered <= _IN_FLIGHT // 2 and asked < len(names):
                group = names[asked : answered + _IN_FLIGHT]
                self._unsent += "".join([f"{each}\n" for each in group]).encode("ascii")
                asked += len(group)
            if self._unsent:
                self._send()
            yield self._answer(name)

    def expect(self, names: "Sequence[str]", kind: str) -> "Iterator[bytes]":
        """Yield the content of objects that must be there, of this type and of a size fit for reading.

        Raises:
            Undecided: One is missing or of another type.
            Refused: One is too large.
        """
        raw = kind in {"commit", "tag"}
        limit = RAW if raw else UNREAD
        for name, (found, size, content) in zip(names, self.contents(names), strict=True):
            if found != kind:
                raise Undecided(f"object {name} cannot be read: expected a {kind}, got {found}")
            if content is None or size > limit:
                raise too_large(f"a {kind} of {size:,} bytes ({name})", f"{limit:,}")
            self._raw += size if raw else 0
            if self._raw > RAW_TOTAL:
                raise too_large(f"commits of more than {RAW_TOTAL:,} bytes together", f"{RAW_TOTAL:,}")
            yield content

    def _send(self) -> None:
        # When the pipe is full, what it holds is still to be answered; the rest is sent before the next reading.
        # Were the very next answer's request unsent, everything before it would be answered and the pipe empty.
        try:
            sent = posix.write(self._child.stdin, self._unsent)
        except BlockingIOError:
            return
        except BrokenPipeError as error:
            raise Undecided("git cat-file ended before it had served every object") from error
        self._unsent = self._unsent[sent:]

    def _answer(self, name: str) -> "Found":
        line = self._child.stdout.readline(256)
        words = line.decode("latin-1").split(" ")
        if words[0] == name and words[1:] == ["missing\n"]:
            return "missing", 0, None
        if len(words) != 3 or words[0] != name or not line.endswith(b"\n"):  # noqa: PLR2004 - name, type, size
            raise Undecided(f"object {name} cannot be read: git cat-file answered {line!r}")
        size = int(words[2])
        self._read += size
        if self._read > TOTAL:
            raise too_large("objects of more than 1 GiB", "1 GiB")
        if size > UNREAD:
            self._skip(size)
            content = None
        else:
            content = self._child.stdout.read(size)
        if self._child.stdout.read(1) != b"\n":
            raise Undecided(f"object {name} cannot be read: git cat-file stopped in the middle")
        return words[1], size, content

    def _skip(self, size: int) -> None:
        while size > 0:
            piece = self._child.stdout.read(min(size, _PIECE))
            if not piece:
                return
            size -= len(piece)


def too_large(what: str, limit: str) -> Refused:
    """Return the refusal of a push that is an import."""
    return Refused(
        "push.too_large",
        f"this push holds {what}; the limit is {limit}",
        "push it in smaller parts, or ask the owner of the repository to import it",
    )


def commit_links(name: str, raw: bytes) -> tuple[str, list[str]]:
    """Return a commit's tree and parents as the object itself gives them, whatever grafts or caches say.

    Raises:
        Undecided: The commit does not begin as one.
    """
    lines = raw.partition(b"\n\n")[0].decode("latin-1").split("\n")
    parents = []
    for line in lines[1:]:
        if not line.startswith("parent "):
            break
        parents.append(line[7:])
    if not lines[0].startswith("tree ") or any(len(link) != len(name) for link in (lines[0][5:], *parents)):
        raise Undecided(f"commit {name} cannot be read: expected tree and parents first, got {lines[0][:60]!r}")
    return lines[0][5:], parents


def tag_target(name: str, raw: bytes) -> tuple[str, str]:
    """Return the name and the type of what a tag object points to.

    Raises:
        Undecided: The tag does not begin as one.
    """
    lines = raw.decode("latin-1").split("\n", 2)
    if len(lines) < 3 or not (lines[0].startswith("object ") and lines[1].startswith("type ")):  # noqa: PLR2004 - object, type, rest
        raise Undecided(f"tag {name} cannot be read: expected object and type first, got {lines[0][:60]!r}")
    return lines[0][7:], lines[1][5:]
