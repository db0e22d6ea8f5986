"""From what the hook gathered to the facts of each update: objects parsed, people named, signatures proved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from governance import objects
from governance.errors import FactsError
from governance.facts import CarriedFacts, CommitFacts, Person, PushContext, SignatureFacts, TagFacts, UpdateFacts
from governance.gathered import Gathered, GatheredHead, GatheredRef, Line
from governance.signatures import Registry, SignatureRefused, SignatureVerifier, Verified
from governance.standing import Roster

Completed = tuple[UpdateFacts, ...]
SHA1_HEX = 40
TITLE_LIMIT = 100


def complete(
    found: Gathered,
    lines: Sequence[Line],
    context: PushContext,
    verifier: SignatureVerifier,
    *,
    registry: Registry,
    roster: Roster,
) -> Completed:
    """Return the facts of each update, in the order git named them.

    Raises:
        FactsError: An object is not what its name says, or cannot be read; nothing is concluded from it.
    """
    commits = _commits(found, verifier, registry, roster, at=context.received_at // 1000)
    return tuple(_update(line, found, context, commits, verifier, registry) for line in lines)


def _commits(
    found: Gathered, verifier: SignatureVerifier, registry: Registry, roster: Roster, *, at: int
) -> Mapping[str, CommitFacts]:
    parsed = {}
    for oid, commit in found.commits.items():
        _same_object(oid, b"commit", commit.raw)
        parsed[oid] = objects.parse_commit(commit.raw)
    items = [(commit.payload, commit.signature) for commit in parsed.values()]
    proved = dict(zip(parsed, verifier.verify_many(items, registry, at=at), strict=True))
    return {
        oid: CommitFacts(
            oid=oid,
            title=_title(commit.message),
            tree=commit.tree,
            parents=commit.parents,
            author=_person(commit.author, roster),
            committer=_person(commit.committer, roster),
            co_authors=tuple(_person(ident, roster) for ident in commit.co_authors),
            signature=_signature(proved[oid], registry),
            problems=(*commit.problems, *found.commits[oid].problems),
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


def _person(ident: objects.Ident, roster: Roster) -> Person:
    return Person(ident.email, roster.by_email(ident.email))


def _signature(proved: Verified | SignatureRefused, registry: Registry) -> SignatureFacts:
    if isinstance(proved, SignatureRefused):
        return SignatureFacts(proved.code, str(proved))
    return SignatureFacts("", "", proved.fingerprint, proved.key, registry[proved.key].principal)


def _update(
    line: Line,
    found: Gathered,
    context: PushContext,
    commits: Mapping[str, CommitFacts],
    verifier: SignatureVerifier,
    registry: Registry,
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
        tag=_tag(ref, verifier, registry, at=context.received_at // 1000) if ref.type == "tag" else None,
    )


def _tag(ref: GatheredRef, verifier: SignatureVerifier, registry: Registry, *, at: int) -> TagFacts:
    _same_object(ref.line.new, b"tag", ref.tag)
    tag = objects.parse_tag(ref.tag)
    proved = verifier.verify_many([(tag.payload, tag.signature)], registry, at=at)[0]
    problems = (*tag.problems, *ref.problems)
    return TagFacts(tag.name, ref.tag_target, tag.type, _signature(proved, registry), problems)


def carried(head: GatheredHead, *, change: int) -> CarriedFacts:
    """Return the facts of the change that is being landed."""
    return CarriedFacts(change, head.head, head.base, head.tree, head.net, head.theirs)
