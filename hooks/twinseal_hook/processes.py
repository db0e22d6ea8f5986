"""How the hook runs git: absolutely named, with a clean environment, and never outlived by it."""

import posix

from . import Undecided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

QUARANTINE = (b"GIT_OBJECT_DIRECTORY", b"GIT_ALTERNATE_OBJECT_DIRECTORIES", b"GIT_QUARANTINE_PATH")
"""All that is passed on from the hook's own environment: without these, git cannot see what was pushed."""

COMMITS = 10_000
"""Commits in a push; of a longer walk, one more is listed."""

VALUES = ("for-each-ref", "--format=%(objectname) %(refname) %(symref)")
"""How the real values of refs are listed; their names follow as patterns."""

SERVE = ("cat-file", "--batch")
"""How objects are served; their names follow on standard input."""

WALK = ("rev-list", "--topo-order", f"--max-count={COMMITS + 1}", "--stdin")
"""How a range is listed, newest first; its ends follow on standard input."""

_CLEAN = {
    b"PATH": b"/usr/bin:/bin",
    b"HOME": b"/nonexistent",
    b"LC_ALL": b"C",
    b"GIT_NO_REPLACE_OBJECTS": b"1",
    b"GIT_GRAFT_FILE": b"/dev/null",  # Neither these ...
    b"GIT_SHALLOW_FILE": b"",  # ... nor where a history was cut decide what a commit's parents are.
    b"GIT_OPTIONAL_LOCKS": b"0",
    b"GIT_CONFIG_NOSYSTEM": b"1",
    b"GIT_CONFIG_GLOBAL": b"/dev/null",
    b"GIT_TERMINAL_PROMPT": b"0",
}
# A missing object must stay missing, not be fetched; attributes must not choose how files are merged.
_CONFIG = (b"git", b"-c", b"protocol.allow=never", b"-c", b"core.attributesFile=/dev/null")
_BUFFER = 1 << 16
_BETWEEN = 4
_SIGPIPE = 13
_SIGKILL = 9


class Child:
    """One running git, with a pipe to it and one from it."""

    __slots__ = ("_git", "pid", "stdin", "stdout", "what")

    def __init__(self, git: "Git", what: str, *, pid: int, stdin: int, stdout: "BinaryIO") -> None:
        self._git = git
        self.what = what
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout

    def feed(self, data: bytes) -> None:
        """Write everything there is to say and close the pipe. For little: nothing is read meanwhile."""
        posix.write(self.stdin, data)
        posix.close(self.stdin)
        self.stdin = -1

    def finish(self) -> tuple[int, bytes]:
        """Read to the end; return the exit code and the output."""
        output = self.stdout.read()
        status = self._git.reap(self)
        return posix.waitstatus_to_exitcode(status), output

    def output(self) -> bytes:
        """Return what git printed.

        Raises:
            Undecided: Git failed.
        """
        code, output = self.finish()
        if code != 0:
            raise Undecided(f"git {self.what} failed with {code}")
        return output


class Git:
    """Git in one repository, seeing the objects of this push."""

    __slots__ = ("_running", "environment", "program")

    def __init__(self, program: str, repository: str, *, inherited: dict[bytes, bytes]) -> None:
        self.program = program
        self.environment = {name: inherited[name] for name in QUARANTINE if name in inherited}
        self.environment |= _CLEAN | {b"GIT_DIR": repository.encode("utf-8", "surrogateescape")}
        self._running: list[Child] = []

    def start(self, *arguments: str, extra: dict[bytes, bytes] | None = None) -> Child:
        """Start git with these arguments; its complaints go nowhere, its exit code counts.

        Raises:
            Undecided: It cannot be started.
        """
        stdin, ours = posix.pipe()
        theirs, stdout = posix.pipe()
        actions = (
            (posix.POSIX_SPAWN_DUP2, stdin, 0),
            (posix.POSIX_SPAWN_DUP2, stdout, 1),
            # Receive-pack waits until nobody holds our standard error any more, so no child may have it.
            (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_WRONLY, 0),
        )
        command = [*_CONFIG, *[argument.encode("latin-1") for argument in arguments]]
        try:
            pid = posix.posix_spawn(
                self.program,
                command,
                self.environment | (extra or {}),
                file_actions=actions,
                setsigdef=[_SIGPIPE],  # Python ignores it, and git would inherit that.
            )
        except OSError as error:
            raise Undecided(f"git cannot be started at {self.program}: {error}") from error
        posix.close(stdin)
        posix.close(stdout)
        child = Child(self, arguments[0], pid=pid, stdin=ours, stdout=open(theirs, "rb", buffering=_BUFFER))  # noqa: SIM115 - closed when reaped
        self._running.append(child)
        return child

    def reap(self, child: Child) -> int:
        """Close the child's pipes, wait for it to end, and return its wait status."""
        self._running.remove(child)
        if child.stdin >= 0:
            posix.close(child.stdin)
        child.stdout.close()
        return posix.waitpid(child.pid, 0)[1]

    def stop(self) -> None:
        """End whatever still runs: nothing of ours may outlive the hook."""
        for child in list(self._running):
            posix.kill(child.pid, _SIGKILL)
            self.reap(child)


def receive_pack(parent: int) -> int:
    """Return the nearest ancestor that is git, where a host's own script stands between it and us.

    Raises:
        Undecided: There is none near.
    """
    pid = parent
    for _ in range(_BETWEEN):
        with open(f"/proc/{pid}/stat", "rb") as stat:
            head, _, rest = stat.read().rpartition(b")")
        if head.partition(b"(")[2] in {b"git", b"git-receive-pac"}:  # The kernel keeps fifteen bytes of a name.
            return pid
        pid = int(rest.split()[1])
    raise Undecided(f"none of the {_BETWEEN} processes above this hook is git receive-pack")


def started(pid: int) -> int:
    """Return when a process began, in clock ticks since boot (proc(5), field 22): with its id, a name for it alone."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        # The second field is the program's name, which may hold spaces and parentheses of its own.
        return int(stat.read().rpartition(b")")[2].split()[19])
