"""What the report of one day costs, in a ledger that has a hundred such days and in one that has nine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from audit import stores
from audit.entry import GENESIS_KIND, GENESIS_PREV, Actor, Draft, Entry, leaf_hash, seal
from governance.adapters import resources
from governance.policy import Policy
from governance.policy_text import describe, load
from governance.record import SERVICE, Kind
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from governance.tell.reports import gathering, periods
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import World

LOG = "example.org/many-days"
FIRST = periods.day_of(1_760_000_000_000, "UTC")
DAY_MS = 24 * 3600 * 1000
STEP = 10_000
AGENT = Actor("dev-a", "agent", "")
DAYS_OLD, DAYS_YOUNG, ROUNDS = 100, 9, 5
MAIN = "refs/heads/main"


def shipped() -> Policy:
    """Return the policy that ships."""
    folder = resources.folder("policies")
    texts = [(folder / name).read_bytes() for name in ("policy.yaml", "roles.yaml")]
    return load(*texts, policy_name="policy.yaml", roles_name="roles.yaml")


def _draft(random: Random, number: int) -> Draft:
    """Return one entry of an ordinary day: mostly messages, some pushes, some of them refused."""
    roll = random.random()
    if roll < 0.6:
        data: dict[str, Any] = {
            "to": ["qa-a"], "type": "status", "digest": f"{number:064x}", "size": 900, "change": 0, "expects": "",
            "reply_to": 0, "answers": False, "due_at": 0, "role": "dev-a",
        }  # fmt: skip
        return Draft(Kind.MESSAGE_SENT, AGENT, "demo", "status", data)
    if roll < 0.75:
        return Draft(Kind.REQUEST_REFUSED, AGENT, "demo", "land", {"code": "rate_limits.land", "message": "no"})
    oid = f"{number:040x}"
    verdicts = [["freeze.free", "signed_commits.verified", "four_eyes.missing_sign_offs", "rate_limits.within"]]
    data = {
        "allowed": False, "code": "four_eyes.missing_sign_offs", "transport": "http", "enforced": True, "policy": oid,
        "facts": {"sha256": f"{number:064x}", "size": 9000}, "handle": "1-1", "refs": [[oid, oid, MAIN]],
        "verdicts": verdicts, "signers": [[["SHA256:abc", 3]]],
    }  # fmt: skip
    return Draft(Kind.PUSH_DECIDED, AGENT, "demo", MAIN, data)


class Days:
    """A ledger of so many days of so many entries; made without the append path, which takes longer."""

    def __init__(self, path: Path, days: int, each: int) -> None:
        self.path, self.days = path, days
        connection = stores.open_writer(path, schema=SCHEMA)
        start = periods.begins(FIRST, "UTC")
        for rows, first in _rows(start, days * each, DAY_MS // each):
            connection.begin()
            for row in rows:
                connection.execute("insert into ledger_entry(seq, body, leaf) values (?, ?, ?)", row)
            if first is not None:
                fold(connection, first)
            connection.execute("commit")
        connection.close()

    def report(self) -> int:
        """Gather the last day; return how many entries it had."""
        connection = stores.open_reader(self.path)
        try:
            day = periods.period(periods.DAILY, FIRST + timedelta(days=self.days - 1), "UTC")
            return gathering.facts(connection, day, progress=lambda done, total: None, log=LOG).integrity.entries
        finally:
            connection.close()


def _rows(start: int, count: int, apart: int) -> Iterator[tuple[list[tuple[int, str, bytes]], Entry | None]]:
    random, prev, rows, first = Random(7), GENESIS_PREV, [], None
    policy = shipped()
    born = {"policy": {"digest": policy.digest, "meaning": describe(policy)}}
    born["enrolment"] = {"digest": "", "principal": "", "expires_at": 0}
    for seq in range(count):
        made = _draft(random, seq) if seq else Draft(GENESIS_KIND, SERVICE, "", LOG, born)
        entry, body = seal(made, log=LOG, seq=seq, prev=prev, ts=start + seq * apart)
        leaf = leaf_hash(body)
        first = entry if seq == 0 else first
        rows.append((seq, body.decode(), leaf))
        prev = leaf.hex()
        if len(rows) == STEP or seq == count - 1:
            yield rows, first
            rows, first = [], None


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Measure the report of a day of an old ledger beside that of a young one."""
    each = max(10, sizes.many // DAYS_OLD)
    progress(f"ledgers of {DAYS_OLD} and {DAYS_YOUNG} days of {each} entries are made")
    old, young = Days(world.folder / "days-old", DAYS_OLD, each), Days(world.folder / "days-young", DAYS_YOUNG, each)
    ours, other = by_turns(ROUNDS, lambda _: timed(old.report), lambda _: timed(young.report))
    return [
        Figure(
            id="report.day", ours=ours, other=other, other_name=f"the same day, as one of {DAYS_YOUNG}", unit="s",
            n=ROUNDS, reach=Reach("ours/other", 1.5),
            note=f"Facts of a day of {each} entries, each checked, in a ledger of {DAYS_OLD * each}",
        )
    ]  # fmt: skip
