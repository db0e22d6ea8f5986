"""Commands and services of ours, each a process of its own that need not load Python and a hundred modules first.

Loading takes a quarter of a second, of a service a whole one, a command itself a tenth of that, and a run of the tests
starts thousands. So one process has loaded the command line, another the service, and they fork: environment, folder,
arguments and streams are those asked for, and nothing is left for the next one.

With TWINSEAL_TEST_COLD=1 each starts from nothing. The commands of test_docs.py and those of test_cli.py that look at
help and sentences always do, and the services of tests/hosts and of whoever leaves out a control.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import IO

COLD = os.environ.get("TWINSEAL_TEST_COLD", "") == "1"
OURS = [sys.executable, "-m", "governance"]
LONGEST = 1 << 17
"""Bytes of a request."""
COMMANDS = (
    "governance.entrypoints.acting", "governance.entrypoints.terminal", "gnupg", "http.client", "json", "pysequoia",
    "rich.console", "rich.table", "typer._adapters", "yaml",
)  # fmt: skip
"""What most commands load when they are run."""
SERVICES = ("governance.entrypoints.serve", "typer._adapters", "uvicorn.protocols.http.httptools_impl", "uvloop")


class Started:
    """A process of ours, as `subprocess.Popen` would show it."""

    def __init__(self, names: Sequence[str], asked: Sequence[object], out: IO[bytes], err: IO[bytes]) -> None:
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        said = json.dumps(asked).encode()
        assert len(said) < LONGEST
        with theirs, Path(os.devnull).open("rb") as nothing:
            socket.send_fds(_starter(*names), [said], [each.fileno() for each in (theirs, nothing, out, err)])
        self.pid = int(self._answers.recv(32))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = int(self._answers.recv(32))
            except (TimeoutError, BlockingIOError) as late:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from late
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.kill(signal.SIGTERM)


def run(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command, one of ours in a forked process; nothing is there to be read on its standard input."""
    if COLD or list(command[:3]) != OURS:
        return subprocess.run(
            command, env=env, cwd=cwd, capture_output=True, encoding="utf-8", errors="replace", check=False,
            timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    with os.fdopen(os.memfd_create("out"), "rb") as out, os.fdopen(os.memfd_create("err"), "rb") as err:
        ours = Started(COMMANDS, [list(command[3:]), dict(env), str(cwd or Path.cwd())], out, err)
        try:
            status = ours.wait(timeout)
        except BaseException:
            ours.kill()
            ours.wait()
            raise
        said = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, err)]
    return subprocess.CompletedProcess(command, status, *(text.decode("utf-8", "replace") for text in said))


def serve(*, env: Mapping[str, str], log: IO[bytes]) -> Started:
    """Start a service."""
    return Started(SERVICES, [["serve"], dict(env), str(Path.cwd())], log, log)


@cache
def _starter(*names: str) -> socket.socket:
    """Return the way to the process that has loaded these and forks; it ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(theirs):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        command = [sys.executable, __file__, str(theirs.fileno()), *names]
        forks = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()])

    def end() -> None:
        ours.close()
        forks.wait()

    atexit.register(end)
    return ours


def _main(control: socket.socket, *names: str) -> None:
    """Fork for each request; return only in a process that has become the command."""
    from importlib import import_module  # noqa: PLC0415 - only in the process that forks

    from governance.entrypoints.cli.main import main  # noqa: PLC0415 - likewise

    for name in names:
        import_module(name)
    gc.freeze()  # Nobody looks at what is loaded again, so that it stays shared.
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, LONGEST, 4)
        if not asked:
            return
        if os.fork() == 0:
            control.close()
            _become(*json.loads(asked), descriptors)
            main()
            return
        for descriptor in descriptors:
            os.close(descriptor)
        while True:  # Whoever has ended meanwhile.
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break


def _become(arguments: list[str], env: dict[str, str], folder: str, descriptors: list[int]) -> None:
    """Return in the process of the command; its parent waits for it here and tells how it ended."""
    answers = socket.socket(fileno=descriptors[0])
    if pid := os.fork():
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        answers.send(b"%d" % pid)
        _, status = os.waitpid(pid, 0)
        answers.send(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    answers.close()
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["twinseal", *arguments]


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])), *sys.argv[2:])
