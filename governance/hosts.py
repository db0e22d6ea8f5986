"""The ways into a repository: who names the pusher there, in which variable, and how much that is worth.

A repository is registered with exactly one host, and a push to it is named by that host's variables alone. They are
believed only from the registered git user, which the kernel vouches for; whoever becomes that user could set them.
A variable that the host does not set is a claim of the pusher's, and is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from governance.errors import DeniedError


class Level(StrEnum):
    """What a decision can do where the repository is."""

    ENFORCED = "enforced"
    """Tried against the real thing: what is refused does not land."""
    DECIDED = "decided"
    """Decided and recorded, refused by the hook; that nothing passes by the hook is not claimed."""
    UNREACHED = "unreached"
    """Our hooks cannot run there. Listed so that the answer is given here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One way in."""

    name: str
    level: Level
    transport: str
    """What decisions record."""
    user: str = ""
    """The variable that names the pusher; empty where the socket itself does."""
    repository: tuple[str, ...] = ()
    """Variables that, joined by slashes, must, with `.git`, be how the repository's path ends."""
    dispatched: bool = False
    """Whether a script of the host's runs `hooks/<name>.d/*`, with a process of its own between git and us."""
    why: str = ""
    """Where it is unreached: what is in the way."""


_ROWS = (
    Host(name="front", level=Level.ENFORCED, transport="http"),
    Host(name="file", level=Level.DECIDED, transport="file"),
    Host(name="http", level=Level.ENFORCED, transport="http", user="REMOTE_USER"),
    Host(name="ssh", level=Level.ENFORCED, transport="ssh", user="TWINSEAL_USER"),
    Host(name="gitolite", level=Level.ENFORCED, transport="gitolite", user="GL_USER", repository=("GL_REPO",)),
    *(
        Host(
            name=name, level=Level.DECIDED, transport=name, user="GITEA_PUSHER_NAME", dispatched=True,
            repository=("GITEA_REPO_USER_NAME", "GITEA_REPO_NAME"),
        )
        for name in ("gitea", "forgejo")
    ),
    Host(
        name="gitlab", level=Level.UNREACHED, transport="gitlab", user="GL_USERNAME", repository=("GL_PROJECT_PATH",),
        why="Gitaly runs custom hooks from its own process: no reservation can be named for receive-pack",
    ),
    Host(
        name="ghes", level=Level.UNREACHED, transport="ghes", user="GITHUB_USER_LOGIN",
        repository=("GITHUB_REPO_NAME",),
        why="its hooks run in a chroot, away from our socket and from the repository's folder",
    ),
)  # fmt: skip
HOSTS: Mapping[str, Host] = {host.name: host for host in _ROWS}

VARIABLES = frozenset(
    name for host in _ROWS if host.level is not Level.UNREACHED for name in (host.user, *host.repository) if name
)
"""All that the hook passes on of its environment, besides the front's session. The hook has its own copy; a test
compares them."""


def named(host: Host, said: Mapping[str, str], path: str) -> str:
    """Return the user that a host names for a push to the repository at `path`.

    Raises:
        DeniedError: It names nobody, or speaks of another repository.
    """
    user = said.get(host.user, "")
    if not user:
        raise DeniedError(
            f"host {host.name} names the pusher in {host.user}, which is not set: nobody pushes here without a name",
            code="identity.none",
            mend="Push through the server this repository is registered with; git daemon has no identities.",
        )
    if host.repository:
        spoken = "/".join(said.get(name, "") for name in host.repository)
        # Forges keep owner and name in lower case on disk, whatever case people gave them.
        if not all(spoken.split("/")) or not path.lower().endswith(f"/{spoken.lower()}.git"):
            said_ = f"host {host.name} speaks of repository {spoken!a:.80}, and this one is {path}"
            raise DeniedError(said_, code="identity.other_repository")
    return user
