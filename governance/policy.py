"""What a policy says, as values, and what those values mean for one ref, one path, one role.

Nothing here reads a file; `policy_text` makes these values from bytes and checks them. Rules combine by
intersection: where two of them speak of the same ref or path the stricter holds, and the order in which
they were written never matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from governance.authority import SHIPPED, AuthorityRow
from governance.parameters import Parameters
from governance.patterns import Pattern, one_of, spellings

OWNER = "owner"
"""The one role that every policy has, because somebody must be left to ask."""

LANDER = "lander"
"""The role, and the name, of the service's own principal that merges what was allowed. Nobody else can hold it."""

PROPOSALS = "refs/for/"
"""What is pushed to this, followed by the name of a branch, is a change to that branch. No such ref ever exists."""

COMMIT_PROBLEMS = frozenset(
    {
        "co_author_malformed",
        "duplicate_gpgsig",
        "encoding_header",
        "gpgsig_sha256",
        "mergetag",
        "not_utf8",
        "nul_in_message",
        "unknown_header",
    }
)
"""What `objects.parse_commit` may find odd in a commit that it can read."""

LONGEST_PATH = 4096
"""Linux's PATH_MAX, in characters here. A longer path cannot be checked out by name, so nobody reads it either."""


class Profile(StrEnum):
    """How many people stand behind the policy, and so what its records may claim."""

    SOLO = "solo"
    TEAM = "team"


class CarryOver(StrEnum):
    """When a sign-off still counts though its target has moved on, if git merges the two without a conflict."""

    DISJOINT = "disjoint"
    """Where the two sides changed no path in common since."""
    ANY = "any"
    """Always."""
    NEVER = "never"


class Kind(StrEnum):
    """What a role is made of. Only a human has a second factor; a service never judges."""

    AGENT = "agent"
    HUMAN = "human"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Role:
    """A place that principals fill. Who fills it, and with which key, is for the ledger to say."""

    name: str
    kind: Kind
    description: str


@dataclass(frozen=True, slots=True)
class ApproverRow:
    """Which roles may approve what these authors made: one in first place, another in second.

    `first_together`, where it is not empty, is another way to fill the first place: one approver from *each* of
    its sets. `fallback` may fill a place that nobody else is free to fill; empty means that the change waits.
    """

    authors: frozenset[str]
    first: frozenset[str]
    second: frozenset[str]
    fallback: frozenset[str] = frozenset()
    first_together: tuple[frozenset[str], ...] = ()

    def without(self, role: str) -> ApproverRow:
        """The same row with one role struck from every approving place, so that "the other dev" is the other."""
        struck = {role}
        return ApproverRow(
            authors=self.authors,
            first=self.first - struck,
            second=self.second - struck,
            fallback=self.fallback - struck,
            # One of the sets may become empty. It then cannot be filled, which is right: it must not be skipped.
            first_together=tuple(group - struck for group in self.first_together),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FourEyes:
    """When a change needs two approvers: above `lines` changed lines, above `files` files, or on a risk path.

    A sign-off lives for `expires_hours`. `humans_stand_in` lets a human with no part in the change fill any place.
    `carry_over` says when the lander may merge a change on the sign-offs it had before its target moved.
    """

    lines: int = 50
    files: int = 3
    risk_paths: tuple[Pattern, ...]
    expires_hours: int = 72
    humans_stand_in: bool = True
    carry_over: CarryOver = CarryOver.DISJOINT
    _any_risk: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_any_risk", re.compile(one_of(self.risk_paths), re.DOTALL))

    def risk(self, path: str) -> Pattern | None:
        """The first pattern that means this path. Most paths meet none, and one expression says so at once."""
        forms = spellings(path)
        if not any(self._any_risk.fullmatch(form) for form in forms):
            return None
        return next(pattern for pattern in self.risk_paths if pattern.matches_any(forms))


@dataclass(frozen=True, slots=True)
class Refs:
    """Which refs are what. `target` is the branch that changes land on; `max_refs` bounds one push."""

    target: str
    protected: tuple[Pattern, ...]
    max_refs: int = 50
    topic: tuple[Pattern, ...] = field(default_factory=lambda: (Pattern("refs/heads/**"),))
    tags: tuple[Pattern, ...] = field(default_factory=lambda: (Pattern("refs/tags/**"),))


@dataclass(frozen=True, slots=True)
class SignedCommits:
    """How far a signature may lie in the future, in seconds, and which oddities of a commit refuse it."""

    signature_future_seconds: int = 300
    refuse_problems: frozenset[str] = COMMIT_PROBLEMS - {"mergetag"}

    def refuses(self, problem: str) -> bool:
        """Whether this problem refuses the commit, given as `code` or `code:detail`. An unknown code does."""
        code = problem.partition(":")[0]
        return code in self.refuse_problems or code not in COMMIT_PROBLEMS


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy in force. `digest` is the SHA-256 of its meaning (`policy_text.describe`), in hex.

    A ref may be protected and a tag, and then the rules of both hold; a topic is neither.
    """

    version: int
    profile: Profile
    roles: Mapping[str, Role]
    approvers: tuple[ApproverRow, ...]
    refs: Refs
    four_eyes: FourEyes
    signed_commits: SignedCommits
    digest: str
    controls: Parameters = field(default_factory=Parameters)
    authority: tuple[AuthorityRow, ...] = SHIPPED
    """Who may decide what, and who must agree."""

    def __hash__(self) -> int:
        """Tell policies apart by digest: controls are looked up by policy, and the whole is large."""
        return hash(self.digest)

    def row_for(self, role: str) -> ApproverRow:
        """Who may approve what this role authored, the role itself struck out unless people fill it.

        Two principals of one agent role never count as two; two people do. A role that stands in no row (a service,
        or one retired since) needs the owner and another human: never nothing.
        """
        for row in self.approvers:
            if role in row.authors:
                return row if self._is_human(role) else row.without(role)
        people = frozenset(name for name in self.roles if self._is_human(name))
        return ApproverRow(authors=frozenset({role}), first=frozenset({OWNER}), second=people | {OWNER})

    def is_protected(self, ref: str) -> bool:
        """Whether nothing lands on this ref without the whole procedure."""
        return _any_matches(self.refs.protected, ref)

    def is_tag(self, ref: str) -> bool:
        """Whether this ref is a tag, protected or not."""
        return _any_matches(self.refs.tags, ref)

    def is_topic(self, ref: str) -> bool:
        """Whether this ref is a branch to work on: matched by `topic`, neither protected nor a tag."""
        return _any_matches(self.refs.topic, ref) and not self.is_protected(ref) and not self.is_tag(ref)

    def proposed_for(self, ref: str) -> str:
        """The protected branch that a push to this `refs/for/` name proposes a change to, or empty."""
        branch = f"refs/heads/{ref.removeprefix(PROPOSALS)}" if ref.startswith(PROPOSALS) else ""
        return branch if branch and self.is_protected(branch) else ""

    def high_risk(self, path: str) -> str | None:
        """The risk pattern that means this path, or None; a path beyond `LONGEST_PATH` is risk by itself."""
        if len(path) > LONGEST_PATH:
            return f"(a path of more than {LONGEST_PATH} characters)"
        found = self.four_eyes.risk(path)
        return found.text if found else None

    def _is_human(self, name: str) -> bool:
        role = self.roles.get(name)
        return role is not None and role.kind is Kind.HUMAN


def _any_matches(patterns: tuple[Pattern, ...], ref: str) -> bool:
    return any(pattern.matches(ref) for pattern in patterns)
