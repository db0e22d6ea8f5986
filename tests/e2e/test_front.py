"""The built-in front: git over smart HTTP, by token."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from governance.adapters import git
from governance.errors import UnauthenticatedError
from governance.people import tokens
from governance.people.principals import secret_digest
from governance.state.schema import SCHEMA
from playing import ENVIRONMENT, MAIN, Ground, Repository, lines


def clone(repository: Repository, name: str, token: str, folder: Path) -> subprocess.CompletedProcess[str]:
    url = f"http://{name}:{token}@{repository.ground.play.listen}/git/{repository.name}.git"
    command = [git.program(), "clone", "-q", url, str(folder)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_who_holds_a_token_clones_and_fetches(standing: Repository, tmp_path: Path) -> None:
    done = clone(standing, "dev-b", standing.ground["dev-b"].tokens[standing.name], tmp_path / "clone")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "README").read_text() == "first\n"


@pytest.mark.parametrize("case", ["made up", "another's name", "another repository's", "the seat's", "none"])
def test_who_holds_no_token_of_this_repository_neither_reads_nor_writes(
    started: Repository, ground: Ground, tmp_path: Path, case: str
) -> None:
    other = ground.govern(tmp_path)
    dev = ground["dev-a"]
    name, token = {
        "made up": ("dev-a", "tws_" + "A" * 43),
        "another's name": ("owner", dev.tokens[started.name]),
        "another repository's": ("dev-a", dev.tokens[other.name]),
        "the seat's": ("dev-a", dev.tokens[""]),
        "none": ("dev-a", ""),
    }[case]
    assert clone(started, name, token, tmp_path / "clone").returncode != 0
    head = started.commit(dev, {"a": "1\n"}, started.refs()[MAIN])
    url = f"http://{name}:{token}@{ground.play.listen}/git/{started.name}.git"
    refused = started.push(dev, f"{head}:{MAIN}", url=url)
    assert not refused.landed
    assert started.push(dev, f"{head}:{MAIN}").landed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/git/{0}.git/info/refs?service=git-upload-pack", 200),
        ("GET", "/git/{0}.git/info/refs?service=git-receive-pack", 200),
        ("GET", "/git/{0}.git/info/refs?service=git-upload-archive", 404),
        ("GET", "/git/{0}.git/info/refs", 404),
        ("GET", "/git/{0}.git/config", 404),
        ("GET", "/git/{0}.git/../{0}.git/HEAD", 404),
        ("GET", "/git/{0}.git/%2e%2e/data/ledger.sqlite", 404),
        ("GET", "/git/nowhere.git/info/refs?service=git-upload-pack", 403),
        ("PUT", "/git/{0}.git/git-receive-pack", 404),
        ("POST", "/git/{0}.git/git-upload-archive", 404),
        ("PROPFIND", "/git/{0}.git/", 404),
        ("GET", "/git/", 404),
    ],
)
def test_only_what_smart_http_needs_is_served(standing: Repository, method: str, path: str, status: int) -> None:
    token = standing.ground["dev-a"].tokens[standing.name]
    answer = standing.ground.ask(method, path.format(standing.name), token=token)
    assert answer.status == status, answer.raw[:200]


def test_without_a_token_git_is_told_how_to_ask(standing: Repository) -> None:
    answer = standing.ground.ask("GET", f"/git/{standing.name}.git/info/refs?service=git-upload-pack")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_a_basic_and_a_bearer_header_mean_the_same(standing: Repository) -> None:
    token = standing.ground["dev-a"].tokens[standing.name]
    path = f"/git/{standing.name}.git/info/refs?service=git-upload-pack"
    basic = b64encode(f"dev-a:{token}".encode()).decode()
    for header in (f"Basic {basic}", f"Bearer {token}", f"bearer {token}"):
        assert standing.ground.ask("GET", path, headers={"Authorization": header}).status == 200


def test_a_large_push_is_streamed_and_lands(started: Repository) -> None:
    dev = started.ground["dev-a"]
    head = started.commit(dev, {f"data{n}": lines(20_000, word=f"word {n}") for n in range(20)}, started.refs()[MAIN])
    started.land(dev, head, "dev-b", "qa-a")
    assert started.refs()[MAIN] == head


def test_a_compressed_request_is_read(started: Repository, tmp_path: Path) -> None:
    """git compresses what it asks for when it has many names to say."""
    dev, head = started.ground["dev-b"], started.refs()[MAIN]
    assert clone(started, "dev-b", dev.tokens[started.name], tmp_path / "clone").returncode == 0
    for number in range(60):
        head = started.commit(started.ground["dev-a"], {"n": f"{number}\n"}, head)
    assert started.push(started.ground["dev-a"], f"{head}:refs/heads/topic/many").landed
    command = [git.program(), "-C", str(tmp_path / "clone"), "fetch", "-q", "origin"]
    assert subprocess.run(command, env=ENVIRONMENT, check=False).returncode == 0


@pytest.mark.parametrize(("late", "good"), [(-1, True), (0, False), (1, False)])
def test_a_token_ends_when_it_ends(late: int, good: bool) -> None:  # noqa: FBT001 - a table
    """Against the state tables: the service's clock is the machine's, and is not turned for a test."""
    tx = sqlite.connect(":memory:")
    tx.executescript(SCHEMA)
    tx.execute("insert into principal values('dev-a','agent','dev-a','owner','','[]','[]',null,1,null)")
    token, digest = "tws_" + "a" * 43, secret_digest("tws_" + "a" * 43)
    tx.execute("insert into token values('t',?,'dev-a','demo',0,1000,null)", (digest,))
    if good:
        assert tokens.authenticate(tx, token, now=1000 + late).principal == "dev-a"
    else:
        with pytest.raises(UnauthenticatedError):
            tokens.authenticate(tx, token, now=1000 + late)
    tx.close()
