"""Who pushes, by what the transport says: the socket's peer, the front's session, the host's own variable.

Never by what a commit, a push option or the command line of a pusher says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from governance import hosts
from governance.errors import DeniedError
from governance.gathered import Hello
from governance.hosts import HOSTS, Host, Level
from governance.people.tokens import Caller
from governance.state.fold import Tx

FRONT, FILE = "front", "file"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who pushes, and how we know."""

    principal: str
    kind: str
    transport: str
    enforced: bool
    token: str = ""
    """Public id of the token that was shown, where one was."""
    observed: bool = False
    """Whether the repository is only observed: nothing is refused in it for breaking a rule."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who is at the other end of the hook socket."""

    uid: int
    """From the kernel (SO_PEERCRED)."""
    ourselves: bool
    """Whether it runs as the service's own user, as children of the front do."""
    session: Caller | None
    """Who opened the session that the hook hands back, if it is open."""


def identify(tx: Tx, hello: Hello, repository: Mapping[str, Any], asker: Asker) -> Identity:
    """Return who pushes to this repository.

    Raises:
        DeniedError: The facts come from a stranger, or nobody enrolled is named in the way this host names people.
    """
    git_user_only(repository, asker)
    return replace(_named(tx, hello, repository, asker), observed=repository["mode"] == "observe")


def git_user_only(repository: Mapping[str, Any], asker: Asker) -> None:
    """Take facts from nobody but the registered git user, and from ourselves where the front is the way in.

    Raises:
        DeniedError: It is somebody else.
    """
    host = HOSTS[repository["host"]]
    if asker.uid != repository["git_uid"] and not (host.name == FRONT and asker.ourselves):
        said = f"uid {asker.uid} is not the git user of {repository['name']} (uid {repository['git_uid']})"
        raise DeniedError(said, code="identity.not_git_user")


def _named(tx: Tx, hello: Hello, repository: Mapping[str, Any], asker: Asker) -> Identity:
    host = HOSTS[repository["host"]]
    if host.name == FRONT and hello.session:
        return _by_session(repository, asker)
    # Advisory repositories enforce nothing, so that a push by path may be tried on them too.
    if host.name == FILE or (host.name == FRONT and repository["advisory"]):
        return _by_uid(tx, asker.uid)
    if host.name == FRONT:
        raise DeniedError(
            f"a push to {repository['name']} is known by the front's session, and this one has none",
            code="identity.none",
            mend="Push through the front: git remote set-url origin http://NAME:TOKEN@HOST/git/REPOSITORY.git",
        )
    return _by_host(tx, host, hello, repository)


def _by_session(repository: Mapping[str, Any], asker: Asker) -> Identity:
    caller = asker.session
    if caller is None or caller.repository != repository["name"]:
        raise DeniedError("this push belongs to no session of this repository", code="identity.session")
    return Identity(caller.principal, caller.kind, HOSTS[FRONT].transport, not repository["advisory"], caller.token)


def _by_uid(tx: Tx, uid: int) -> Identity:
    row = tx.execute("select name, kind from principal where uid=? and retired_seq is null", (uid,)).fetchone()
    if row is None:
        said = f"nobody is enrolled with uid {uid}, and the file transport says nothing else"
        raise DeniedError(said, code="identity.none", mend="twinseal principal add NAME --uid UID ...")
    return Identity(row[0], row[1], HOSTS[FILE].transport, enforced=False)


def _by_host(tx: Tx, host: Host, hello: Hello, repository: Mapping[str, Any]) -> Identity:
    user = hosts.named(host, hello.host, repository["path"])
    row = tx.execute("select name, kind from principal where name=? and retired_seq is null", (user,)).fetchone()
    if row is None:
        said = f"host {host.name} names {user!a:.80}, and no principal is called that (any more)"
        mend = "Names must match: give the account at the host the principal's name, or enrol it."
        raise DeniedError(said, code="identity.unknown", mend=mend)
    enforced = host.level is Level.ENFORCED and not repository["advisory"]
    return Identity(row[0], row[1], host.transport, enforced=enforced)
