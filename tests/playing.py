"""A place to play for tests that push: one real service, principals with quick keys, a repository for each test.

The service, git, the hooks and HTTP are real. Only the keys are made and used in this process, by `keys`, because gpg
takes a third of a second for each; what gpg makes is tested where the command line is.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keys
import starting
from builders import loose_policy
from governance.adapters import clock, git, hook_files
from governance.entrypoints.playground import Playground
from governance.people.statements import compose
from governance.signatures import possession_challenge

LOG = "localhost/playground"
MAIN = "refs/heads/main"
ZEROS = "0" * 40
AGENTS = {"dev-a": "dev-a", "dev-b": "dev-b", "qa-a": "qa-a", "architect-a": "architect-a"}
"""Principals and their roles; the owner comes first, by the secret that `init` leaves."""
CODE = re.compile(r"(?:Refused|so refused) \(([a-z_.]+)\)")
UNTIL_S = 20.0
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}
Files = Mapping[str, "str | bytes | tuple[str, str] | None"]
"""By path: content, (mode, content), or None to take it away. With mode 160000 the content is an object name."""


def until(found: Callable[[], Any], what: str, *, seconds: float = UNTIL_S) -> Any:  # noqa: ANN401 - whatever is found
    """Return what `found` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


def lines(count: int, *, word: str = "line") -> str:
    """Return so many lines of text."""
    return "".join(f"{word} {number}\n" for number in range(count))


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said over HTTP."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The stable code of a problem; empty for an answer that is none."""
        return str(self.body["code"]) if self.status >= 400 else ""

    @property
    def done(self) -> dict[str, Any]:
        assert self.status < 300, (self.status, self.raw)
        return dict(self.body["done"])


@dataclass(frozen=True, slots=True)
class Pushed:
    """How a push ended, and what its pusher read."""

    status: int
    said: str

    @property
    def landed(self) -> bool:
        return self.status == 0

    @property
    def code(self) -> str:
        """The code it was refused with; empty where it landed or nobody of ours said no."""
        found = CODE.search(self.said)
        return found[1] if found and not self.landed else ""


class Member:
    """A principal: a key in this process, a seat's token, and a token for each repository."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.ground = ground
        self.name = name
        self.key = keys.key_of(name)
        self.tokens: dict[str, str] = {}

    @property
    def person(self) -> str:
        return f"{self.name} <{self.key.email}>"

    def enroll(self, secret: str, *, first: bool = False) -> Answer:
        """Bring the key, with proof of possession, and keep the token that comes back."""
        certificate = base64.b64encode(self.key.certificate).decode()
        asked = self.ground.ask("POST", "/challenges", {"certificate": certificate, "secret": secret})
        assert asked.status == 200, asked.raw
        given = asked.body
        text = possession_challenge(LOG, principal=self.name, fingerprint=self.key.fingerprint, nonce=given["nonce"])
        body = {
            "certificate": certificate,
            "secret": secret,
            "nonce": given["nonce"],
            "proof": self.key.sign(text).decode(),
        }
        about = {"name": self.name, "emails": [self.key.email]} if first else {}
        answer = self.ground.ask("POST", "/keys", {**body, **about})
        if answer.status < 300:
            self.tokens[""] = answer.body["token"]
        return answer

    def signed(self, type_: str, body: Mapping[str, Any], **changed: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
        """Return a statement and its signature. `changed` replaces fields of the statement."""
        said = {"log": LOG, "by": self.name, "at": clock.now(), "nonce": clock.nonce(), "body": body, **changed}
        raw = compose(said.pop("type", type_), **said)
        return {"statement": raw.decode(), "signature": self.key.sign(raw).decode()}

    def say(self, type_: str, path: str, body: Mapping[str, Any], *, repository: str = "", **changed: Any) -> Answer:  # noqa: ANN401
        """Sign a statement and hand it in with the token for a repository, or the seat's own."""
        return self.ground.ask("POST", path, self.signed(type_, body, **changed), token=self.tokens[repository])

    def get(self, path: str, *, repository: str = "") -> Answer:
        return self.ground.ask("GET", path, token=self.tokens[repository])


