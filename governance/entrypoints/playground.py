"""A place to play: one service, some seats, one repository, every command real and shown.

Used by the demo and by the end-to-end tests.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from governance.adapters import git
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.seat import Seat
from governance.adapters.ssh_home import CURRENT
from governance.entrypoints import terminal
from governance.errors import UnavailableError
from governance.signatures import KeyKind, kind_of

PATIENCE_S = 20


class Playground:
    """Owns everything in one folder; closing it stops the service and every key agent."""

    def __init__(self, folder: Path, *, listen: str, quiet: bool = False) -> None:
        self.folder = folder
        self.listen = listen
        self.url = f"http://{listen}"
        self.quiet = quiet
        self.mistakes: list[str] = []
        self.seats: list[Seated] = []
        self.owner = Seated(self, "owner")
        self._service: subprocess.Popen[bytes] | None = None

    def environment(self, seat: str) -> dict[str, str]:
        """Return the whole environment of one seat's commands."""
        return {
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
        } | ({"NO_COLOR": os.environ["NO_COLOR"]} if "NO_COLOR" in os.environ else {})

    def chapter(self, title: str) -> None:
        """Print a heading."""
        if not self.quiet:
            terminal.say(f"\n── {title}", style="bold cyan")

    def begin(self) -> None:
        """Make a service, start it, and enrol its owner."""
        self.owner.twinseal("init", "--origin", "localhost/demo")
        self.start()
        self.owner.twinseal("key", "generate", "--as", "owner", "--email", "owner@example.org")
        secret = str(self.folder / "state" / "enrolment-secret")
        self.owner.twinseal("key", "enroll", "--secret-file", secret)

    def start(self) -> None:
        """Start the service and wait until it answers."""
        log = (self.folder / "service.log").open("ab")
        command = [sys.executable, "-m", "governance", "serve"]
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
        seat = Seated(self, name)
        secret = seat.seat / "secret"
        seat.seat.mkdir(mode=0o700, exist_ok=True)
        secret.write_text(terminal.parsed(said)["secret"], encoding="ascii")
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


class Seated:
    """One principal at its seat, with its own clone."""

    def __init__(self, play: Playground, name: str) -> None:
        self.play = play
        self.name = name
        self.seat = play.folder / name
        self.work = play.folder / f"{name}-work"
        if name != "owner":
            play.seats.append(self)

    def twinseal(self, *args: str, refused: str = "", shown: str = "") -> str:
        """Run one command of ours, show it, and check how it ended."""
        done = self._run([sys.executable, "-m", "governance", *args])
        self._told(f"twinseal {shown or ' '.join(args)}", done, refused=refused, hide=bool(shown))
        return done.stdout

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

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        env = self.play.environment(self.name)
        return subprocess.run(
            command,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=60,
        )

    def _told(self, command: str, done: subprocess.CompletedProcess[str], *, refused: str, hide: bool = False) -> None:
        said = done.stderr + ("" if hide else done.stdout)
        good = refused in said and done.returncode != 0 if refused else done.returncode == 0
        if not good:
            wanted = f"refused with {refused}" if refused else "done"
            self.play.mistakes.append(f"{self.name}$ {command}: expected it {wanted}, got {done.returncode}: {said}")
        if not self.play.quiet:
            terminal.say(f"{self.name}$ {command}", style="bold")
            terminal.quoted(said, good=good)
