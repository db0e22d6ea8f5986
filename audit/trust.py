"""Whom to believe (C2SP tlog-policy): which logs, which witnesses, and how many of these must have cosigned.

`trust_text` reads it from a file. A policy that asks for no witness is a policy, and `said` tells so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from audit.checkpoint import Checkpoint
from audit.errors import TrustError
from audit.note import Key, Note
from audit.proof import read_checkpoint

NONE = "none"


@dataclass(frozen=True, slots=True)
class Peer:
    """A log or a witness: its key, and where it is reached, if that was said."""

    key: Key
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these names, each that of a witness or of another group."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says. `quorum` is `none`, or the name of a witness or group."""

    logs: tuple[Peer, ...]
    witnesses: Mapping[str, Peer]
    groups: Mapping[str, Group]
    quorum: str

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key that is known: those of the logs, then those of the witnesses."""
        return tuple(peer.key for peer in (*self.logs, *self.witnesses.values()))

    def satisfied(self, cosigners: Iterable[Key]) -> bool:
        """Return whether those whose cosignatures verified are enough. With `quorum none`, always: see `said`."""
        keys = set(cosigners)
        have = {name for name, peer in self.witnesses.items() if peer.key in keys} | {NONE}
        for name, group in self.groups.items():  # A group only names what stands above it.
            if len(have.intersection(group.members)) >= group.least:
                have.add(name)
        return self.quorum in have

    def check(self, note: bytes) -> tuple[Note, Checkpoint]:
        """Return a checkpoint that one of the logs signed and enough witnesses cosigned.

        Raises:
            NoteError: it is none, is signed by none of the logs, or a known key's signature does not verify.
            TrustError: too few witnesses cosigned.
        """
        found, point = read_checkpoint(note, self.keys)
        if not self.satisfied(each.key for each in found.signatures):
            names = [name for name, peer in self.witnesses.items() if found.by(peer.key)]
            raise TrustError(f"expected cosignatures by {self.said}, got those of {', '.join(names) or 'nobody'}")
        return found, point

    @property
    def said(self) -> str:
        """The quorum in words."""
        if self.quorum == NONE:
            return "nobody: quorum none, so a log could show different histories to different people"
        return self._told(self.quorum)

    def _told(self, name: str) -> str:
        group = self.groups.get(name)
        if group is None:
            return name
        members = ", ".join(f"({self._told(each)})" if each in self.groups else each for each in group.members)
        return f"{group.least} of {members}"
