"""Attacks on a push, over real git and real HTTP: the wire (G), the size of a change (P), and a hook that lies.

Each attack stands beside its honest twin, which lands from the same starting point.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest

from governance.adapters import git
from playing import ENVIRONMENT, MAIN, ZEROS, Files, Ground, Member, Repository, lines, until

EMPTY_PACK = b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")
BOGUS = "deadbeef" * 5
NEXT = "refs/heads/topic/next"


def small(repository: Repository, dev: Member) -> str:
    return repository.commit(dev, {"notes": "one line\n"}, repository.refs()[MAIN])


def raw_push(repository: Repository, by: Member, *commands: str) -> str:
    """Send ref updates as no git would; return what receive-pack reported."""
    packets = [f"{line}\0report-status side-band-64k\n" if not n else f"{line}\n" for n, line in enumerate(commands)]
    body = b"".join(f"{len(packet) + 4:04x}{packet}".encode() for packet in packets) + b"0000"
    body += EMPTY_PACK + hashlib.sha1(EMPTY_PACK).digest()
    basic = b64encode(f"{by.name}:{by.tokens[repository.name]}".encode()).decode()
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Basic {basic}"}
    with closing(http.client.HTTPConnection(*repository.ground.address, timeout=30)) as connection:
        connection.request("POST", f"/git/{repository.name}.git/git-receive-pack", body, headers)
        return joined(connection.getresponse().read())


def joined(packets: bytes) -> str:
    """Return what stands in packets of a side band, put together again (gitprotocol-pack(5))."""
    text = b""
    while packets:
        length = max(int(packets[:4], 16), 4)
        text += packets[5:length]
        packets = packets[length:]
    return text.decode("utf-8", "replace")


def lands(repository: Repository, dev: Member, head: str) -> None:
    """The honest twin: this may go in."""
    pushed = repository.push(dev, f"{head}:{MAIN}")
    assert pushed.landed, pushed.said


class TestTheWire:
    """What a push may say that git's own client would not."""

    def test_g01_laundering_through_a_topic_counts_all_that_lands(self, started: Repository, dev: Member) -> None:
        large = started.commit(dev, {"evil": lines(200)}, started.refs()[MAIN])
        assert started.push(dev, f"{large}:refs/heads/feature/x").landed
        assert started.push(dev, f"{large}:{MAIN}").code == "four_eyes.missing_sign_offs"
        honest = small(started, dev)
        assert started.push(dev, f"{honest}:refs/heads/feature/y").landed
        lands(started, dev, honest)

    def test_g01_in_slices_of_which_each_is_small(self, started: Repository, dev: Member) -> None:
        """Below the threshold each; pushed together they are one change above it."""
        head = started.refs()[MAIN]
        for number in range(3):
            head = started.commit(dev, {f"slice{number}": lines(20)}, head)
        assert started.push(dev, f"{head}:{MAIN}").code == "four_eyes.no_change"
        lands(started, dev, started.commit(dev, {"slice0": lines(20)}, started.refs()[MAIN]))

    def test_g02_a_new_protected_branch_is_a_change_however_small(self, started: Repository, dev: Member) -> None:
        head = small(started, dev)
        assert started.push(dev, f"{head}:refs/heads/topic/x").landed
        assert started.push(dev, f"{head}:refs/heads/release/1").code == "four_eyes.no_change"
        lands(started, dev, head)

    def test_g03_from_nothing_to_nothing_deletes_nothing(self, started: Repository, dev: Member) -> None:
        before = started.refs()
        said = raw_push(started, dev, f"{ZEROS} {ZEROS} {MAIN}")
        assert "ref_rules.nothing_to_nothing" in said
        assert started.refs() == before
        lands(started, dev, small(started, dev))

    @pytest.mark.parametrize("old", [BOGUS, ZEROS, "the tip of a topic"])
    def test_g04_g05_a_lie_about_the_old_value_is_seen_before_anything_else(
        self, started: Repository, dev: Member, old: str
    ) -> None:
        head = small(started, dev)
        assert started.push(dev, f"{head}:{NEXT}").landed
        before = started.refs()
        claimed = head if old.startswith("the") else old
        for new in (ZEROS, head):
            said = raw_push(started, dev, f"{claimed} {new} {MAIN}")
            assert "Refused (ref_rules." in said, said
            assert started.refs() == before
        decided = started.ground.entries("push.decided")
        assert not decided[-1]["data"]["allowed"]
        lands(started, dev, head)

    def test_g06_g07_a_second_protected_ref_is_not_judged_by_the_first(self, started: Repository, dev: Member) -> None:
        head, before = small(started, dev), started.refs()
        for order in ((MAIN, "refs/heads/release/1"), ("refs/heads/release/1", MAIN)):
            refused = started.push(dev, *(f"{head}:{ref}" for ref in order))
            assert refused.code == "ref_rules.several_protected", refused.said
        evil = started.commit(dev, {"evil": lines(200)}, before[MAIN])
        assert started.push(dev, f"{head}:{NEXT}", f"{evil}:{MAIN}").code == "four_eyes.no_change"
        assert started.refs() == before
        lands(started, dev, head)

    def test_g08_g09_replacements_cannot_be_pushed_in_any_order(self, started: Repository, dev: Member) -> None:
        head, before = small(started, dev), started.refs()
        evil = started.commit(dev, {"evil": lines(300)}, before[MAIN])
        replace = f"{head}:refs/replace/{evil}"
        assert started.push(dev, replace).code == "ref_rules.namespace"
        assert started.push(dev, replace, f"{evil}:{MAIN}").code != ""
        assert started.push(dev, f"{evil}:{MAIN}", replace).code != ""
        assert started.refs() == before
        lands(started, dev, head)

    def test_g10_an_alias_on_the_server_is_refused_by_the_name_it_points_to(
        self, started: Repository, dev: Member
    ) -> None:
        head, before = small(started, dev), started.refs()[MAIN]
        alias = started.path / "refs" / "heads" / "master"
        alias.write_text(f"ref: {MAIN}\n")
        refused = started.push(dev, f"{head}:refs/heads/master")
        assert refused.code == "ref_rules.symbolic", refused.said
        assert started.refs()[MAIN] == before
        alias.unlink()
        lands(started, dev, head)

    @pytest.mark.parametrize(
        ("ref", "code"),
        [
            pytest.param("refs/tags/main", "ref_rules.tag_shadows_branch", id="G-11"),
            pytest.param(f"refs/heads/{'ab' * 20}", "ref_rules.looks_like_object", id="G-13"),
            pytest.param("refs/notes/commits", "ref_rules.namespace", id="G-14 notes"),
            pytest.param("refs/changes/1/1", "ref_rules.namespace", id="G-14 pins"),
            pytest.param("refs/ledger/head", "ref_rules.namespace", id="G-14 ours"),
            pytest.param("refs/heads/MAIN", "ref_rules.look_alike", id="T-15 case"),
            pytest.param("refs/heads/m\u0430in", "ref_rules.namespace", id="T-15 Cyrillic"),
            pytest.param("refs/heads/ma\u200bin", "ref_rules.namespace", id="T-15 zero width"),
            pytest.param("refs/tags/light", "ref_rules.tag_lightweight", id="G-16"),
            pytest.param("refs/heads/-rf", "ref_rules.namespace", id="an option"),
        ],
    )
    def test_a_ref_that_is_not_what_it_reads_as_is_refused(
        self, started: Repository, dev: Member, ref: str, code: str
    ) -> None:
        head, before = small(started, dev), started.refs()
        refused = started.push(dev, f"{head}:{ref}")
        assert refused.code == code, refused.said
        assert started.refs() == before
        assert started.push(dev, f"{head}:{NEXT}").landed

    def test_g22_a_shallow_history_is_refused(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        hidden = started.commit(dev, {"evil": lines(200)}, first)
        tip = started.commit(dev, {"notes": "1\n"}, hidden)
        shallow = started.work / ".git" / "shallow"
        shallow.write_text(f"{tip}\n")
        refused = started.push(dev, f"{tip}:{MAIN}")
        shallow.unlink()
        assert not refused.landed
        assert started.refs()[MAIN] == first
        lands(started, dev, small(started, dev))

    def test_g23_a_history_of_its_own_does_not_land_alone_or_merged(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        orphan = started.commit(dev, {"evil": lines(200)})
        merged = started.commit(dev, {}, first, orphan, tree=started.tree({"evil": lines(200)}, base=first))
        assert started.push(dev, f"+{orphan}:{MAIN}").code in {
            "ref_rules.protected_rewound",
            "ref_rules.unrelated_history",
        }
        assert started.push(dev, f"{merged}:{MAIN}").code == "four_eyes.no_change"
        assert started.refs()[MAIN] == first
        lands(started, dev, small(started, dev))

    def test_g30_a_mirror_deletes_nothing_that_is_protected_or_pinned(self, started: Repository, dev: Member) -> None:
        before = started.refs()
        started.git("update-ref", "refs/heads/stray", small(started, dev))
        refused = started.push(dev, more=["--mirror"])
        assert not refused.landed
        assert started.refs() == before
        lands(started, dev, small(started, dev))

    def test_g31_push_options_grant_nothing(self, started: Repository, dev: Member) -> None:
        large = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
        spoof = ["-o", "approver=dev-b", "-o", "approver=qa-a", "-o", "\x1b[2Jskip=four_eyes"]
        refused = started.push(dev, f"{large}:{MAIN}", more=spoof)
        assert refused.code == "four_eyes.no_change"
        assert "\x1b" not in refused.said
        head = small(started, dev)
        assert started.push(dev, f"{head}:{MAIN}", more=spoof).landed

    def test_g32_more_refs_than_a_push_may_name(self, started: Repository, dev: Member) -> None:
        head, before = small(started, dev), started.refs()
        refused = started.push(dev, *(f"{head}:refs/heads/topic/t{n}" for n in range(101)))
        assert "push.too_many_refs" in refused.said
        assert started.refs() == before
        assert started.push(dev, *(f"{head}:refs/heads/topic/t{n}" for n in range(10))).landed

    @pytest.mark.parametrize("path", ["/git/{0}.git/HEAD", "/git/{0}.git/info/refs", "/git/{0}.git/objects/info/packs"])
    def test_g28_dumb_http_is_not_served(self, started: Repository, dev: Member, path: str) -> None:
        token = dev.tokens[started.name]
        assert started.ground.ask("GET", path.format(started.name), token=token).status == 404
        smart = f"/git/{started.name}.git/info/refs?service=git-upload-pack"
        assert started.ground.ask("GET", smart, token=token).status == 200


class TestTheChange:
    """What counts as small, and what hides."""

    @pytest.mark.parametrize(
        "files",
        [
            pytest.param({"src/\u00e9/auth.py": "1\n"}, id="P-01 not ASCII"),
            pytest.param({"a\tb/auth.py": "1\n"}, id="P-01 a tab"),
            pytest.param({"ok.md\nsrc/auth.py": "1\n"}, id="P-01 a line feed"),
            pytest.param({"data": b"text\n\0" + b"x\n" * 3}, id="P-05 a NUL"),
            pytest.param({"script.ps1": lines(3).encode("utf-16")}, id="P-05 UTF-16"),
            pytest.param({"one": "x" * 1_200_000}, id="P-07 one line"),
            pytest.param({"README": ("100755", "first\n")}, id="P-09 chmod"),
            pytest.param({"README": ("120000", "/etc/passwd")}, id="P-10 a link"),
            pytest.param({"vendor": ("160000", BOGUS)}, id="P-11 a submodule"),
            pytest.param({".gitattributes": "*.py -diff\n"}, id="P-06 P-22 attributes"),
            pytest.param({"a/CODEOWNERS": "* @me\n"}, id="P-22 owners"),
            pytest.param({".GITHUB/workflows/ci.yml": "on: push\n"}, id="P-22 case"),
            pytest.param({"package-lock.json": "{}\n"}, id="P-20 a lock"),
            pytest.param({"x.min.js": lines(51)}, id="P-20 generated"),
            pytest.param({"policies/policy.yaml": "version: 2\n"}, id="A-09 the policy"),
        ],
    )
    def test_what_looks_small_and_is_not_needs_two(self, started: Repository, dev: Member, files: Files) -> None:
        first = started.refs()[MAIN]
        refused = started.push(dev, f"{started.commit(dev, files, first)}:{MAIN}")
        assert refused.code == "four_eyes.no_change", refused.said
        lands(started, dev, small(started, dev))

    def test_p02_p03_a_rename_counts_as_what_goes_and_what_comes(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        body = lines(30)
        old = started.commit(dev, {"examples/backdoor.py": body}, first)
        lands(started, dev, old)
        renamed = started.commit(dev, {"examples/backdoor.py": None, "src/plugin.py": body}, old)
        assert started.push(dev, f"{renamed}:{MAIN}").code == "four_eyes.no_change"
        lands(started, dev, started.commit(dev, {"src/plugin.py": body}, old))

    def test_p13_what_a_merge_itself_adds_is_counted(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        ours, theirs = started.commit(dev, {"a": "1\n"}, first), started.commit(dev, {"b": "1\n"}, first)
        evil = started.commit(dev, {"b": "1\n", "evil": lines(200)}, ours, theirs)
        honest = started.commit(dev, {"b": "1\n"}, ours, theirs)
        assert started.push(dev, f"{evil}:{MAIN}").code == "four_eyes.no_change"
        lands(started, dev, honest)

    def test_p15_added_and_taken_back_within_one_push_still_counts(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        added = started.commit(dev, {"secrets/key.pem": lines(2)}, first)
        back = started.commit(dev, {"secrets/key.pem": None}, added)
        assert started.push(dev, f"{back}:{MAIN}").code == "four_eyes.no_change"
        padded = started.commit(dev, {"pad": None}, started.commit(dev, {"pad": lines(60)}, first))
        assert started.push(dev, f"{padded}:{MAIN}").code == "four_eyes.no_change"
        lands(started, dev, small(started, dev))

    def test_p21_paths_and_titles_reach_no_terminal_raw(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        title = "red \x1b[31m \u202e \x9b bell\x07\n"
        files = {f"\x1b]0;owned\x07{n}\u202egnp.auth.py": "1\n" for n in range(2)}
        nasty = started.commit(dev, files, first, message=title)
        pushed = started.push(dev, f"{nasty}:{NEXT}")
        assert pushed.landed, pushed.said
        assert "Change 2" in pushed.said
        refused = started.push(dev, f"{nasty}:{MAIN}")
        for said in (pushed.said, refused.said):
            assert not set(said) & set("\x1b\x07\x9b\u202e"), said

    def test_g17_a_tree_with_one_name_twice_is_refused(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        good, evil = (started.git("hash-object", "-w", "--stdin", text=t) for t in (b"1\n", lines(300).encode()))
        raw = b"".join(b"100644 a\0" + bytes.fromhex(oid) for oid in (good, evil))
        tree = started.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", text=raw)
        twice = started.commit(dev, {}, first, tree=tree)
        refused = started.push(dev, f"{twice}:{MAIN}")
        assert not refused.landed
        assert started.refs()[MAIN] == first
        lands(started, dev, started.commit(dev, {"a": "1\n"}, first))

    @pytest.mark.parametrize(
        ("extra", "code"),
        [
            pytest.param(b"encoding latin-1\n", "signed_commits.hidden_content", id="G-20"),
            pytest.param(b"hidden text\n", "signed_commits.hidden_content", id="an unknown header"),
        ],
    )
    def test_headers_that_tools_do_not_show_are_refused(
        self, started: Repository, dev: Member, extra: bytes, code: str
    ) -> None:
        first = started.refs()[MAIN]
        odd = started.commit(dev, {"a": "1\n"}, first, extra=extra)
        assert started.push(dev, f"{odd}:{MAIN}").code == code
        lands(started, dev, started.commit(dev, {"a": "1\n"}, first))

    def test_k11_an_unsigned_commit_under_a_signed_tip_is_refused(self, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        below = {signed: started.commit(dev, {"a": "1\n"}, first, signed=signed) for signed in (False, True)}
        assert started.push(dev, f"{started.commit(dev, {}, below[False])}:{NEXT}").code == "signed_commits.unsigned"
        lands(started, dev, started.commit(dev, {"b": "1\n"}, below[True]))


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


def test_g27_nothing_but_a_push_moves_a_ref(started: Repository, dev: Member) -> None:
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
    lands(started, dev, head)
