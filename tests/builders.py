"""Facts and standing for tests: sensible by default, so that each test changes one thing.

Unless told otherwise `a_push` lands one small commit, signed by its author dev-a, on the protected main, and
`a_standing` knows everybody and nothing that objects.
"""

# ruff: noqa: ANN401  # A builder takes any field of the value it builds.
from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.facts import (
    Change,
    CommitFacts,
    Content,
    Person,
    PushContext,
    SignatureFacts,
    TagFacts,
    UpdateFacts,
)
from governance.patterns import Pattern
from governance.policy import LANDER, FourEyes, Kind, Policy, Profile, Refs, SignedCommits
from governance.policy_text import load
from governance.standing import ChangeStanding, Principal, Roster, SignOff, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = 1_700_000_000_000
LATER = NOW + 60 * 60 * 1000
REPOSITORY = "garden"
MAIN = "refs/heads/main"
TOPIC = "refs/heads/topic/roses"
ZERO = "0" * 40
POLICIES = Path(__file__).parent.parent / "policies"


def oid(name: str) -> str:
    """Return an object name that is always the same for one word."""
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


OLD, NEW = oid("old"), oid("new")


LOOSE = b"""
debt: {group_times: 100, operator_times: 100, total_lines: 10000, total_files: 1000}
small_changes: {landings: 1000, lines: 10000, files: 1000, burst: 100}
tertiary: {percent: 0, floor_slots: 0}
freezing: {gate_bypasses: 100, intent_failures: 100, override_least: 100, pair_blocks: 100}
rate_limits:
  push: {hour: 10000, day: 100000}
  sign_off_request: {hour: 10000, day: 100000}
  peer_review: {hour: 10000, day: 100000}
  lock_request: {hour: 10000, day: 100000}
  critical_decision: {hour: 10000, day: 100000}
  message: {hour: 10000, day: 100000}
gates: {required: [{ref: refs/heads/gated, stages: [RED, GREEN]}]}
second_factor: {acts: [factor]}
"""
"""What a test changes of the shipped policy that pushes more in a minute than a fleet in a day, and asks nobody for a
second factor: tests of factors have a policy of their own."""

UNDRAWN = b"tertiary: {percent: 0, floor_slots: 0}\nsecond_factor: {acts: [factor]}\n"
"""What a test changes that lands by the shipped policy: a real service draws by a key that no test can foresee; and
nobody is asked for a second factor."""


def loosened(name: str, by: bytes = LOOSE) -> bytes:
    """Return the shipped file of this name; in a policy these sections are replaced."""
    text = (POLICIES / name).read_bytes()
    if name != "policy.yaml":
        return text
    sections = tuple(line.split(b":")[0] + b":" for line in by.splitlines() if line[:1].isalpha())
    for section in sections:  # A section that the shipped policy has gives way.
        text = re.sub(rb"(?m)^" + section + rb".*\n(?:[ #\n].*\n|\n)*", b"", text)
    return text + by


def unasked(text: str) -> str:
    """Return the text of a policy, asking nobody for a second factor but for what no test does."""
    return re.sub(r"(?s)\n  acts: \[.*?\]", "\n  acts: [factor]", text)


def shipped_policy(folder: Path) -> Path:
    """Write the policy that ships into a folder and return its path; it asks for no second factor, and draws nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    text = unasked((POLICIES / "policy.yaml").read_text())
    for chance in ("percent: 10", "floor_slots: 10"):
        assert text.count(f"\n  {chance}\n") == 1
        text = text.replace(f"\n  {chance}\n", f"\n  {chance.split()[0]} 0\n")
    (folder / "policy.yaml").write_text(text)
    (folder / "roles.yaml").write_bytes((POLICIES / "roles.yaml").read_bytes())
    return folder / "policy.yaml"


def loose_policy(folder: Path, by: bytes = LOOSE) -> Path:
    """Write that policy into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("policy.yaml", "roles.yaml"):
        (folder / name).write_bytes(loosened(name, by))
    return folder / "policy.yaml"


def asking_policy(folder: Path, *acts: str) -> Path:
    """Write the policy of most tests into a folder, asking for a second factor for these acts; return its path."""
    path = loose_policy(folder)
    path.write_text(path.read_text().replace("acts: [factor]", f"acts: [{', '.join(acts)}]"))
    return path


@cache
def _shipped() -> Policy:
    texts = [loosened(name) for name in ("policy.yaml", "roles.yaml")]
    return load(*texts, policy_name="policy.yaml", roles_name="roles.yaml")


def a_policy(
    *,
    four_eyes: dict[str, Any] | None = None,
    refs: dict[str, Any] | None = None,
    signed_commits: dict[str, Any] | None = None,
    **changed: Any,
) -> Policy:
    """Return the policy that ships, with these fields changed and its digest as it was."""
    shipped = _shipped()
    parts: dict[str, FourEyes | Refs | SignedCommits] = {
        "four_eyes": replace(shipped.four_eyes, **four_eyes or {}),
        "refs": replace(shipped.refs, **refs or {}),
        "signed_commits": replace(shipped.signed_commits, **signed_commits or {}),
    }
    return replace(shipped, **parts | changed)


def a_team_policy(**changed: Any) -> Policy:
    """Return the policy that ships, for several people."""
    return a_policy(profile=Profile.TEAM, **changed)


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern(text) for text in texts)


