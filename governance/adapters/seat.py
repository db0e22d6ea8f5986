"""A seat: one principal's private home, on the machine where it works. Keys never leave it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Seat:
    """A folder with key homes, tokens, and which service it belongs to."""

    path: Path

    @property
    def keys(self) -> Path:
        """The GnuPG home."""
        return self.path / "gnupg"

    @property
    def ssh(self) -> Path:
        """The folder of SSH keys."""
        return self.path / "ssh"

    def about(self) -> dict[str, Any]:
        """Return what the seat knows of itself; empty before it was enrolled."""
        file = self.path / "seat.json"
        if not file.exists():
            return {}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise SettingsError(f"{file} is not JSON: {exc}") from exc
        return found if isinstance(found, dict) else {}

    def remember(self, **values: str) -> None:
        """Add to what the seat knows."""
        self._write(self.path / "seat.json", json.dumps({**self.about(), **values}, indent=1) + "\n")

    def keep_token(self, token: str, *, repository: str = "") -> Path:
        """Keep a token where only this seat's user can read it."""
        file = self.path / "tokens" / (f"{repository}.token" if repository else "seat")
        self._write(file, token + "\n")
        return file

    def token(self, repository: str = "") -> str:
        """Return the token for a repository, or the seat's own.

        Raises:
            SettingsError: There is none.
        """
        file = self.path / "tokens" / (f"{repository}.token" if repository else "seat")
        if not file.exists():
            what = f"no token for {repository}" if repository else "this seat is not enrolled"
            name = self.about().get("name", "NAME")
            mend = (
                f"An owner issues one: twinseal token issue {name} --repo {repository} --keep {self.path}"
                if repository
                else "twinseal key generate, then twinseal key enroll"
            )
            raise SettingsError(f"{self.path}: {what}", mend=mend)
        return file.read_text(encoding="ascii").strip()

    def repositories(self) -> list[str]:
        """Return the repositories this seat holds a token for."""
        return sorted(file.stem for file in (self.path / "tokens").glob("*.token"))

    def need(self, name: str) -> str:
        """Return one thing the seat knows, or say how it would come to know it."""
        value = self.about().get(name)
        if not isinstance(value, str) or not value:
            raise SettingsError(
                f"{self.path}: this seat has no {name}", mend="twinseal key generate, then twinseal key enroll"
            )
        return value

    def _write(self, file: Path, text: str) -> None:
        for folder in (self.path, file.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_file(file, text)


def private_file(file: Path, text: str) -> None:
    """Write a file that only its owner can read, replacing what was there at once."""
    new = file.with_name(file.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)
