"""A line in the status of a tmux session: for whoever sits in front of it.

A format of tmux can run a command, `#(...)`: nothing of a message is read as one.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from governance.channels import TMUX, Deferred, Message
from governance.explain import plain

OPTION = "@twinseal"
"""Holds the last line, so that a status line can show it: `set -g status-right '#{@twinseal}'`."""
SHOWN_MS = "15000"
LINE_MOST = 200
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class TmuxLine:
    """A session, by its name; and the socket of its server, where that is not the usual one."""

    target: str
    socket: str = ""
    timeout: float = TIMEOUT_S
    name: str = TMUX

    @property
    def where(self) -> str:
        """The session."""
        return f"tmux session {self.target}"

    def send(self, message: Message, *, key: str) -> None:
        """Show one line to everybody who is attached, and keep it in the session's option."""
        del key
        line = literal(plain(message.short or message.subject)[:LINE_MOST])
        self._run("set-option", "-t", self.target, OPTION, line)
        # Only here a `%` would be a time.
        line = line.replace("%", "%%")
        clients = self._run("list-clients", "-t", self.target, "-F", "#{client_name}").split("\n")
        for client in filter(None, clients):
            self._run("display-message", "-c", client, "-d", SHOWN_MS, line)

    def _run(self, *command: str) -> str:
        server = ("-S", self.socket) if self.socket else ()
        try:
            done = subprocess.run(
                ("tmux", *server, *command), capture_output=True, text=True, timeout=self.timeout, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise Deferred(f"tmux could not be asked ({type(exc).__name__})") from None
        if done.returncode:
            raise Deferred(f"tmux has no session {self.target}, or its server is not ours")
        return done.stdout


def literal(text: str) -> str:
    """Return text that tmux shows as it is: no format, no command, no style."""
    return text.replace("#", "##")


def from_setting(text: str) -> TmuxLine:
    """Return the channel that a setting names."""
    if text.startswith("/"):
        path, _, target = text.partition(":")
        return TmuxLine(target, path)
    return TmuxLine(text)
