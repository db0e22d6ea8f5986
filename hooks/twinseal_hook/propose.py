"""Proc-receive: a push to refs/for/<branch> becomes a pinned patch set, and no ref by that name ever exists.

Pre-receive has asked and left the reservation; a line ``propose <oid> <pin> <ref>`` in it says what the push was
allowed to become. The protocol is that of githooks(5): version, commands, and one report for each command.
"""

import posix

from . import Undecided
from .processes import Git, started
from .receive import settings, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Proposal = tuple[str, str, str]
    """Object name, pin, and the ref pushed to."""

FLUSH = b"0000"
_LONGEST = 65_520  # gitprotocol-common(5)
_DIGITS = 4


def main(home: str) -> int:
    """Answer git for every command on standard input; return the hook's exit code."""
    version = next(packets(), b"")
    for _ in packets():
        pass
    if not version.startswith(b"version=1\0") and version.rstrip(b"\n") != b"version=1":
        raise Undecided(f"git speaks {version[:40]!r} to proc-receive, expected version=1")
    # We ask for no feature: push options were read, and judged, before anything was let in.
    _send(b"version=1", None)
    commands = [line.rstrip(b"\n").decode("latin-1").split(" ") for line in packets()]
    parent = posix.getppid()
    name = f"{parent}-{started(parent)}"
    proposals = {(oid, ref): pin for oid, pin, ref in reserved(home, name)}
    wanted = [(new, proposals[new, ref]) for _, new, ref in commands if (new, ref) in proposals]
    pinned = _pin(home, name, wanted)
    for _, new, ref in commands:
        _report(ref, new, proposals.get((new, ref), ""), pinned=pinned)
    _send(None)
    return 0


def packets() -> "Iterator[bytes]":
    """Yield packets up to the next flush.

    Raises:
        Undecided: Git said something else.
    """
    while True:
        digits = _read(_DIGITS)
        if digits == FLUSH:
            return
        length = int(digits, 16)
        if not _DIGITS < length <= _LONGEST:
            raise Undecided(f"git sent a packet of {digits!r} to proc-receive")
        yield _read(length - _DIGITS)


def reserved(home: str, name: str) -> "list[Proposal]":
    """Return what this push was allowed to become; nothing where it has no reservation."""
    try:
        with open(f"{home}/reservations/{name}", encoding="latin-1") as lines:
            words = [line.rstrip("\n").split(" ") for line in lines]
    except FileNotFoundError:
        return []
    return [(line[1], line[2], line[3]) for line in words if line[0] == "propose"]


def _pin(home: str, name: str, wanted: "Sequence[tuple[str, str]]") -> bool:
    """Create all the pins or none; the repository's own transaction hook checks them."""
    if not wanted:
        return False
    git = Git(settings(home)["git"], home.rpartition("/")[0], inherited={})
    try:
        child = git.start("update-ref", "--stdin", extra={b"TWINSEAL_RESERVATION": name.encode()})
        child.feed("".join([f"create {pin} {oid}\n" for oid, pin in wanted]).encode("latin-1"))
        code, _ = child.finish()
    finally:
        git.stop()
    if code != 0:
        tell("twinseal: what was pushed for review could not be pinned, so no change was opened: push again")
    return code == 0


def _report(ref: str, new: str, pin: str, *, pinned: bool) -> None:
    name = ref.encode("latin-1")
    if not pin:
        _send(b"ng %b not allowed by twinseal" % name)
    elif not pinned:
        _send(b"ng %b could not be pinned" % name)
    else:
        options = f"refname {pin}", f"old-oid {'0' * len(new)}", f"new-oid {new}"
        _send(b"ok %b" % name, *[f"option {each}".encode("latin-1") for each in options])


def _send(*lines: bytes | None) -> None:
    """Write packets to git; None is a flush."""
    data = b"".join([FLUSH if line is None else b"%04x%b" % (len(line) + _DIGITS, line) for line in lines])
    while data:
        data = data[posix.write(1, data) :]


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = posix.read(0, count - len(data))
        if not piece:
            raise Undecided("git stopped in the middle of a packet to proc-receive")
        data += piece
    return data
