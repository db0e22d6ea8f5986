"""A seat at which somebody plays: commands of ours and of git, shown as they went, and an authenticator app."""

from __future__ import annotations

import base64
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from governance.adapters import clock, git
from governance.adapters.client import Client
from governance.adapters.seat import Seat
from governance.adapters.ssh_home import CURRENT
from governance.entrypoints import terminal
from governance.errors import UnavailableError
from governance.people import totp
from governance.signatures import KeyKind, kind_of

if TYPE_CHECKING:
    from pathlib import Path

COMMAND_S = 60
ATTENDED_S = 180
"""Of a command that waits for its person, who waits for a code."""

SLOW_MS = 15_000
"""How long a code must be good for, at least, that is typed now: machines are slow at times."""

TRIES = 3

Told = tuple[str, subprocess.CompletedProcess[str]]
"""A command, and how it ended."""


class Place(Protocol):
    """Where seats stand: in one folder, at one service."""

    folder: Path
    url: str
    listen: str
    quiet: bool
    mistakes: list[str]
    seats: list[Seated]

    def environment(self, seat: str) -> dict[str, str]:
        """Return the whole environment of one seat's commands."""
        ...


class App:
    """An authenticator app. Codes are good once: it gives the oldest that the service still takes, or waits for one."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._used = 0

    @property
    def waits(self) -> int:
        """Seconds until there is a code that was not used."""
        ahead = (self._used + 1 - totp.DRIFT) * totp.STEP_MS - clock.now()
        return max(0, -(-ahead // 1000))

    def code(self) -> str:
        """Return a code that was not used, as soon as there is one."""
        time.sleep(self.waits)
        self._used = max(self._used + 1, (clock.now() + SLOW_MS) // totp.STEP_MS - totp.DRIFT)
        return totp.at(base64.b32decode(self.secret), self._used)


class Seated:
    """One principal at its seat, with its own clone."""

    def __init__(self, play: Place, name: str) -> None:
        self.play = play
        self.name = name
        self.seat = play.folder / name
        self.work = play.folder / f"{name}-work"
        self.app: App | None = None
        if name != "owner":
            play.seats.append(self)

    def twinseal(self, *args: str, refused: str = "", shown: str = "", most: int = 0) -> str:
        """Run one command of ours, show it (of a long answer its first lines), and check how it ended."""
        command, said = [sys.executable, "-m", "governance", *args], f"twinseal {shown or shlex.join(args)}"
        if self.app is None:
            done, answers = self._run(command), list[Told]()
        else:
            done, answers = self._attended(command, self.app)
        self._told(said, done, refused=refused, hide=bool(shown), answers=answers, most=most)
        return done.stdout

    def _attended(self, command: list[str], app: App) -> tuple[subprocess.CompletedProcess[str], list[Told]]:
        """Run a command while its person looks at what it asks, and approves that with the app; return that too."""
        answers: list[Told] = []
        with ThreadPoolExecutor(1) as beside:
            running = beside.submit(self._run, command, timeout=ATTENDED_S)
            while not running.done():
                answers += [self._approve(prompt, app) for prompt in self._asked()]
                wait([running], timeout=0.2)
            return running.result(), answers

    def _asked(self) -> list[dict[str, Any]]:
        """Return what waits for this person and was not answered."""
        with Client(self.play.url, Seat(self.seat).token()) as client:
            waiting = client.get("/prompts")["items"]
        return [each for each in waiting if each["for"] == self.name and self.name not in each["approved_by"]]

    def _approve(self, prompt: dict[str, Any], app: App) -> Told:
        """Answer a prompt; return the command and how it ended."""
        if app.waits and not self.play.quiet:
            terminal.say(f"(the app shows its next code in {app.waits} s; each is good once)", style="dim")
        for left in reversed(range(TRIES)):
            args = ("otp", "verify", str(prompt["prompt"]), "--digest", prompt["digest"], "--code", app.code())
            done = self._run([sys.executable, "-m", "governance", *args])
            if done.returncode == 0 or not left or "(factor." not in done.stderr:
                return f"twinseal {shlex.join(args)}", done
        raise AssertionError

    def quiet(self, *args: str) -> str:
        """Run one command of ours without showing it."""
        return self._run([sys.executable, "-m", "governance", *args]).stdout

    def use(self, repository: str) -> None:
        """Make a clone that signs with this seat's key and pushes with its token."""
        seat = Seat(self.seat)
        credentials = self.seat / "git-credentials"
        credentials.write_text(f"http://{self.name}:{seat.token(repository)}@{self.play.listen}\n", encoding="ascii")
        credentials.chmod(0o600)
        for command in (
            ("init", "-q", "-b", "main", str(self.work)),
            ("-C", str(self.work), "remote", "add", "origin", f"{self.play.url}/git/{repository}.git"),
            *(("-C", str(self.work), "config", name, value) for name, value in self._config(credentials).items()),
        ):
            self.git(*command)

    def _config(self, credentials: Path) -> dict[str, str]:
        seat = Seat(self.seat)
        ssh = kind_of(seat.need("fingerprint")) is KeyKind.SSH
        return {
            "user.name": self.name,
            "user.email": f"{self.name}@example.org",
            "gpg.format": "ssh" if ssh else "openpgp",
            "user.signingkey": str(seat.ssh / CURRENT) if ssh else seat.need("fingerprint"),
            "credential.helper": f"store --file={credentials}",
            "gc.auto": "0",
        }

    def git(self, *args: str) -> str:
        """Run git without showing it; it must succeed."""
        done = self._run([git.program(), *args])
        if done.returncode != 0:
            raise UnavailableError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout

    def write(self, name: str, text: str) -> None:
        """Write a file of the clone and stage it."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.git("-C", str(self.work), "add", name)

    def commit(self, message: str, *, sign: bool = True, author: Seated | None = None) -> str:
        """Commit what is staged; return the commit."""
        who = (f"--author={author.name} <{author.name}@example.org>",) if author else ()
        self.git("-C", str(self.work), "commit", "-q", "-S" if sign else "--no-gpg-sign", *who, "-m", message)
        return self.git("-C", str(self.work), "rev-parse", "HEAD").strip()

    def push(self, refspec: str, *more: str, refused: str = "") -> str:
        """Push, show what the server said, and check the answer."""
        done = self._run([git.program(), "-C", str(self.work), "push", "origin", refspec, *more])
        self._told(f"git push origin {refspec}", done, refused=refused)
        return done.stderr

    def update(self) -> None:
        """Take over what has landed."""
        self.git("-C", str(self.work), "fetch", "-q", "origin")
        self.git("-C", str(self.work), "reset", "-q", "--hard", "origin/main")

    def reset(self) -> None:
        """Drop the last commit."""
        self.git("-C", str(self.work), "reset", "-q", "--hard", "HEAD~1")

    def _run(self, command: list[str], *, timeout: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        env = self.play.environment(self.name)
        return subprocess.run(
            command,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout,
        )

    def _told(
        self,
        command: str,
        done: subprocess.CompletedProcess[str],
        *,
        refused: str,
        hide: bool = False,
        answers: Iterable[Told] = (),
        most: int = 0,
    ) -> None:
        """Check how a command ended, and show it as it went: what it asked, who answered that, what came of it."""
        said = done.stderr + ("" if hide else done.stdout)
        good = refused in said and done.returncode != 0 if refused else done.returncode == 0
        if not good:
            wanted = f"refused with {refused}" if refused else "done"
            self.play.mistakes.append(f"{self.name}$ {command}: expected it {wanted}, got {done.returncode}: {said}")
        if self.play.quiet:
            return
        terminal.say(f"{self.name}$ {command}", style="bold")
        for answer, ended in answers:
            terminal.quoted(done.stderr.strip(), good=good)
            terminal.say("In another terminal, beside the app:", style="dim")
            self._told(answer, ended, refused="")
            terminal.say("Here it goes on:", style="dim")
            said = done.stdout
        terminal.quoted(_first(said, most), good=good)


def _first(text: str, most: int) -> str:
    """Return the first lines of a text, and how many are left out; with `most` 0 all of them."""
    lines = text.rstrip().split("\n")
    left = len(lines) - most
    return text if not most or left <= 0 else "\n".join([*lines[:most], f"... and {left} more lines"])
