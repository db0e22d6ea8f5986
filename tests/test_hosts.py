"""The table of hosts, and who is believed: no server, only what it would say."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import pytest

from governance.errors import DeniedError, FactsError
from governance.gathered import Hello, Line, hello
from governance.hosts import HOSTS, VARIABLES, Level, named
from governance.identify import Asker, identify
from governance.people.tokens import Caller
from twinseal_hook.receive import HOST

GIT, SERVICE, OTHER = 500, 400, 77
ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "http": {"REMOTE_USER": "dev-a"},
    "ssh": {"TWINSEAL_USER": "dev-a"},
    "gitolite": {"GL_USER": "dev-a", "GL_REPO": "team/demo"},
    "gitea": {"GITEA_PUSHER_NAME": "dev-a", "GITEA_REPO_USER_NAME": "Team", "GITEA_REPO_NAME": "Demo"},
    "forgejo": {"GITEA_PUSHER_NAME": "dev-a", "GITEA_REPO_USER_NAME": "team", "GITEA_REPO_NAME": "demo"},
    "gitlab": {"GL_USERNAME": "dev-a", "GL_PROJECT_PATH": "team/demo"},
    "ghes": {"GITHUB_USER_LOGIN": "dev-a", "GITHUB_REPO_NAME": "team/demo"},
}
EVERYTHING = {name: value for said in ENVIRONMENTS.values() for name, value in said.items() if name in VARIABLES}
PATH = "/srv/git/team/demo.git"


def test_the_hook_passes_on_exactly_what_some_host_needs() -> None:
    assert {name.decode() for name in HOST} == VARIABLES
    assert not [name for name in VARIABLES if "AUTH" in name or "PASS" in name or "TOKEN" in name]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_host_names_the_pusher_in_its_own_variable(name: str) -> None:
    assert named(HOSTS[name], ENVIRONMENTS[name], PATH) == "dev-a"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_other_hosts_would_say_is_not_looked_at(name: str) -> None:
    host = HOSTS[name]
    without = {key: value for said in ENVIRONMENTS.values() for key, value in said.items() if key != host.user}
    with pytest.raises(DeniedError) as refused:
        named(host, without, PATH)
    assert refused.value.code == "identity.none"


@pytest.mark.parametrize(
    "spoken", ["team/other", "demo/demo", "eam/demo", "/team/demo", "team/demo/", "..", "", "/", "demo.git", "git/team"]
)
def test_another_repository_is_refused(spoken: str) -> None:
    with pytest.raises(DeniedError) as refused:
        named(HOSTS["gitolite"], {"GL_USER": "dev-a", "GL_REPO": spoken}, PATH)
    assert refused.value.code == "identity.other_repository"


def test_a_host_that_cannot_be_reached_says_why() -> None:
    assert all(host.why for host in HOSTS.values() if host.level is Level.UNREACHED)
    assert all(name == host.name for name, host in HOSTS.items())


def state() -> sqlite3.Connection:
    found = sqlite3.connect(":memory:")
    found.execute("create table principal(name text, kind text, uid integer, retired_seq integer)")
    rows = [("dev-a", "agent", None, None), ("gone", "agent", OTHER, 9), ("local", "agent", GIT, None)]
    found.executemany("insert into principal values(?,?,?,?)", rows)
    return found


def ask(
    host: str,
    said: Mapping[str, str],
    *,
    uid: int = GIT,
    session: str = "",
    caller: Caller | None = None,
    advisory: bool = False,
    mode: str = "enforce",
) -> tuple[str, str, bool]:
    """Return (principal, transport, enforced), having seen that whether it is observed is said."""
    repository = {"name": "demo", "path": PATH, "git_uid": GIT, "advisory": advisory, "host": host, "mode": mode}
    line = Line("0" * 40, "1" * 40, "refs/heads/x")
    asked = Hello("r1", session, (line,), (), 1, 1, dict(said))
    connection = state()
    try:
        found = identify(connection, asked, repository, Asker(uid, uid == SERVICE, caller))
    finally:
        connection.close()
    assert found.observed is (mode == "observe")
    return found.principal, found.transport, found.enforced


SESSION = Caller("dev-a", "agent", "demo", "t1")


@pytest.mark.parametrize(
    ("host", "more", "expected"),
    [
        ("front", {"uid": SERVICE, "session": "s", "caller": SESSION}, ("dev-a", "http", True)),
        ("front", {"uid": SERVICE, "session": "s", "caller": SESSION, "advisory": True}, ("dev-a", "http", False)),
        ("front", {"advisory": True}, ("local", "file", False)),
        ("file", {}, ("local", "file", False)),
        ("http", {}, ("dev-a", "http", True)),
        ("ssh", {}, ("dev-a", "ssh", True)),
        ("ssh", {"advisory": True}, ("dev-a", "ssh", False)),
        ("ssh", {"session": "s", "caller": Caller("owner", "human", "demo", "t")}, ("dev-a", "ssh", True)),
        ("gitolite", {}, ("dev-a", "gitolite", True)),
        ("gitea", {}, ("dev-a", "gitea", False)),
    ],
)
def test_who_is_believed(host: str, more: dict[str, object], expected: tuple[str, str, bool]) -> None:
    assert ask(host, EVERYTHING, **more) == expected  # type: ignore[arg-type]
    assert ask(host, EVERYTHING, mode="observe", **more) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "said", "more", "code"),
    [
        ("ssh", EVERYTHING, {"uid": OTHER}, "identity.not_git_user"),
        ("ssh", EVERYTHING, {"uid": SERVICE}, "identity.not_git_user"),
        ("file", EVERYTHING, {"uid": SERVICE}, "identity.not_git_user"),
        ("front", EVERYTHING, {"uid": OTHER, "session": "s", "caller": SESSION}, "identity.not_git_user"),
        ("front", EVERYTHING, {}, "identity.none"),
        ("front", EVERYTHING, {"session": "s"}, "identity.session"),
        ("front", {}, {"session": "s", "caller": Caller("dev-a", "agent", "other", "t")}, "identity.session"),
        ("http", {}, {"session": "s", "caller": SESSION}, "identity.none"),
        ("http", {"REMOTE_USER": ""}, {}, "identity.none"),
        ("http", {"REMOTE_USER": "nobody"}, {}, "identity.unknown"),
        ("http", {"REMOTE_USER": "gone"}, {}, "identity.unknown"),
        ("http", {"REMOTE_USER": "DEV-A"}, {}, "identity.unknown"),
        ("http", {"REMOTE_USER": "dev-a\n"}, {}, "identity.unknown"),
    ],
)
def test_who_is_not(host: str, said: Mapping[str, str], more: dict[str, object], code: str) -> None:
    with pytest.raises(DeniedError) as refused:
        ask(host, said, **more)  # type: ignore[arg-type]
    assert refused.value.code == code


@pytest.mark.parametrize("said", ["[]", '{"HTTP_AUTHORIZATION":"Basic x"}', '{"GL_USER":7}'])
def test_a_hello_brings_only_known_names_and_bytes(said: str) -> None:
    line = f"{'0' * 40} {'1' * 40} refs/heads/x"
    frame = (
        '{"v":1,"kind":"hello","repository":"r","session":"","lines":["%s"],"options":[],"pid":1,"start":1,"host":%s}'
    )
    with pytest.raises(FactsError):
        hello((frame % (line, said)).encode())
    assert hello((frame % (line, '{"GL_USER":"dev-a"}')).encode()).host == {"GL_USER": "dev-a"}
