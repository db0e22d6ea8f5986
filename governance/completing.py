"""From what the hook gathered to the facts of each update: objects parsed, people named, signatures proved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from governance import objects
from governance.errors import FactsError
from governance.facts import CarriedFacts, CommitFacts, Person, PushContext, SignatureFacts, TagFacts, UpdateFacts
from governance.gathered import Gathered, GatheredRef, Line
from governance.refusals import SignatureRefused
from governance.signatures import ObjectVerifier, Registry, Verified
from governance.standing import Roster

Completed = tuple[UpdateFacts, ...]
SHA1_HEX = 40
TITLE_LIMIT = 100
AHEAD_S = 86_400
"""How far a commit or tag may be dated into the future: clocks differ by hours, never by more than a day."""


@dataclass(frozen=True, slots=True)
class Proving:
    """What names and signatures are judged against. `at` is when the push was received, in Unix seconds."""

    verifier: ObjectVerifier
    registry: Registry
    roster: Roster
    at: int

    def person(self, ident: objects.Ident) -> Person:
        """Return who a name in an object claims to be."""
        return Person(ident.email, self.roster.by_email(ident.email))

    def claims(self, *idents: objects.Ident) -> tuple[str, ...]:
        """Return what these say that cannot be: another principal's name beside one's own address, a day to come."""
        problems: dict[str, None] = {}
        for ident in idents:
            name = ident.name.strip().casefold()
            other = name if name in self.roster.principals else self.roster.by_email(name)
            own = self.roster.by_email(ident.email)  # An address that nobody has is a fault of its own.
            if own and other and other != own:
                problems[f"name_of_another: {other}"] = None
            if ident.time > self.at + AHEAD_S:
                problems["dated_ahead"] = None
        return tuple(problems)

    def signatures(self, items: Sequence[tuple[bytes, bytes | None]]) -> list[SignatureFacts]:
        """Return what each signature proves, in order."""
        return [self._facts(one) for one in self.verifier.verify_many(items, self.registry, at=self.at)]

    def _facts(self, proved: Verified | SignatureRefused) -> SignatureFacts:
        if isinstance(proved, SignatureRefused):
            return SignatureFacts(proved.code, str(proved))
        return SignatureFacts("", "", proved.fingerprint, proved.key, self.registry[proved.key].principal)


def complete(
    found: Gathered,
    lines: Sequence[Line],
    context: PushContext,
    verifier: ObjectVerifier,
    *,
    registry: Registry,
    roster: Roster,
) -> Completed:
    """Return the facts of each update, in the order git named them.

    Raises:
        FactsError: An object is not what its name says, or cannot be read; nothing is concluded from it.
    """
    proving = Proving(verifier, registry, roster, context.received_at // 1000)
    commits = _commits(found, proving)
    return tuple(_update(line, found, context, commits, proving) for line in lines)


def _commits(found: Gathered, proving: Proving) -> Mapping[str, CommitFacts]:
    parsed = {}
    for oid, commit in found.commits.items():
        _same_object(oid, b"commit", commit.raw)
        parsed[oid] = objects.parse_commit(commit.raw)
    items = [(commit.payload, commit.signature) for commit in parsed.values()]
    proved = dict(zip(parsed, proving.signatures(items), strict=True))
    return {
        oid: CommitFacts(
            oid=oid,
            title=_title(commit.message),
            tree=commit.tree,
            parents=commit.parents,
            author=proving.person(commit.author),
            committer=proving.person(commit.committer),
            co_authors=tuple(proving.person(ident) for ident in commit.co_authors),
            signature=proved[oid],
            problems=(
                *commit.problems,
                *proving.claims(commit.author, commit.committer, *commit.co_authors),
                *found.commits[oid].problems,
            ),
            changes=found.commits[oid].changes,
            measured=found.commits[oid].measured,
        )
        for oid, commit in parsed.items()
    }


def _same_object(oid: str, kind: bytes, raw: bytes) -> None:
    """Refuse bytes that do not hash to their name: what is judged must be what would land."""
    algorithm = "sha1" if len(oid) == SHA1_HEX else "sha256"
    actual = hashlib.new(algorithm, b"%s %d\0" % (kind, len(raw)) + raw, usedforsecurity=False).hexdigest()
    if actual != oid:
        raise FactsError(f"expected object {oid}, got bytes of {actual}", code="facts.other_object")


def _title(message: bytes) -> str:
    first = message.lstrip(b"\n").split(b"\n", 1)[0][:TITLE_LIMIT]
    return first.decode("utf-8", "replace").replace("\0", "\ufffd")


def _update(
    line: Line, found: Gathered, context: PushContext, commits: Mapping[str, CommitFacts], proving: Proving
) -> UpdateFacts:
    if line.ref not in found.actual:
        raise FactsError(f"{line.ref}: no fact about its real value")
    actual, symref = found.actual[line.ref]
    ref = found.refs.get(line.ref)
    if ref is None:
        return UpdateFacts(
            push=context, ref=line.ref, old=line.old, new=line.new, actual=actual, symref=symref,
            object_type="", base="", fast_forward=False, landed=False, bases=(), commits=(), net=(),
        )  # fmt: skip
    if ref.line != line:
        raise FactsError(f"{line.ref}: facts about another update than the one asked for")
    tag = _tag(ref, proving) if ref.type == "tag" else None
    _consistent(ref, tag, commits)
    return UpdateFacts(
        push=context,
        ref=line.ref,
        old=line.old,
        new=line.new,
        actual=actual,
        symref=symref,
        object_type=ref.type,
        base=ref.exclude,
        fast_forward=ref.fast_forward,
        landed=ref.landed,
        bases=ref.bases,
        commits=tuple(commits[oid] for oid in ref.commits),
        net=ref.net,
        tag=tag,
    )


def _consistent(ref: GatheredRef, tag: TagFacts | None, commits: Mapping[str, CommitFacts]) -> None:
    """Refuse facts that contradict each other. That they are complete, only the hook can know (SECURITY.md, D1).

    A range is empty exactly where everything has landed; otherwise it holds its own tip, and every commit in it is
    reached from there. It moves forward exactly where its start is one of the parents. Of a tag of anything but a
    commit nothing is concluded: no control lets it through.
    """
    tip = tag.target if tag else ref.line.new
    if (tag.target_type if tag else ref.type) != "commit":
        return
    parents = {parent for oid in ref.commits for parent in commits[oid].parents}
    reached = set(ref.commits) <= parents | {tip}
    forward = tip == ref.exclude or (bool(ref.exclude) and ref.exclude in parents)
    if ref.landed == bool(ref.commits) or (ref.commits and tip not in ref.commits) or not reached:
        raise FactsError(f"{ref.line.ref}: the commits are not the range that ends in {tip[:12]}")
    if ref.fast_forward != forward:
        raise FactsError(f"{ref.line.ref}: whether it moves forward and the commits' parents contradict each other")


def _tag(ref: GatheredRef, proving: Proving) -> TagFacts:
    _same_object(ref.line.new, b"tag", ref.tag)
    tag = objects.parse_tag(ref.tag)
    if tag.object != ref.tag_target:
        raise FactsError(
            f"{ref.line.ref}: expected facts about {tag.object}, which the tag names, got {ref.tag_target}"
        )
    signature = proving.signatures([(tag.payload, tag.signature)])[0]
    problems = (*tag.problems, *proving.claims(tag.tagger), *ref.problems)
    return TagFacts(tag.name, proving.person(tag.tagger), tag.object, tag.type, signature, problems)


def carried(found: Gathered, updates: Completed, *, change: int) -> Completed:
    """Return the facts of a landing: those of its one update, with those of the head that is being landed.

    Raises:
        FactsError: They speak of a head that the update does not bring, or contradict what its bytes say.
    """
    head, update = found.carried, updates[0]
    if head is None or len(updates) != 1:
        raise FactsError(f"change {change}: a landing is of one ref, and has facts about its head")
    commit = next((commit for commit in update.commits if commit.oid == head.head), None)
    if commit is None or commit.tree != head.tree:
        raise FactsError(f"change {change}: {head.head[:12]} is not what would land on {update.ref}")
    facts = CarriedFacts(change, head.head, head.base, head.tree, head.net, head.theirs)
    return (replace(update, carried=facts),)
