"""A governed repository and a service that speaks the wire but thinks what a test tells it to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from twinseal_hook.gather import gather
from twinseal_hook.processes import SERVE, VALUES, WALK, Git

HOOKS = Path(__file__).parents[2] / "hooks"
GIT = next(str(path) for folder in os.environ["PATH"].split(":") if (path := Path(folder) / "git").exists())
ZEROS = "0" * 40
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_{what}": f"{who}@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}

Plan = Callable[[dict[str, Any]], str]
Decide = Callable[[dict[str, Any], dict[str, Any] | None], str]


def git(folder: Path, *arguments: str, check: bool = True, text: str | bytes = "", **extra: str) -> str:
    """Run git there and return what it printed; with ``check`` off, also what it complained about."""
    data = text.encode() if isinstance(text, str) else text
    command = [GIT, "-C", str(folder), *arguments]
    done = subprocess.run(command, input=data, capture_output=True, env=ENVIRONMENT | extra, check=False)
    if check and done.returncode:
        raise AssertionError(f"git {arguments} failed: {done.stderr.decode()}")
    return (done.stdout + (b"" if check else done.stderr)).decode("utf-8", "surrogateescape").strip()


def judge_all(hello: dict[str, Any]) -> str:
    """Judge every update without leaving anything out but the old value."""
    lines = [line.split(" ") for line in hello["lines"]]
    return "plan\n" + "".join(
        f"judge {old if int(old, 16) else '-'}\n" if int(new, 16) else "skip\n" for old, new, _ in lines
    )


def allow(hello: dict[str, Any], facts: dict[str, Any] | None = None) -> str:
    """Reserve whatever was announced."""
    return "answer 0\n" + "".join(f"reserve {line}\n" for line in hello["lines"]) + "text\nallowed\n"


def refuse(hello: dict[str, Any], facts: dict[str, Any] | None = None) -> str:
    return "answer 1\ntext\nrefused (test.no)\n"


@dataclass
class Stub:
    """A service in a thread. ``misbehave`` takes a connection over once the hello has been read."""

    path: Path
    plan: Plan = judge_all
    decide: Decide = allow
    misbehave: Callable[[socket.socket], object] | None = None
    heard: list[dict[str, Any]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        self.path.unlink()

    @property
    def facts(self) -> dict[str, Any]:
        return next(each for each in reversed(self.heard) if each["kind"] == "facts")

    @property
    def hello(self) -> dict[str, Any]:
        return next(each for each in reversed(self.heard) if each["kind"] == "hello")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                try:
                    self._talk(connection, stream)
                except (BrokenPipeError, ConnectionResetError, EOFError):
                    continue

    def _talk(self, connection: socket.socket, stream: IO[bytes]) -> None:
        hello = self._hear(stream)
        if self.misbehave:
            self.misbehave(connection)
            return
        if hello["kind"] == "refusal":
            send(connection, "answer 1\ntext\nRefused. Recorded as entry 1.\n")
            return
        said = self.plan(hello)
        send(connection, said)
        if said.startswith("plan"):
            facts = self._hear(stream)
            if facts["kind"] == "commits":  # Sent ahead.
                facts = self._hear(stream)
            send(connection, self.decide(hello, facts))

    def _hear(self, stream: IO[bytes]) -> dict[str, Any]:
        length = stream.readline()
        if not length:
            raise EOFError
        heard: dict[str, Any] = json.loads(stream.read(int(length)))
        self.heard.append(heard)
        return heard


def send(connection: socket.socket, text: str) -> None:
    data = text.encode()
    connection.sendall(b"%d\n%b" % (len(data), data))


@dataclass
class Governed:
    """A bare repository with our hooks, as the installer leaves it, and a clone's worth of objects beside it."""

    root: Path

    def __post_init__(self) -> None:
        self.bare = self.root / "s.git"
        self.work = self.root / "work.git"
        self.home = self.bare / "twinseal"
        self.socket = self.root / "socket"
        for folder in (self.bare, self.work):
            git(self.root, "init", "-q", "--bare", "-b", "main", str(folder))
        git(self.bare, "config", "receive.advertisePushOptions", "true")
        (self.home / "reservations").mkdir(parents=True)
        (self.home / "hook").mkdir()
        (self.home / "hook" / "twinseal_hook").symlink_to(HOOKS / "twinseal_hook")
        (self.home / "conf").write_text(f"repository demo\nsocket {self.socket}\ngit {GIT}\n")
        for name in ("pre-receive", "post-receive", "reference-transaction"):
            text = (HOOKS / name).read_text().replace("@PYTHON@", sys.executable).replace("@HOME@", str(self.home))
            (self.bare / "hooks" / name).write_text(text)
            (self.bare / "hooks" / name).chmod(0o755)

    def copy_package(self) -> Path:
        """Put a copy of the package where the link to it was, to be changed."""
        package = self.home / "hook" / "twinseal_hook"
        package.unlink()
        return Path(shutil.copytree(HOOKS / "twinseal_hook", package, ignore=shutil.ignore_patterns("__pycache__")))

    def service(
        self,
        *,
        plan: Plan = judge_all,
        decide: Decide = allow,
        misbehave: Callable[[socket.socket], object] | None = None,
    ) -> Stub:
        return Stub(self.socket, plan=plan, decide=decide, misbehave=misbehave)

    def push(self, *refspecs: str, options: Iterable[str] = (), **extra: str) -> subprocess.CompletedProcess[str]:
        flags = [f"--push-option={each}" for each in options]
        command = [GIT, "-C", str(self.work), "push", *flags, str(self.bare), *refspecs]
        return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | extra, check=False)

    def refs(self) -> dict[str, str]:
        listed = git(self.bare, "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in listed.splitlines())

    def set(self, ref: str, name: str) -> None:
        """Put a ref there behind everybody's back, with its objects."""
        git(self.bare, "-c", "core.hooksPath=/dev/null", "fetch", "-q", "--no-tags", str(self.work), f"+{name}:{ref}")

    def reserve(self, *lines: str, name: str = "test") -> str:
        (self.home / "reservations" / name).write_text("".join(f"{line}\n" for line in lines))
        return name

    def receive_pack(self, *commands: str, pack: str = "") -> str:
        """Say these commands to receive-pack word for word, as no honest git would; send ``pack``'s objects along."""
        with subprocess.Popen(
            [GIT, "receive-pack", str(self.bare)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        ) as server:
            assert server.stdin
            assert server.stdout
            while (head := server.stdout.read(4)) != b"0000":
                server.stdout.read(int(head, 16) - 4)
            first, *others = commands
            for line in (f"{first}\0report-status", *others):
                server.stdin.write(b"%04x%b" % (len(line.encode()) + 4, line.encode()))
            server.stdin.write(b"0000")
            if pack:
                command = [GIT, "-C", str(self.work), "pack-objects", "--revs", "--stdout", "-q"]
                server.stdin.write(subprocess.run(command, input=pack.encode(), capture_output=True, check=True).stdout)
            server.stdin.close()
            return server.stdout.read().decode("utf-8", "replace")


File = str | bytes | tuple[str, str | bytes]
"""Content, or mode and content; a submodule's content is its commit."""


def history(folder: Path, *commits: tuple[Mapping[str, File], Sequence[int]]) -> list[str]:
    """Write commits, given as files and numbers of their parents, in one go; return their names."""
    stream = bytearray()
    for mark, (files, parents) in enumerate(commits, start=1):
        stream += f"commit refs/heads/made-{mark}\nmark :{mark}\ncommitter A <a@example.org> {mark} +0000\n".encode()
        stream += b"data 1\nm\n"
        for verb, parent in zip(["from", *["merge"] * 20], parents, strict=False):
            stream += f"{verb} :{parent + 1}\n".encode()
        stream += b"deleteall\n"
        for path, file in files.items():
            mode, content = file if isinstance(file, tuple) else ("100644", file)
            data = content.encode() if isinstance(content, str) else content
            quoted = b'"' + b"".join(b"\\%03o" % byte for byte in path.encode("utf-8", "surrogateescape")) + b'"'
            if mode == "160000":
                stream += b"M 160000 %b %b\n" % (data, quoted)
            else:
                stream += b"M %b inline %b\ndata %d\n%b\n" % (mode.encode(), quoted, len(data), data)
    marks = folder / "marks"
    git(folder, "fast-import", "--quiet", "--force", f"--export-marks={marks}", text=bytes(stream))
    return [
        name
        for _, name in sorted((int(line[1:].split()[0]), line.split()[1]) for line in marks.read_text().splitlines())
    ]


def facts_of(
    folder: Path, *updates: tuple[str, str, str], plan: list[str | None], inherited: dict[bytes, bytes] | None = None
) -> dict[str, Any]:
    """Gather as the hook does, inside this process and without a push."""
    tool = Git(GIT, str(folder), inherited=inherited or {})
    try:
        early = (
            tool.start(*VALUES, *[ref for _, _, ref in updates]),
            tool.start(*SERVE),
            tool.start(*WALK),
        )
        facts: dict[str, Any] = gather(tool, updates, plan, early=early)
    finally:
        tool.stop()
    return facts
