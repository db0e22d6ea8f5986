"""A place to play: one service, some seats, one repository, every command real and shown.

Used by the demo and by the end-to-end tests.
"""

from __future__ import annotations

import base64
import http.client
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from governance.adapters import clock, git
from governance.adapters.client import Client
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.seat import Seat, private_file
from governance.adapters.ssh_home import CURRENT
from governance.entrypoints import terminal
from governance.errors import UnavailableError
from governance.people import totp
from governance.signatures import KeyKind, kind_of

PATIENCE_S = 20
COMMAND_S = 60
ATTENDED_S = 180
"""Of a command that waits for its person, who waits for a code."""

SLOW_MS = 15_000
"""How long a code must be good for, at least, that is typed now: machines are slow at times."""

TRIES = 3

Told = tuple[str, subprocess.CompletedProcess[str]]
"""A command, and how it ended."""


class Playground:
    """Owns everything in one folder; closing it stops the service and every key agent."""

    program: tuple[str, ...] = ("-m", "governance")
    """What Python is told to run the service."""

    def __init__(
        self,
        folder: Path,
        *,
        listen: str,
        quiet: bool = False,
        settings: Mapping[str, str] | None = None,
        policy: Path | None = None,
    ) -> None:
        self.folder = folder
        self.policy = policy
        """What to begin with instead of the shipped policy."""
        self.listen = listen
        self.url = f"http://{listen}"
        self.quiet = quiet
        self.settings = settings or {}
        """More settings of the service, by the names of their variables."""
        self.mistakes: list[str] = []
        self.seats: list[Seated] = []
        self.owner = Seated(self, "owner")
        self._service: subprocess.Popen[bytes] | None = None

    def environment(self, seat: str) -> dict[str, str]:
        """Return the whole environment of one seat's commands."""
        return (
            {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder / seat),
                "TERM": os.environ.get("TERM", "dumb"),
                "LC_ALL": "C.UTF-8",
                "TWINSEAL_DATA": str(self.folder / "data"),
                "TWINSEAL_STATE": str(self.folder / "state"),
                "TWINSEAL_SEAT": str(self.folder / seat),
                "TWINSEAL_LISTEN": self.listen,
                "GNUPGHOME": str(self.folder / seat / "gnupg"),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
            }
            | ({"NO_COLOR": os.environ["NO_COLOR"]} if "NO_COLOR" in os.environ else {})
            | dict(self.settings)
        )

    def chapter(self, title: str) -> None:
        """Print a heading."""
        if not self.quiet:
            terminal.say(f"\n── {title}", style="bold cyan")

    def begin(self) -> None:
        """Make a service, start it, and enrol its owner."""
        other = ("--policy", str(self.policy)) if self.policy else ()
        self.owner.twinseal("init", "--origin", "localhost/demo", *other)
        self.start()
        self.owner.twinseal("key", "generate", "--as", "owner", "--email", "owner@example.org")
        secret = str(self.folder / "state" / "enrolment-secret")
        self.owner.twinseal("key", "enroll", "--secret-file", secret)

    def second_factor(self) -> None:
        """Enrol an authenticator app of the owner's; from then on it answers what the owner's commands ask."""
        app = self.owner.app = App(clock.base32(totp.SECRET_BYTES))
        file = self.owner.seat / "app"
        private_file(file, app.secret + "\n")
        said = self.owner.twinseal(
            "otp", "enroll", "--secret-file", str(file), "--code", app.code(), shown="otp enroll"
        )
        file.unlink()
        if not self.quiet:
            terminal.quoted(
                said.partition("\n")[0] + "\n(a QR code, and ten recovery codes: not shown here)", good=True
            )

    def start(self) -> None:
        """Start the service and wait until it answers."""
        log = (self.folder / "service.log").open("ab")
        command = [sys.executable, *self.program, "serve"]
        self._service = subprocess.Popen(command, env=self.environment("owner"), stdout=log, stderr=log)
        log.close()
        self._answers()

    def _answers(self) -> None:
        host, _, port = self.listen.rpartition(":")
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            connection = http.client.HTTPConnection(host, int(port), timeout=2)
            try:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == http.HTTPStatus.OK and self._running():
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
            if not self._running():
                break
        said = (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")[-600:]
        raise UnavailableError(f"the service did not start: {said}", mend="Is the port taken? Set TWINSEAL_LISTEN.")

    def _running(self) -> bool:
        return self._service is not None and self._service.poll() is None

    def stop(self, *, kill: bool = False) -> None:
        """Stop the service: politely, or as a power cut would."""
        if self._service is not None:
            self._service.kill() if kill else self._service.terminate()
            self._service.wait(PATIENCE_S)
            self._service = None

    def wait(self) -> None:
        """Go on until the terminal says stop."""
        try:
            if self._service is not None:
                self._service.wait()
        except KeyboardInterrupt:
            terminal.say("\nstopping")

    def enroll(self, name: str, *, model_family: str = "", role: str = "", ssh: bool = False) -> Seated:
        """Enrol an agent, with a key made at its own seat: OpenPGP, or SSH."""
        email = f"{name}@example.org"
        options = ("--role", role or name, "--email", email, "--model-family", model_family)
        said = self.owner.twinseal("principal", "add", name, *options, "--json", shown=f"principal add {name}")
        secret = self.folder / f"{name}.secret"
        private_file(secret, terminal.parsed(said).get("secret", ""))
        return self.seated(name, secret, ssh=ssh)

    def enroll_all(self, *names: str) -> list[Seated]:
        """Enrol agents whose roles are called as they are, in one prompt, each with a key made at its own seat."""
        options = ("--email-domain", "example.org", "--secrets-to", str(self.folder))
        self.owner.twinseal("principal", "add", *names, *options)
        return [self.seated(name, self.folder / f"{name}.secret") for name in names]

    def seated(self, name: str, secret: Path, *, ssh: bool = False) -> Seated:
        """Make a seat with a key of its own, and enrol it by the secret in a file."""
        email, seat = f"{name}@example.org", Seated(self, name)
        seat.seat.mkdir(mode=0o700, exist_ok=True)
        seat.twinseal("key", "generate", "--as", name, "--email", email, *(("--ssh",) if ssh else ()))
        seat.twinseal("key", "enroll", "--secret-file", str(secret))
        secret.unlink()
        return seat

    def govern(self, name: str, seats: Iterable[Seated]) -> Path:
        """Make an empty bare repository, govern it, and give every seat a token for it."""
        path = self.folder / f"{name}.git"
        subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        self.owner.twinseal("repo", "add", name, str(path))
        for seat in seats:
            self.owner.twinseal("token", "issue", seat.name, "--repo", name, "--keep", str(seat.seat))
            seat.use(name)
        return path

    def close(self) -> None:
        """Stop everything that runs."""
        self.stop()
        for seat in (self.owner, *self.seats):
            if (seat.seat / "gnupg").is_dir():
                with KeyHome(seat.seat / "gnupg"):
                    pass


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

    def __init__(self, play: Playground, name: str) -> None:
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
