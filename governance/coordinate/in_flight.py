"""Which pushes under way a freeze or a veto stops that came after their decision: allowed, and not carried out yet.

What was decided later was asked about it. Nothing is judged anew: who contributed, and what would land, stands in the
facts that the decision was made on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit import reads
from audit.stores import Connection
from governance import options
from governance.facts import Change, diff_digest
from governance.policy import LANDER, Policy
from governance.standing import Roster
from governance.state import gating, read, stops
from governance.stops import Freeze, Move, Veto, covers

Facts = list[dict[str, Any]]
"""The facts of each ref of a decision, as its document keeps them."""


@dataclass(frozen=True, slots=True)
class Held:
    """A decision with something still reserved."""

    seq: int
    handle: str
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Stops:
    """What stands against moves in one repository, and who everybody is."""

    repository: str
    freezes: tuple[Freeze, ...]
    vetoes: tuple[int, ...]
    """Their entries."""
    roster: Roster
    policy: Policy
    at: int

    def after(self, held: Held) -> tuple[tuple[Freeze, ...], bool]:
        """Return the freezes that came after a decision, and whether a veto did."""
        return tuple(f for f in self.freezes if f.seq > held.seq), any(seq > held.seq for seq in self.vetoes)


def revoked(look: Connection, repository: str, *, at: int) -> frozenset[str]:
    """Return the handles of the reservations that must not be carried out, as things stand."""
    freezes = tuple(freeze for freeze in stops.freezes(look, repository, at=at) if not freeze.whole)
    vetoes = tuple(veto.seq for veto in stops.standing_vetoes(look, repository))
    under_way = _held(look, repository) if freezes or vetoes else []
    if not under_way:
        return frozenset()
    standing = Stops(repository, freezes, vetoes, read.roster(look), read.policy(look), at)
    return frozenset(held.handle for held in under_way if _stopped(look, held, standing))


def _held(look: Connection, repository: str) -> list[Held]:
    sql = "select seq, handle, old, new, ref from reservation where repository=? and state='reserved' order by seq"
    found: dict[int, Held] = {}
    for seq, handle, old, new, ref in look.execute(sql, (repository,)).fetchall():
        before = found[seq].lines if seq in found else ()
        found[seq] = Held(seq, handle, (*before, (old, new, ref)))
    return list(found.values())


def _stopped(look: Connection, held: Held, standing: Stops) -> bool:
    freezes, vetoed = standing.after(held)
    if not freezes and not vetoed:
        return False
    entry = reads.entry(look, held.seq)
    said = json.loads(entry.body) if entry else {"actor": {"id": ""}, "data": {}}
    facts = _facts(look, said["data"])
    names = _hands(look, standing.repository, said, facts)
    people = [person for name in names if (person := standing.roster.get(name)) is not None]
    refs = tuple(ref for _, _, ref in held.lines)
    move = Move(standing.repository, refs, {p.role for p in people}, {p.operator for p in people} - {""})
    if any(covers(freeze, move, at=standing.at) for freeze in freezes):
        return True
    return vetoed and any(veto.seq > held.seq for veto in _vetoes(look, standing, said["data"], facts))


def _facts(look: Connection, data: Mapping[str, Any]) -> Facts:
    """Return what a decision was made on; nothing where its document was pruned, or nothing could be judged."""
    return [ref["facts"] for ref in _document(look, data)["refs"]]


def _document(look: Connection, data: Mapping[str, Any]) -> dict[str, Any]:
    digest = data.get("facts", {}).get("sha256", "")
    found: dict[str, Any] = json.loads((reads.blob(look, digest) if digest else None) or b'{"refs": []}')
    return found


def _hands(look: Connection, repository: str, said: Mapping[str, Any], facts: Facts) -> set[str]:
    """Return everybody with a hand in it: contributors, as `approvers` counts them, and whose signatures it uses up.

    The lander is nobody.
    """
    data = said["data"]
    names = {said["actor"]["id"], *_signers(look, data)}
    for ref in facts:
        for commit in ref["commits"]:
            people = (commit["author"], commit["committer"], *commit["co_authors"])
            names |= {commit["signature"]["principal"], *(person["principal"] for person in people)}
    for number in {number for _, number in data.get("landed", ())} | {o["change"] for o in data.get("opens", ())}:
        names.update(read.change_contributors(look, repository, number))
    return names - {"", LANDER}


def _signers(look: Connection, data: Mapping[str, Any]) -> set[str]:
    """Return who approved what would land, and who signed the override that it lands by."""
    sql = "select principal from sign_off where seq=? and verdict='approve'"
    names = {row[0] for seq in data.get("spend", ()) for row in look.execute(sql, (seq,)).fetchall()}
    sql = "select asked_by, librarian, owner from override where seq=?"
    return names.union(*look.execute(sql, (data.get("override", 0),)).fetchall())


def _vetoes(look: Connection, standing: Stops, data: Mapping[str, Any], facts: Facts) -> list[Veto]:
    """Return the vetoes of what would land; work on a vetoed change goes on elsewhere."""
    lands = [ref for ref in facts if standing.policy.is_protected(ref["ref"])]
    if not lands:
        return []
    digests, heads = [], []
    for ref in lands:
        carried = ref["carried"] or {"net": [], "head": ""}
        digests += [diff_digest(Change(**change) for change in net) for net in (ref["net"], carried["net"]) if net]
        heads += [commit["oid"] for commit in ref["commits"]] + ([carried["head"]] if carried["head"] else [])
    numbers = [number for _, number in data.get("landed", ())] or [0]
    found = [stops.vetoes(look, standing.repository, number=n, digests=digests, heads=heads) for n in numbers]
    return [veto for some in found for veto in some] + _of_gates(look, standing, data, lands)


def _of_gates(look: Connection, standing: Stops, data: Mapping[str, Any], lands: Facts) -> list[Veto]:
    """Return the vetoes of the gates that it has been through, where its ref asks for any."""
    asked = standing.policy.controls.gates.required
    gated = [ref for ref in lands if any(each.ref.matches(ref["ref"]) for each in asked)]
    if not gated:
        return []
    named = options.read(tuple(_document(look, data).get("push", {}).get("options", ()))).feature
    heads = [ref["carried"]["head"] if ref["carried"] else ref["new"] for ref in gated]
    features = (gating.standing(look, standing.repository, named=named, head=head) for head in heads)
    found = (stops.of_feature(look, standing.repository, each.name) for each in features if each is not None)
    return [veto for some in found for veto in some]