def a_principal(name: str, role: str = "", *, operator: str = "owner", **changed: Any) -> Principal:
    """Return a principal with the role of its name; an agent is run by the owner."""
    kind = _shipped().roles[role or name].kind
    own = name if kind.value == "human" else operator
    return Principal(name, kind, role or name, own, emails=(f"{name}@example.org",), **changed)


A_LANDER = Principal(LANDER, Kind.SERVICE, LANDER, "", emails=(f"{LANDER}@example.org",))
"""The service's own principal, as it enrols itself."""


def a_roster(*others: Principal, without: Iterable[str] = ()) -> Roster:
    """Return everybody: one principal for each role, `owner` and `mia` the people. `others` replace or add."""
    usual = [a_principal(role) for role in _shipped().roles if role != "human"]
    everyone = {p.name: p for p in (*usual, a_principal("mia", "human"), *others)}
    return Roster({name: p for name, p in everyone.items() if name not in set(without)})


def a_change(path: str = "src/app.py", lines: int = 10, **changed: Any) -> Change:
    """Return one changed text file."""
    fields: dict[str, Any] = {
        "path": path, "old_mode": "100644", "new_mode": "100644", "old": oid(f"{path} before"), "new": oid(path),
        "content": Content.TEXT, "lines": lines, "size": lines * 20,
    }  # fmt: skip
    return Change(**fields | changed)


def a_person(name: str) -> Person:
    """Return a name in metadata: of a principal, or of nobody where it is an address."""
    return Person(name, "") if "@" in name else Person(f"{name}@example.org", name)


def a_signature(principal: str = "dev-a", code: str = "") -> SignatureFacts:
    if code:
        return SignatureFacts(code, "It does not verify.")
    return SignatureFacts("", "", oid(principal).upper(), oid(principal).upper(), principal)


def a_commit(name: str = "new", *, author: str = "dev-a", signer: str = "", **changed: Any) -> CommitFacts:
    """Return one commit, written, committed and signed by its author."""
    fields: dict[str, Any] = {
        "oid": oid(name), "title": "Prune the roses", "tree": oid(f"{name} tree"), "parents": (OLD,),
        "author": a_person(author), "committer": a_person(author), "co_authors": (),
        "signature": a_signature(signer or author), "problems": (), "changes": (a_change(),), "measured": True,
    }  # fmt: skip
    return CommitFacts(**fields | changed)


def a_tag(name: str = "v1", **changed: Any) -> TagFacts:
    fields: dict[str, Any] = {
        "name": name, "tagger": a_person("dev-a"), "target": oid("landed"), "target_type": "commit",
        "signature": a_signature(), "problems": (),
    }  # fmt: skip
    return TagFacts(**fields | changed)


def a_context(**changed: Any) -> PushContext:
    fields: dict[str, Any] = {
        "repository": REPOSITORY, "pusher": "dev-a", "transport": "http", "enforced": True, "received_at": NOW,
        "refs": (MAIN,),
    }  # fmt: skip
    return PushContext(**fields | changed)


def a_push(
    changes: Sequence[Change] | None = None, *, commits: Sequence[CommitFacts] | None = None, **changed: Any
) -> UpdateFacts:
    """Return one ref update. `changes` are those of its only commit, and the net; fields of the push may be changed."""
    named = changed.keys() & {"pusher", "enforced", "received_at", "repository"}
    context = {name: changed.pop(name) for name in named}
    net = tuple(changes) if changes is not None else (a_change(),)
    made = tuple(commits) if commits is not None else (a_commit(changes=net),)
    ref = changed.get("ref", MAIN)
    fields: dict[str, Any] = {
        "push": a_context(refs=changed.pop("refs", (ref,)), **context), "ref": ref, "old": OLD, "new": NEW,
        "actual": changed.get("old", OLD), "symref": "", "object_type": "commit", "base": OLD, "fast_forward": True,
        "landed": False, "bases": (OLD,), "commits": made, "net": net,
    }  # fmt: skip
    return UpdateFacts(**fields | changed)


def a_deletion(ref: str) -> UpdateFacts:
    """Return the deletion of a ref: nothing is gathered about it."""
    return a_push([], commits=(), ref=ref, new=ZERO, object_type="none", base="", bases=(), fast_forward=False)


def a_sign_off(principal: str, facts: UpdateFacts, /, **changed: Any) -> SignOff:
    """Return an approval of exactly what this push would land."""
    fields: dict[str, Any] = {
        "seq": 10, "principal": principal, "approves": True, "repository": facts.push.repository, "target": facts.ref,
        "head": facts.new, "base": facts.merge_base, "tree": facts.tree, "diff_digest": facts.diff_digest,
        "policy_digest": _shipped().digest, "expires_at": LATER,
    }  # fmt: skip
    return SignOff(**fields | changed)


def a_review(
    facts: UpdateFacts, *sign_offs: SignOff | str, number: int = 7, contributors: Sequence[str] = ("dev-a",)
) -> ChangeStanding:
    """Return the open change of what is pushed; a bare name among the sign-offs is an approval by it."""
    given = tuple(s if isinstance(s, SignOff) else a_sign_off(s, facts) for s in sign_offs)
    return ChangeStanding(number, 1, TOPIC, facts.ref, facts.new, tuple(contributors), given)


def a_standing(**changed: Any) -> Standing:
    """Return what the ledger says when nothing is the matter."""
    return Standing(**{"policy": _shipped(), "roster": a_roster(), "landed": OLD} | changed)
