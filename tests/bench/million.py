"""What an old ledger costs: to verify, to prove an entry of, to start with. A million entries, and a thousand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from time import process_time

from audit import exporting, reads, stores, verify
from audit.entry import GENESIS_KIND, GENESIS_PREV, Draft, leaf_hash, seal
from audit.highwater import HighWater
from audit.ledger import Ledger
from audit.merkle import Frontier
from audit.note import Algorithm, Signer
from audit.publishing import Publisher
from audit.tiles import roots_of_full_tiles
from tests.bench.appending import KINDS, LOG, WHO, draft, fold
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import World

SIGNER = Signer(LOG, Algorithm.ED25519, bytes(32))
RECOVERY = Signer(f"{LOG}/recovery", Algorithm.ED25519, bytes(range(32)))
THEN = 1_760_000_000_000
STEP = 10_000
STARTS = 15
VERIFICATIONS = 3


class Old:
    """A ledger of so many entries, with its mark and a checkpoint; made without the append path, which takes longer."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir()
        self.path, self.mark = folder / "ledger.sqlite", folder / "mark"
        self.count = count
        connection = stores.open_writer(self.path)
        edge = Frontier()
        for rows in _stepwise(count):
            leaves = [leaf for _, _, leaf in rows]
            filled, edge = roots_of_full_tiles(edge, leaves)
            connection.begin()
            for row in rows:
                connection.execute("insert into ledger_entry(seq, body, leaf) values (?, ?, ?)", row)
            for tile in filled:
                connection.execute("insert into ledger_tile values (?, ?, ?)", tile)
            head = (edge.size, leaves[-1], THEN + edge.size - 1, b"".join(edge.hashes))
            connection.execute("update ledger_head set size = ?, head = ?, ts = ?, frontier = ?", head)
            connection.execute("commit")
        publisher = self.publisher()
        publisher.publish(connection, anew=True)
        connection.close()

    def publisher(self) -> Publisher:
        return Publisher(HighWater(self.mark), lambda: [SIGNER])

    def start(self) -> None:
        """Open it for writing, as the service does, up to its being ready."""
        ledger = Ledger(
            self.path, log=LOG, clock=lambda: THEN + self.count, projector=fold, kinds=KINDS, publisher=self.publisher()
        )
        assert ledger.head.size == self.count
        ledger.close()


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Measure an old ledger beside a young one."""
    progress(f"ledgers of {sizes.many} and {sizes.few} entries are made")
    old = Old(world.folder / "old", sizes.many)
    young = Old(world.folder / "young", sizes.few)
    progress("verifying, proving, starting")
    return [_verifying(old), _proving(old, sizes.proofs), _starting(old, young)]


def _verifying(old: Old) -> Figure:
    connection = stores.open_reader(old.path)
    bodies = [row.body for row in reads.entries(connection)]
    connection.close()
    ours, other = by_turns(
        VERIFICATIONS, lambda _: _cpu(lambda: _verified(old)), lambda _: _cpu(lambda: _least(bodies))
    )
    return Figure(
        id="verify.1m", ours=ours, other=other, other_name="json.loads and SHA-256 of the same bytes in a plain loop",
        unit="s", n=VERIFICATIONS, reach=Reach("ours/other", 2),
        note=f"{old.count} entries from the database, on one core, all checks",
    )  # fmt: skip


def _proving(old: Old, count: int) -> Figure:
    connection = stores.open_reader(old.path)
    chosen = Random(4).sample(range(old.count), count)
    took = [timed(lambda seq=seq: exporting.prove(connection, seq)) * 1000 for seq in chosen]  # type: ignore[misc]
    connection.close()
    return Figure(
        id="proof.1m", ours=median(took), other=1, other_name="a millisecond", unit="ms", n=count,
        reach=Reach("ours", 1), note=f"A proof file for one of {old.count} entries, from the database",
    )  # fmt: skip


def _starting(old: Old, young: Old) -> Figure:
    ours, other = by_turns(STARTS, lambda _: timed(old.start), lambda _: timed(young.start))
    return Figure(
        id="start.flat", ours=ours * 1000, other=other * 1000, other_name=f"the same with {young.count} entries",
        unit="ms", n=STARTS, reach=Reach("ours/other", 1.5), note=f"Start with {old.count} entries, mark compared",
    )  # fmt: skip


def _stepwise(count: int) -> Iterator[list[tuple[int, str, bytes]]]:
    prev, rows = GENESIS_PREV, []
    born = {"ledger_key": str(SIGNER.key), "recovery_key": str(RECOVERY.key), "kinds": KINDS.registration()}
    for seq in range(count):
        made = draft(seq) if seq else Draft(GENESIS_KIND, WHO, "", "", born)
        _, body = seal(made, log=LOG, seq=seq, prev=prev, ts=THEN + seq)
        leaf = leaf_hash(body)
        rows.append((seq, body.decode(), leaf))
        prev = leaf.hex()
        if len(rows) == STEP or seq == count - 1:
            yield rows
            rows = []


def _verified(old: Old) -> None:
    report = verify.verify_file(old.path, verify.Demands(against=(old.mark,)))
    if (report.status, report.size) != ("valid", old.count):
        raise RuntimeError(f"expected {old.count} valid entries, got {report}")


def _least(bodies: list[bytes]) -> None:
    for body in bodies:
        json.loads(body)
        hashlib.sha256(b"\0" + body).digest()


def _cpu(deed: Callable[[], None]) -> float:
    began = process_time()
    deed()
    return process_time() - began
