"""Attacks on a push, over real git and real HTTP: the wire (G), the socket, and a hook that lies.

Each attack stands beside its honest twin, which lands from the same starting point.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from adversary.card import Case, attack
from adversary.raw import BOGUS, NEXT, raw_push, small
from governance.adapters import git
from playing import ENVIRONMENT, MAIN, ZEROS, Ground, Member, Repository, lines, until


def lands(repository: Repository, dev: Member, head: str) -> None:
    """The honest twin: this may go in."""
    pushed = repository.push(dev, f"{head}:{MAIN}")
    assert pushed.landed, pushed.said


class TestTheWire:
    """What a push may say that git's own client would not."""

    @attack("G-01")
    def test_g01_laundering_through_a_topic_counts_all_that_lands(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        large = started.commit(dev, {"evil": lines(200)}, started.refs()[MAIN])
        assert started.push(dev, f"{large}:refs/heads/feature/x").landed
        case.refused(started.push(dev, f"{large}:{MAIN}"), "four_eyes.missing_sign_offs")
        honest = small(started, dev)
        assert started.push(dev, f"{honest}:refs/heads/feature/y").landed
        case.lands(started, dev, honest)

    @attack("G-01")
    def test_g01_in_slices_of_which_each_is_small(self, case: Case, started: Repository, dev: Member) -> None:
        """Below the threshold each; pushed together they are one change above it."""
        head = started.refs()[MAIN]
        for number in range(3):
            head = started.commit(dev, {f"slice{number}": lines(20)}, head)
        case.refused(started.push(dev, f"{head}:{MAIN}"), "four_eyes.no_change")
        case.lands(started, dev, started.commit(dev, {"slice0": lines(20)}, started.refs()[MAIN]))

    @attack("G-02")
    def test_g02_a_new_protected_branch_is_a_change_however_small(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        head = small(started, dev)
        assert started.push(dev, f"{head}:refs/heads/topic/x").landed
        case.refused(started.push(dev, f"{head}:refs/heads/release/1"), "four_eyes.no_change")
        case.lands(started, dev, head)

    @attack("G-03")
    def test_g03_from_nothing_to_nothing_deletes_nothing(self, case: Case, started: Repository, dev: Member) -> None:
        before = started.refs()
        case.refused(raw_push(started, dev, f"{ZEROS} {ZEROS} {MAIN}"), "ref_rules.nothing_to_nothing")
        assert started.refs() == before
        case.lands(started, dev, small(started, dev))

    @pytest.mark.parametrize("old", [BOGUS, ZEROS, "the tip of a topic"])
    @attack("G-04", "G-05")
    def test_g04_g05_a_lie_about_the_old_value_is_seen_before_anything_else(
        self, case: Case, started: Repository, dev: Member, old: str
    ) -> None:
        head = small(started, dev)
        assert started.push(dev, f"{head}:{NEXT}").landed
        until(lambda: not started.reserved(), "the push is recorded, and its pin made")
        before = started.refs()
        claimed = head if old.startswith("the") else old
        for new in (ZEROS, head):
            codes = "ref_rules.stale_old", "ref_rules.nothing_to_nothing", "ref_rules.no_change"
            case.refused(raw_push(started, dev, f"{claimed} {new} {MAIN}"), *codes)
            assert started.refs() == before
        case.lands(started, dev, head)

    @attack("G-06", "G-07")
    def test_g06_g07_a_second_protected_ref_is_not_judged_by_the_first(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        head, before = small(started, dev), started.refs()
        for order in ((MAIN, "refs/heads/release/1"), ("refs/heads/release/1", MAIN)):
            refused = started.push(dev, *(f"{head}:{ref}" for ref in order))
            case.refused(refused, "ref_rules.several_protected")
        evil = started.commit(dev, {"evil": lines(200)}, before[MAIN])
        case.refused(started.push(dev, f"{head}:{NEXT}", f"{evil}:{MAIN}"), "four_eyes.no_change")
        assert started.refs() == before
        case.lands(started, dev, head)

    @attack("G-08", "G-09")
    def test_g08_g09_replacements_cannot_be_pushed_in_any_order(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        head, before = small(started, dev), started.refs()
        evil = started.commit(dev, {"evil": lines(300)}, before[MAIN])
        replace = f"{head}:refs/replace/{evil}"
        case.refused(started.push(dev, replace), "ref_rules.namespace")
        codes = "ref_rules.namespace", "four_eyes.no_change"
        case.refused(started.push(dev, replace, f"{evil}:{MAIN}"), *codes)
        case.refused(started.push(dev, f"{evil}:{MAIN}", replace), *codes)
        assert started.refs() == before
        case.lands(started, dev, head)

    @attack("G-10")
    def test_g10_an_alias_on_the_server_is_refused_by_the_name_it_points_to(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        head, before = small(started, dev), started.refs()[MAIN]
        alias = started.path / "refs" / "heads" / "master"
        alias.write_text(f"ref: {MAIN}\n")
        refused = started.push(dev, f"{head}:refs/heads/master")
        case.refused(refused, "ref_rules.symbolic")
        assert started.refs()[MAIN] == before
        alias.unlink()
        case.lands(started, dev, head)

    @attack("G-22")
    def test_g22_a_shallow_history_is_refused(self, case: Case, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        hidden = started.commit(dev, {"evil": lines(200)}, first)
        tip = started.commit(dev, {"notes": "1\n"}, hidden)
        shallow = started.work / ".git" / "shallow"
        shallow.write_text(f"{tip}\n")
        refused = started.push(dev, f"+{tip}:{MAIN}")
        shallow.unlink()
        case.stopped(refused, "shallow update not allowed")
        assert started.refs()[MAIN] == first
        case.lands(started, dev, small(started, dev))

    @attack("G-23")
    def test_g23_a_history_of_its_own_does_not_land_alone_or_merged(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        first = started.refs()[MAIN]
        orphan = started.commit(dev, {"evil": lines(200)})
        merged = started.commit(dev, {}, first, orphan, tree=started.tree({"evil": lines(200)}, base=first))
        codes = "ref_rules.protected_rewound", "ref_rules.unrelated_history"
        case.refused(started.push(dev, f"+{orphan}:{MAIN}"), *codes)
        case.refused(started.push(dev, f"{merged}:{MAIN}"), "four_eyes.no_change")
        assert started.refs()[MAIN] == first
        case.lands(started, dev, small(started, dev))

    @attack("G-30")
    def test_g30_a_mirror_deletes_nothing_that_is_protected_or_pinned(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        before = started.refs()
        started.git("update-ref", "refs/heads/stray", small(started, dev))
        refused = started.push(dev, more=["--mirror"])
        case.refused(refused, "ref_rules.namespace", "ref_rules.protected_deleted")
        assert started.refs() == before
        case.lands(started, dev, small(started, dev))

    @attack("G-31")
    def test_g31_push_options_grant_nothing(self, case: Case, started: Repository, dev: Member) -> None:
        large = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
        spoof = ["-o", "approver=dev-b", "-o", "approver=qa-a", "-o", "skip=four_eyes"]
        case.refused(started.push(dev, f"{large}:{MAIN}", more=spoof), "four_eyes.no_change")
        head = small(started, dev)
        case.twin(started.push(dev, f"{head}:{MAIN}", more=spoof))

    @attack("X-50")
    def test_x50_an_option_that_turns_the_terminal_is_refused_unshown(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        head = small(started, dev)
        refused = started.push(dev, f"{head}:{MAIN}", more=["-o", "\x1b[2Jskip=four_eyes"])
        case.refused(refused, "proposals.option")
        assert "\x1b" not in refused.said
        case.lands(started, dev, head)

    @attack("G-32")
    def test_g32_more_refs_than_a_push_may_name(self, case: Case, started: Repository, dev: Member) -> None:
        head, before = small(started, dev), started.refs()
        topics = [f"{head}:refs/heads/topic/t{n}" for n in range(101)]
        case.refused(started.push(dev, *topics[:51]), "push.too_many_refs")
        case.refused(started.push(dev, *topics), "push.too_many_refs")  # Where the hook itself gives up.
        assert started.refs() == before
        case.twin(started.push(dev, *(f"{head}:refs/heads/topic/t{n}" for n in range(10))))

    @attack("G-28")
    @pytest.mark.parametrize("path", ["/git/{0}.git/HEAD", "/git/{0}.git/info/refs", "/git/{0}.git/objects/info/packs"])
    def test_g28_dumb_http_is_not_served(self, case: Case, started: Repository, dev: Member, path: str) -> None:
        token = dev.tokens[started.name]
        case.unserved(started.ground.ask("GET", path.format(started.name), token=token))
        smart = f"/git/{started.name}.git/info/refs?service=git-upload-pack"
        case.twin(started.ground.ask("GET", smart, token=token))


class TestALyingHook:
    """The git user is believed about the repository, but not about what can be checked: names, bytes, sessions."""

    @pytest.mark.parametrize(
        ("lie", "code"),
        [
            pytest.param("facts['refs'] = []", "facts.malformed", id="no refs"),
            pytest.param("facts['actual'] = {}", "facts.malformed", id="no real values"),
            pytest.param("facts['commits'] = {}", "facts.malformed", id="no commits"),
            pytest.param(
                "facts['refs'][0]['exclude'] = facts['refs'][0]['new']", "facts.malformed", id="another range"
            ),
            pytest.param("facts['refs'][0]['new'] = facts['refs'][0]['old']", "facts.malformed", id="another update"),
            pytest.param("facts['refs'][0]['ref'] = 'refs/heads/topic/x'", "facts.malformed", id="another ref"),
            pytest.param("facts['v'] = 2", "facts.version", id="another version"),
            pytest.param("facts['kind'] = 'hello'", "facts.version", id="another kind"),
            pytest.param(
                "net = facts['refs'][0]['net']; net[0] = (*net[0][:6], -1000, 1)",
                "facts.malformed",
                id="a negative count",
            ),
            pytest.param("facts['refs'][0]['landed'] = 'no'", "facts.malformed", id="a word for a truth"),
            pytest.param(
                "facts['refs'][0].update(commits=[], landed=True, net=[])", "facts.malformed", id="all landed already"
            ),
            pytest.param("facts['refs'][0]['commits'] = []", "facts.malformed", id="no commit in the range"),
            pytest.param("facts['refs'][0]['landed'] = True", "facts.malformed", id="landed, and yet commits"),
            pytest.param("facts['refs'][0]['fast_forward'] = False", "facts.malformed", id="not forward"),
            pytest.param(
                "c = next(iter(facts['commits'].values())); c['raw'] = c['raw'].replace('a change', 'a chance')",
                "facts.other_object",
                id="other bytes",
            ),
        ],
    )
    def test_facts_that_contradict_themselves_are_not_believed(
        self, started: Repository, dev: Member, lie: str, code: str
    ) -> None:
        large = started.commit(dev, {"evil": lines(200)}, started.refs()[MAIN])
        started.lying_hook(
            "true = gather.gather",
            "def lie(*args, **more):",
            "    facts = true(*args, **more)",
            f"    {lie}",
            "    return facts",
            "gather.gather = lie",
        )
        before = started.refs()
        refused = started.push(dev, f"{large}:{MAIN}")
        assert refused.code == code, refused.said
        assert "could not decide" in refused.said.lower()
        assert started.refs() == before
        started.honest_hook()
        lands(started, dev, small(started, dev))

    @pytest.mark.parametrize("code", ["", "signed_commits.unsigned"], ids=["twin", "lie"])
    def test_commits_sent_ahead_vouch_for_no_others(self, started: Repository, dev: Member, code: str) -> None:
        """Signatures of a large push are verified from what the hook sends first; that says nothing of other bytes."""
        tip = started.refs()[MAIN]
        for number in range(50):
            tip = started.commit(dev, {"app.py": f"{number}\n"}, tip, signed=not code or number != 25)
        started.lying_hook(
            "true = receive._ahead",
            "def lie(service, raws):",
            "    signed = [raw for raw in raws if b'gpgsig' in raw]",
            "    true(service, [signed[0]] * 100)",
            "receive._ahead = lie",
        )
        assert started.push(dev, f"{tip}:refs/heads/topic/ahead").code == code
        started.honest_hook()
        assert started.push(dev, f"{tip}:refs/heads/topic/ahead").code == code

    @pytest.mark.parametrize("frames", [2, 3])
    def test_commits_sent_ahead_more_than_once_are_no_facts(
        self, started: Repository, dev: Member, frames: int
    ) -> None:
        started.lying_hook(
            "send = wire.Service.send",
            "def more(self, value):",
            "    if value['kind'] == 'facts':",
            f"        for _ in range({frames}): send(self, {{'v': 1, 'kind': 'commits', 'raw': ['x']}})",
            "    send(self, value)",
            "wire.Service.send = more",
        )
        assert started.push(dev, f"{small(started, dev)}:{MAIN}").code == "facts.version"
        started.honest_hook()
        lands(started, dev, small(started, dev))

    @pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'{"v":1}', b"\xff\xfe", b"[" * 100_000])
    def test_facts_that_are_no_facts_are_refused_and_the_service_goes_on(
        self, started: Repository, dev: Member, payload: bytes
    ) -> None:
        head = small(started, dev)
        started.lying_hook(
            "true = wire.Service.send",
            "def lie(self, value):",
            "    if value['kind'] == 'hello': return true(self, value)",
            f"    payload = {payload[:40]!r} * {max(1, len(payload) // 40)}",
            "    self._socket.sendall(b'%d\\n%b' % (len(payload), payload))",
            "wire.Service.send = lie",
        )
        refused = started.push(dev, f"{head}:{MAIN}")
        assert not refused.landed
        assert refused.code.startswith("facts."), refused.said
        started.honest_hook()
        lands(started, dev, head)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            pytest.param("value['session'] = ''", "identity.none", id="no session"),
            pytest.param("value['session'] = 'ab' * 16", "identity.session", id="a guess"),
            pytest.param("value['repository'] = 'nowhere'", "repository.unknown", id="no such repository"),
            pytest.param("value['lines'] = []", "push.malformed_lines", id="no lines"),
            pytest.param("value['lines'] *= 2", "push.malformed_lines", id="a ref twice"),
            pytest.param("value['pid'] = -1", "facts.malformed", id="no process"),
        ],
    )
    def test_a_hello_that_claims_what_it_may_not_is_refused(
        self, started: Repository, dev: Member, change: str, code: str
    ) -> None:
        head, before = small(started, dev), started.refs()
        started.lying_hook(
            "true = wire.Service.send",
            "def lie(self, value):",
            f"    if value['kind'] == 'hello': {change}",
            "    true(self, value)",
            "wire.Service.send = lie",
        )
        refused = started.push(dev, f"{head}:{MAIN}")
        assert f"({code})" in refused.said, refused.said
        assert started.refs() == before
        started.honest_hook()
        lands(started, dev, head)

    def test_a_session_of_one_repository_opens_no_other(
        self, started: Repository, dev: Member, ground: Ground, tmp_path: Path
    ) -> None:
        """A10: the hook of one repository claims to be that of another, with everything else in order."""
        other = ground.govern(tmp_path, name=f"{started.name}-other")
        head = small(started, dev)
        started.lying_hook(
            "true = wire.Service.send",
            "def lie(self, value):",
            f"    if value['kind'] == 'hello': value['repository'] = {other.id!r}",
            "    true(self, value)",
            "wire.Service.send = lie",
        )
        assert started.push(dev, f"{head}:{MAIN}").code == "identity.session"
        started.honest_hook()
        lands(started, dev, head)

    def test_the_hook_holds_no_token_and_no_key(self, started: Repository, dev: Member, tmp_path: Path) -> None:
        seen = tmp_path / "seen"
        started.lying_hook(f"open({str(seen)!r}, 'w').write(repr(dict(os.environ)))")
        lands(started, dev, small(started, dev))
        environment = seen.read_text()
        assert "TWINSEAL_SESSION" in environment
        assert "AUTHORIZATION" not in environment.upper()
        for token in dev.tokens.values():
            assert token not in environment
        started.honest_hook()


class TestTheSocket:
    """Clients that speak the protocol themselves."""

    HELLO: ClassVar[dict[str, object]] = {
        "v": 1,
        "kind": "hello",
        "session": "",
        "lines": [f"{ZEROS} {'1' * 40} {MAIN}"],
        "options": [],
        "pid": 1,
    }

    @staticmethod
    def ask(ground: Ground, *frames: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(ground.data / "hook.sock"))
            for frame in frames:
                asking.sendall(frame)
            answer = b""
            while piece := asking.recv(65536):
                answer += piece
                if b"\ntext\n" in answer:
                    break
            return answer

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(b"300000000\n", id="300 MB"),
            pytest.param(b"99999999999999\n", id="no such length"),
            pytest.param(b"-1\n", id="negative"),
            pytest.param(b"0x10\n", id="hexadecimal"),
            pytest.param(b"\xb2\xb3\n", id="digits that are none"),
            pytest.param(b"A" * 200_000, id="no length at all"),
            pytest.param(b"2\n{}", id="an empty hello"),
            pytest.param(b"5\n\xff\xff\xff\xff\xff", id="no text"),
        ],
    )
    def test_a_frame_that_is_none_is_answered_with_no(self, ground: Ground, frame: bytes) -> None:
        try:
            answer = self.ask(ground, frame)
        except ConnectionError:  # Closed before everything was sent: the hook takes that as a refusal too.
            answer = b""
        assert not answer or b"answer 3\n" in answer
        assert ground.ask("GET", "/healthz").status == 200

    def test_a_large_frame_is_refused_by_its_length_without_being_read(
        self, ground: Ground, started: Repository
    ) -> None:
        hello = json.dumps(self.HELLO | {"repository": started.id, "start": 1}).encode()
        answer = self.ask(ground, b"%d\n%b" % (len(hello), hello), b"300000000\n")
        assert b"identity.none" in answer, "nobody has our uid, so it never came to facts"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
    def test_another_uid_is_not_the_git_user_whatever_it_says(self, ground: Ground, started: Repository) -> None:
        client = (
            "import os, socket, sys\n"
            f"os.chdir({str(ground.data)!r})\n"
            "uid = int(sys.argv[1]); os.setgid(uid); os.setuid(uid)\n"
            "asking = socket.socket(socket.AF_UNIX); asking.connect('hook.sock')\n"
            "asking.sendall(sys.stdin.buffer.read())\n"
            "data = b''\n"
            "while b'text' not in data and (piece := asking.recv(65536)): data += piece\n"
            "sys.stdout.buffer.write(data)\n"
        )
        hello = json.dumps(self.HELLO | {"repository": started.id, "start": 1}).encode()
        ground.data.chmod(0o711)  # As where the git user is another: it must come to the socket.
        try:
            said = {}
            for uid in (65534, 0):
                command = [sys.executable, "-I", "-c", client, str(uid)]
                frame = b"%d\n%b" % (len(hello), hello)
                said[uid] = subprocess.run(command, input=frame, capture_output=True, check=True).stdout
        finally:
            ground.data.chmod(0o700)
        assert b"identity.not_git_user" in said[65534]
        assert b"identity.none" in said[0], "the registered uid is heard, and names nobody"

    def test_a_client_that_says_nothing_keeps_nobody_waiting(self, started: Repository, dev: Member) -> None:
        silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        try:
            for one in silent:
                one.connect(str(started.ground.data / "hook.sock"))
                one.send(b"10")
            lands(started, dev, small(started, dev))
        finally:
            for one in silent:
                one.close()


@attack("G-27")
def test_g27_nothing_but_a_push_moves_a_ref_unseen(case: Case, started: Repository, dev: Member) -> None:
    head = small(started, dev)
    assert started.push(dev, f"{head}:{NEXT}").landed
    until(lambda: not started.reserved(), "the push is recorded")
    before = started.refs()
    for command in (
        ("update-ref", MAIN, head),
        ("branch", "-f", "main", head),
        ("fetch", str(started.work), f"+{head}:{MAIN}"),
        ("tag", "v1", head),
        ("symbolic-ref", "-d", "HEAD"),
    ):
        run = [git.program(), "-C", str(started.path), *command]
        subprocess.run(run, env=ENVIRONMENT, capture_output=True, check=False)
    assert started.refs() == before
    case.lands(started, dev, head)
    until(lambda: not started.reserved(), "the push is recorded")
    (started.path / "refs" / "heads" / "main").write_text(f"{before[MAIN]}\n")  # No hook sees this.
    started.ground.restart()
    until(started.frozen, "the freeze")
    case.drifted(started)


@attack("A-39")
def test_a39_a_freeze_is_passed_by_no_other_name(case: Case, started: Repository, dev: Member) -> None:
    head, owner = small(started, dev), started.ground.owner
    stray = started.path / "refs" / "heads" / "sneaky"
    stray.write_text(f"{started.refs()[MAIN]}\n")
    started.ground.restart()
    until(started.frozen, "the freeze")
    for ref in (MAIN, NEXT, "refs/heads/release/1", "refs/heads/master", "refs/tags/deploys"):
        case.refused(started.push(dev, f"{head}:{ref}"), "freeze.in_force")
    shown = owner.get(f"/repositories/{started.name}/drift").body
    stray.unlink()
    body = {"repository": started.name, "freeze": shown["freeze"], "refs": {}}
    path = f"/repositories/{started.name}/thaw"
    assert owner.say("thaw", path, body | {"remediation": "the stray ref was looked at and removed"}).status == 200
    case.lands(started, dev, head)
