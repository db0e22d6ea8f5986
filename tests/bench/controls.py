"""What it costs to ask every control: standing loaded and all of them asked, with a year behind them or a week.

Facts are given, as the hook and the signatures left them; the decision is made under the ledger's lock, for a fleet of
twelve, by the policy that ships, with an epoch of draws open. The history is what such a fleet left, copied: small
changes, and changes that were signed off with the debt that they were shown.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance import loading, noting
from governance.decision import decide
from governance.facts import UpdateFacts
from governance.record import Kind
from governance.review import epochs
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import World

sys.path.append(str(Path(__file__).parent.parent))  # What the tests make worlds of names its neighbours plainly.

from debt_world import DebtWorld, file, shipped
from draw_world import Kept

FLEET = (
    "owner", "mia", "orchestrator", "librarian", "planner-a", "architect-a", "architect-b", "dev-a", "dev-b", "qa-a",
    "qa-b", "docs",
)  # fmt: skip
BETWEEN_MS = 630_000
"""Between two rounds of two landings: 100,000 of them are a year."""
BATCH = 8
"""Rounds in one transaction, and so of one time."""
OID = re.compile(r"\b[0-9a-f]{40}\b")
NOTHING = "0" * 40
LIMIT_MS = 0.8


def measure(_: World, sizes: Sizes) -> list[Figure]:
    """Return what the same decision costs on an old ledger and on a young one."""
    with _fleet() as young, _fleet() as old:
        for fleet, landings in ((young, sizes.landings_few), (old, sizes.landings_many)):
            progress(f"controls: a history of {landings} landings")
            fleet.grow(landings)
        few, many = by_turns(sizes.decisions, lambda _: young.seconds(), lambda _: old.seconds())
    said = f"the same after {sizes.landings_few} landings, not {sizes.landings_many}"
    ours, other = many * 1000, few * 1000
    note = "standing and all controls for a landing that two have signed off; facts given, in process"
    return [
        Figure(
            id="controls.ms", ours=ours, other=other, unit="ms", n=sizes.decisions, other_name=said,
            reach=Reach("ours", LIMIT_MS), note=note,
        ),
        Figure(
            id="controls.flat", ours=ours, other=other, unit="ms", n=sizes.decisions, other_name=said,
            reach=Reach("ours/other", 1.2),
        ),
    ]  # fmt: skip


@contextmanager
def _fleet() -> Iterator[_Fleet]:
    with TemporaryDirectory(prefix="twinseal-controls-") as folder:
        fleet = _Fleet(Path(folder))
        with fleet.world:
            yield fleet


class _Fleet:
    """Twelve principals, one repository, and what has landed in it."""

    def __init__(self, folder: Path) -> None:
        self.world = DebtWorld(folder, people=FLEET, policy=shipped(percent=1, floor_slots=1000))
        self.world.service.draw_keys = Kept(bytes(32))
        epochs.tend(self.world.service)
        self.digest = ""
        self.round = self._round()

    def _round(self) -> list[dict[str, Any]]:
        """Land something small and something signed off, and return the entries of it."""
        world, first = self.world, self.world.ledger.head.size
        small = world.push(file("src/app/a.py", 8), by="dev-a")
        number = world.propose(file("src/app/b.py", 60), by="dev-a")
        world.sign(number, "dev-b", "qa-a")
        landed = world.land(number, file("src/app/b.py", 60))
        if not (small.decision.allowed and landed.decision.allowed):
            raise AssertionError(f"expected two landings, got {small.code} and {landed.code}")
        self.digest = landed.decision.refs[0].update.diff_digest
        return world.bodies("seq>=?", first)

    def grow(self, landings: int) -> None:
        """Append copies of the round until so many have landed."""
        rounds = range(1, landings // 2)
        for start in range(0, len(rounds), BATCH):
            numbers = rounds[start : start + BATCH]
            self.world.ledger.run(lambda tx, numbers=numbers: [self._again(tx, each) for each in numbers])
        self.world.now = self.world.ledger.head.ts
        self.facts = self._signed_off()

    def _again(self, tx: Transaction, number: int) -> None:
        self.world.now += BETWEEN_MS
        seqs: dict[int, int] = {}
        for body in self.round:
            text = OID.sub(lambda found: _other(found[0], number), json.dumps(body["data"]))
            text = text.replace(self.digest, f"{int(self.digest, 16) ^ number:064x}")
            data = _moved(json.loads(text), seqs, number)
            actor = Actor(body["actor"]["id"], body["actor"]["kind"], body["actor"]["key"])
            subject = str(number + 1) if body["kind"] == Kind.SIGN_OFF_GIVEN else body["subject"]
            seqs[body["seq"]] = tx.append(Draft(body["kind"], actor, body["repo"], subject, data)).seq

    def _signed_off(self) -> UpdateFacts:
        """Have one more change signed off, and return the facts of its landing."""
        world = self.world
        world.now += 24 * 3600 * 1000
        number = world.propose(file("src/app/b.py", 60), by="dev-a")
        world.sign(number, "dev-b", "qa-a")
        told = world.land(number, file("src/app/b.py", 60), land=False)
        world.release(told)
        return told.decision.refs[0].update

    def seconds(self) -> float:
        """Return how long one decision takes."""
        service = self.world.service
        policy, roster = self.world.ledger.run(
            lambda tx: (service.under_lock.policy(tx), service.under_lock.roster(tx))
        )

        def ask(tx: Transaction) -> None:
            standing = loading.standing(tx, self.facts, policy, roster, service.draw_keys)
            decision = decide([(self.facts, standing)], policy_digest=policy.digest)
            noting.noted(decision)
            if not decision.allowed:
                raise AssertionError(f"expected a landing, got {decision.code}")

        return self.world.ledger.run(lambda tx: timed(lambda: ask(tx)))


def _other(oid: str, number: int) -> str:
    return oid if oid == NOTHING else f"{int(oid, 16) ^ (number << 96):040x}"


def _moved(data: dict[str, Any], seqs: dict[int, int], number: int) -> dict[str, Any]:
    """Return the data of an entry as it is in another round: of another change, another slot, after other entries."""
    change = number + 1
    if "decision" in data:
        data["decision"] = seqs[data["decision"]]
    for name in ("spend",):
        data[name] = [seqs[seq] for seq in data.get(name, ())]
    for opened in data.get("opens", ()):
        if isinstance(opened, dict):
            opened["change"] = change
    data["opens"] = [one if isinstance(one, dict) else [change, *one[1:]] for one in data.get("opens", ())]
    data["landed"] = [[one[0], change] if isinstance(one, list) else change for one in data.get("landed", ())]
    data["cleared"] = [[ref, seqs.get(seq, seq), people] for ref, seq, people in data.get("cleared", ())]
    data["draws"] = [[one[0], change, one[2], one[3], one[4] + number, *one[5:]] for one in data.get("draws", ())]
    if "binding" in data:
        data["binding"]["change"] = change
        data["statement"]["digest"] += f" {number}"  # Which works once.
    if "handle" in data:
        data["handle"] = f"{number}-{data['handle']}"
    return json.loads(re.sub(r"refs/changes/\d+/", f"refs/changes/{change}/", json.dumps(data)))  # type: ignore[no-any-return]
