"""A place to play: one service, some seats, one repository, every command real and shown.

Used by the demo and by the end-to-end tests.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from governance.adapters import clock, git
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.seat import private_file
from governance.entrypoints import terminal
from governance.entrypoints.seated import App, Seated
from governance.errors import UnavailableError
from governance.people import totp

PATIENCE_S = 20


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
        """Make a service, start it, and enrol its owner.

        Raises:
            UnavailableError: Something else listens there; or it does not start.
        """
        self._check_free()
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

    def _check_free(self) -> None:
        """Refuse a port that is taken: who answers there would be taken for the service that is started."""
        host, _, port = self.listen.rpartition(":")
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, int(port)))
            except OSError as exc:
                said = f"{self.listen} cannot be listened on: {exc.strerror}"
                raise UnavailableError(said, mend="Is a service of yours there? Set TWINSEAL_LISTEN.") from exc

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