class Ground:
    """One service in one folder, with its owner and agents enrolled."""

    def __init__(self, folder: Path, *, uid_of: str = "", database: str = "", policy: Path | None = None) -> None:
        """Begin. `uid_of` names the agent whose uid is our own, for pushes by path; nothing is enforced then.

        `database` is the address of an empty one, to keep the ledger there and not in a file. `policy` is one to begin
        with instead of the shipped one with its counting numbers out of the way.
        """
        self.database = database
        self.socket, self.peer = folder / "data" / "hook.sock", folder / "data" / "peer.sock"
        self.play = self._playground(folder)
        self.advisory = bool(uid_of)
        self.members: dict[str, Member] = {}
        self._numbers = iter(range(1, 10_000))
        policy = policy or loose_policy(folder / "policy")
        said = self.play.owner.twinseal("init", "--origin", LOG, "--policy", str(policy), "--json")
        (folder / "recovery-key").write_text(json.loads(said)["recovery_key"])
        assert not self.play.mistakes, self.play.mistakes
        self.play.start()
        try:
            self._enroll_all(folder, uid_of)
        except BaseException:
            self.play.stop()
            raise

    def _playground(self, folder: Path) -> Playground:
        more = {"TWINSEAL_SOCKET": str(self.socket), "TWINSEAL_PEERS": str(self.peer)}
        settings = {"TWINSEAL_DATABASE": self.database, **more} if self.database else {}
        return Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, settings=settings)

    @contextmanager
    def replica(self) -> Iterator[Ground]:
        """Run another service beside this one, on the same database and folders, with a socket of its own."""
        other = copy(self)
        other.socket, other.peer = self.peer, self.socket
        other.play = other._playground(self.play.folder)
        other.members = {name: copy(member) for name, member in self.members.items()}
        for member in other.members.values():
            member.ground = other
        other.owner = other.members["owner"]
        other.play.start()
        try:
            yield other
        finally:
            other.play.stop()

    def _enroll_all(self, folder: Path, uid_of: str) -> None:
        secret = (folder / "state" / "enrolment-secret").read_text()
        self.owner = self.members["owner"] = Member(self, "owner")
        assert self.owner.enroll(secret, first=True).status == 201
        for name, role in AGENTS.items():
            self.enroll(name, role=role, uid=os.getuid() if name == uid_of else None)

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def add(self, name: str, *, role: str, uid: int | None = None, **more: Any) -> Answer:  # noqa: ANN401 - JSON
        body = {"name": name, "role": role, "emails": [f"{name}@example.org"], "uid": uid, **more}
        return self.owner.say("principal.add", "/principals", body)

    def enroll(self, name: str, *, role: str, uid: int | None = None) -> Member:
        member = Member(self, name)
        answer = member.enroll(self.add(name, role=role, uid=uid).done["secret"])
        assert answer.status == 201, answer.raw
        self.members[name] = member
        return member

    @property
    def pid(self) -> int:
        assert self.play._service is not None
        return self.play._service.pid

    @property
    def data(self) -> Path:
        return self.play.folder / "data"

    @property
    def log(self) -> str:
        return (self.play.folder / "service.log").read_text()

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start the service; it compares every ref with the ledger when it starts."""
        self.play.stop(kill=kill)
        self.play.start()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Keep the service from running, without its knowing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def ask(
        self, method: str, path: str, body: object = None, *, token: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask over HTTP. A body is JSON, unless it is bytes already."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        given |= {"Content-Type": "application/json"} if body is not None else {}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with closing(http.client.HTTPConnection(*self.address, timeout=30)) as connection:
            full = path if path.startswith(("/git/", "/healthz", "//")) else f"/v1{path}"
            connection.request(method, full.replace("//", "/"), data, {**given, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.play.listen.rpartition(":")
        return host, int(port)

    def entries(self, kind: str = "", *, start: int = 0) -> list[dict[str, Any]]:
        """Return the ledger's entries, of one kind or all."""
        found: list[dict[str, Any]] = []
        while items := self.owner.get(f"/ledger/entries?start={start + len(found)}").body["items"]:
            found += [json.loads(item["body"]) for item in items]
        return [entry for entry in found if kind in {"", entry["kind"]}]

    def entry(self, seq: int) -> dict[str, Any]:
        """Return one entry of the ledger, as the service shows it."""
        found: dict[str, Any] = json.loads(self.owner.get(f"/ledger/entries/{seq}").body["body"])
        assert found["seq"] == seq
        return found

    def twinseal(self, *args: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of ours as the operator of this service."""
        env = self.play.environment("owner") | ({"TWINSEAL_DATA": str(data)} if data else {})
        return starting.run([*starting.OURS, *args], env=env)

    def govern(self, work: Path, *members: str, name: str = "") -> Repository:
        """Make an empty bare repository, govern it, and give these members a token for it."""
        found = Repository(self, name or f"r{next(self._numbers)}", work)
        for member in members or self.members:
            found.admit(self[member])
        return found

    def forget(self, repository: Repository) -> None:
        """Let go of a repository, where nothing is under way in it: every start compares all that are governed."""
        said = {"repository": repository.name, "reason": "the test that it was for is over"}
        with suppress(OSError):
            self.owner.say("repository.remove", f"/repositories/{repository.name}/removal", said)

    def assert_sound(self) -> None:
        """The chain is unbroken, up to the mark, and the state is what the entries say."""
        for command in (("ledger", "verify"), ("ledger", "rebuild", "--check")):
            done = self.twinseal(*command)
            assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        self.play.close()


class Repository:
    """One governed repository, with a store of objects to push from that all members share."""

    def __init__(self, ground: Ground, name: str, work: Path) -> None:
        self.ground = ground
        self.name = name
        self.path = ground.play.folder / f"{name}.git"
        self.work = work / f"{name}-work"
        for made in (("--bare", str(self.path)), (str(self.work),)):
            subprocess.run([git.program(), "init", "-q", "-b", "main", *made], check=True, env=ENVIRONMENT)
        said = {"name": name, "path": str(self.path), "advisory": ground.advisory}
        done = ground.owner.say("repository.add", "/repositories", said).done
        self.id = done["id"]
        hook_files.install(self.path, identifier=self.id, socket=Path(done["socket"]))

    def admit(self, member: Member, *, days: int = 1) -> Answer:
        """Give a member a token for this repository."""
        said = {"principal": member.name, "repository": self.name, "days": days}
        answer = self.ground.owner.say("token.issue", "/tokens", said)
        member.tokens[self.name] = answer.done["token"]
        return answer

    def git(self, *args: str, text: bytes = b"", index: Path | None = None) -> str:
        """Run git in the shared store; it must succeed. What it says comes as text without its ends."""
        return self.raw(*args, text=text, index=index).decode().strip()

    def raw(self, *args: str, text: bytes = b"", index: Path | None = None) -> bytes:
        """Likewise, as bytes."""
        env = ENVIRONMENT | ({"GIT_INDEX_FILE": str(index)} if index else {})
        command = [git.program(), "-C", str(self.work), *args]
        done = subprocess.run(command, input=text, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def config(self, name: str, value: str) -> None:
        """Set something in the governed repository, as only its git user could."""
        command = [git.program(), "-C", str(self.path), "config", name, value]
        subprocess.run(command, check=True, env=ENVIRONMENT)

    def tree(self, files: Files, *, base: str = "") -> str:
        """Write a tree: that of a commit, with these files changed."""
        index = self.work / "an-index"
        index.unlink(missing_ok=True)
        if base:
            self.git("read-tree", base, index=index)
        changed = []
        for path, content in files.items():
            mode, data = content if isinstance(content, tuple) else ("100644", content)
            if data is None:
                changed.append(f"0 {ZEROS}\t{path}")
                continue
            raw = data.encode() if isinstance(data, str) else data
            oid = data if mode == "160000" else self.git("hash-object", "-w", "--stdin", text=raw)
            changed.append(f"{mode} {oid!s}\t{path}")
        self.git("update-index", "-z", "--index-info", text="".join(f"{c}\0" for c in changed).encode(), index=index)
        return self.git("write-tree", index=index)

    def commit(
        self,
        by: Member,
        files: Files,
        *parents: str,
        author: str = "",
        committer: str = "",
        message: str = "a change\n",
        extra: bytes = b"",
        signed: bool = True,
        tree: str = "",
    ) -> str:
        """Write a commit on top of its first parent's files, signed by its member; return its name."""
        wanted = tree or self.tree(files, base=parents[0] if parents else "")
        who = author or by.person
        raw = keys.commit_bytes(wanted, parents, author=who, committer=committer, message=message, extra=extra)
        return keys.write_object(self.work, keys.sign_commit(raw, by.key) if signed else raw)

    def url(self, by: Member) -> str:
        return f"http://{by.name}:{by.tokens[self.name]}@{self.ground.play.listen}/git/{self.name}.git"

    def lying_hook(self, *code: str) -> None:
        """Put our own pre-receive in the way of the shipped one: it runs this code first, in the same process.

        The code finds the hook's modules as `gather`, `receive` and `wire`, and the service's process id as `PID`.
        """
        home = str(self.path / "twinseal")
        modules = "".join(f"import twinseal_hook.{name} as {name}\n" for name in ("gather", "receive", "wire"))
        text = (
            f"#!{hook_files.interpreter()} -ISB\nimport os, sys, time\nPID = {self.ground.pid}\n"
            f"sys.path.insert(0, {home + '/hook'!r})\n{modules}from twinseal_hook import Undecided\n"
            + "\n".join(code)
            + f"\ncode = receive.main({home!r})\nglobals().get('after', lambda: None)()\nsys.exit(code)\n"
        )
        (self.path / "hooks" / "pre-receive").write_text(text)

    def waiting_hook(self, folder: Path) -> tuple[Path, Path]:
        """Let the hook say that it gathers, and gather only when it is told to; return the two signs."""
        gathers, go_on = folder / "gathers", folder / "go-on"
        self.lying_hook(
            "true = gather.gather",
            "def waiting(*args, **more):",
            f"    open({str(gathers)!r}, 'w').close()",
            f"    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)",
            "    return true(*args, **more)",
            "gather.gather = waiting",
        )
        return gathers, go_on

    def honest_hook(self) -> None:
        """Put the shipped hooks back."""
        hook_files.install(self.path, identifier=self.id, socket=self.ground.socket)

    def start_push(self, by: Member, *refspecs: str, url: str = "", more: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Begin a push and do not wait for it."""
        command = [git.program(), "-C", str(self.work), "push", *more, url or self.url(by), *refspecs]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, errors="replace")

    def push(self, by: Member, *refspecs: str, url: str = "", more: Sequence[str] = ()) -> Pushed:
        """Push as a member, over HTTP unless another address is given."""
        return ended(self.start_push(by, *refspecs, url=url, more=more))

    def refs(self) -> dict[str, str]:
        """What people and landings move; not the ledger's own checkpoints, which come by themselves."""
        return {name: oid for name, (oid, _) in git.refs(self.path).items() if not name.startswith("refs/ledger/")}

    def change(self, number: int) -> dict[str, Any]:
        found = self.ground.owner.get(f"/repositories/{self.name}/changes/{number}", repository=self.name)
        assert found.status == 200, found.raw
        return dict(found.body)

    def sign_off(self, by: Member, number: int, verdict: str = "approve", **changed: object) -> Answer:
        """Sign off the patch set as it is shown; `changed` replaces parts of what is bound."""
        binding = self.change(number)["binding"] | changed
        body = {"verdict": verdict, "binding": binding}
        return by.say("sign_off", f"/repositories/{self.name}/sign-offs", body, repository=self.name)

    def withdraw(self, by: Member, number: int) -> Answer:
        path = f"/repositories/{self.name}/sign-offs"
        said = {"change": number, "repository": self.name}
        return by.say("sign_off.withdraw", path, said, repository=self.name)

    def approve(self, number: int, *names: str) -> None:
        for name in names:
            answer = self.sign_off(self.ground[name], number)
            assert answer.status == 201, answer.raw

    def open(self, by: Member, head: str, *, topic: str = "topic/one") -> int:
        """Push a commit to a topic branch; return the change that opens."""
        pushed = self.push(by, f"+{head}:refs/heads/{topic}")
        assert pushed.landed, pushed.said
        found = re.search(r"Change (\d+), patch set", pushed.said)
        assert found, pushed.said
        until(lambda: not self.reserved(), "the push is recorded as applied")
        return int(found[1])

    def land(self, by: Member, head: str, *approvers: str, topic: str = "topic/one") -> None:
        """Open a change, have it signed off, and land it."""
        self.approve(self.open(by, head, topic=topic), *approvers)
        pushed = self.push(by, f"{head}:{MAIN}")
        assert pushed.landed, pushed.said

    def begin(self) -> str:
        """Land the first commit, by dev-a, with the two sign-offs that creating the target takes; return it.

        It is recorded when this returns: what asks for a repository at rest may follow at once.
        """
        first = self.commit(self.ground["dev-a"], {"README": "first\n"})
        self.land(self.ground["dev-a"], first, "dev-b", "qa-a", topic="topic/begin")
        until(lambda: not self.reserved(), "the first commit is recorded")
        return first

    def reserved(self) -> int:
        """Return how many moves are reserved and neither applied nor released."""
        found = self.ground.owner.get("/status").body["repositories"]
        return next(int(repository["reserved"]) for repository in found if repository["name"] == self.name)

    def frozen(self) -> bool:
        found = self.ground.owner.get("/status").body["repositories"]
        return next(bool(repository["frozen"]) for repository in found if repository["name"] == self.name)


def ended(push: subprocess.Popen[str]) -> Pushed:
    """Wait for a push."""
    said = push.communicate(timeout=60)
    return Pushed(push.returncode, "".join(said))
