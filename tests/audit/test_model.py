"""The ledger against a plain list: whatever is done to both, in any order, they say the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import postgres
from audit import exporting, kinds, reads, registering, tree
from audit.errors import EntryError, ProofError
from ledger_world import ALICE, GENESIS, LOG, SIGNER, PostgresWorld, World, draft, point

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.ledger import Ledger
    from audit.transaction import Transaction

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
NUMBER = st.integers(-(2**53) + 1, 2**53 - 1)


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


class Machine(RuleBasedStateMachine):
    """`said` is what the ledger ought to hold: number, text, and the time it was told."""

    make: ClassVar[Callable[[Path], World]] = World

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is room: nothing is asked here that a disk could answer.
        self.folder = Path(tempfile.mkdtemp(prefix="twinseal-model-", dir=postgres._roomy(Path("/dev/shm"))))
        self.world = type(self).make(self.folder / "world")
        self.said: list[tuple[int, str]] = []
        self.keys: dict[str, tuple[int, int]] = {}
        self.ledger: Ledger = self.world.open()
        self.ledger.run(lambda tx: tx.append(GENESIS))
        self.size = 1
        self.longest = 0

    def teardown(self) -> None:
        self.ledger.close()
        assert self.ledger.broken is None
        self.world.clock.now = max(self.world.clock.now, self.ledger.head.ts)
        self.world.assert_honest()
        shutil.rmtree(self.folder)

    def _appended(self, seq: int, number: int, text: str) -> None:
        assert seq == self.size
        self.said.append((number, text))
        self.size += 1

    @rule(number=NUMBER, text=TEXT)
    def append(self, number: int, text: str) -> None:
        self._appended(self.ledger.run(lambda tx: tx.append(draft(number, text=text)).seq), number, text)

    @rule(numbers=st.lists(NUMBER, max_size=20))
    def append_together(self, numbers: list[int]) -> None:
        futures = [self.ledger.submit(lambda tx, n=n: tx.append(draft(n, text="")).seq) for n in numbers]
        for number, future in zip(numbers, futures, strict=True):
            self._appended(future.result(), number, "")

    @rule(numbers=st.lists(NUMBER, max_size=5))
    def several_in_one_command(self, numbers: list[int]) -> None:
        for number, seq in zip(
            numbers, self.ledger.run(lambda tx: [tx.append(draft(n, text="")).seq for n in numbers]), strict=True
        ):
            self._appended(seq, number, "")

    @rule(numbers=st.lists(NUMBER, min_size=1, max_size=5), at=st.integers(0, 4))
    def a_command_fails_among_others(self, numbers: list[int], at: int) -> None:
        def fail(tx: Transaction) -> None:
            tx.append(replace(draft(-1, text="never"), private={"x": "never"}), key="never")
            raise LookupError

        commands: list[Any] = [lambda tx, n=n: tx.append(draft(n, text="")).seq for n in numbers]
        commands.insert(at, fail)
        futures = [self.ledger.submit(command) for command in commands]
        for command, future in zip(commands, futures, strict=True):
            if command is fail:
                assert isinstance(future.exception(), LookupError)
        for number, future in zip(
            numbers, [f for c, f in zip(commands, futures, strict=True) if c is not fail], strict=True
        ):
            self._appended(future.result(), number, "")

    @rule(bad=st.sampled_from([0.5, float("nan"), 2**53, "\0", "\ud800", {1: 2}, {"x": object}]))
    def an_unfit_draft(self, bad: object) -> None:
        with pytest.raises(EntryError):
            self.ledger.run(lambda tx: tx.append(draft(1, x=bad)))

    @rule(key=st.sampled_from("abc"), number=st.integers(0, 2))
    def a_request(self, key: str, number: int) -> None:
        def ask(tx: Transaction) -> int:
            return tx.append(draft(number, text=""), key=key).seq

        if key not in self.keys:
            self.keys[key] = (self.size, number)
            self._appended(self.ledger.run(ask), number, "")
        elif self.keys[key][1] == number:
            assert self.ledger.run(ask) == self.keys[key][0]
        else:
            with pytest.raises(EntryError, match="expected the key"):
                self.ledger.run(ask)

    @rule(step=st.integers(-5000, 5000))
    def time_passes(self, step: int) -> None:
        self.world.clock.now += step

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        assert self.ledger.broken is None
        assert point(self.world.mark) == (LOG, self.size)
        self.ledger = self.world.open()

    @rule()
    def register_again(self) -> None:
        with contextlib.suppress(EntryError):
            assert self.ledger.run(lambda tx: registering.register(tx, self._kinds(), ALICE)) is None

    def _kinds(self) -> kinds.Kinds:
        kinds_now = self.ledger._writer._kinds
        assert kinds_now is not None
        return kinds_now

    @rule()
    def export(self) -> None:
        folder = self.folder / "export"
        with self.world.reader() as connection:
            signed = tree.note(connection) is not None
            try:
                done = exporting.export(connection, folder)
            except ProofError as exc:  # A second has not passed since it began; it may have, since we looked.
                if signed or "never signed" not in str(exc):
                    raise
                return
        assert self.longest <= done.size <= self.size
        self.longest = done.size
        lines = (folder / "entries.jsonl").read_bytes().splitlines()
        assert [self._of(line) for line in lines[1:]] == self.said[: done.size - 1]
        leaves = [hashlib.sha256(b"\0" + line).digest() for line in lines]
        assert f"\n{done.size}\n" in done.checkpoint
        assert exporting.Checkpoint.parse(done.checkpoint.rpartition("\n\n")[0] + "\n").root == root(leaves)
        assert SIGNER.key.name in done.checkpoint

    @staticmethod
    def _of(body: bytes) -> tuple[int, str]:
        data = json.loads(body)["data"]
        return data["number"], data["text"]

    @invariant()
    def they_say_the_same(self) -> None:
        with self.world.reader() as connection:
            found = list(reads.entries(connection))
            assert reads.head(connection).size == self.size
        assert [self._of(row.body) for row in found[1:]] == self.said
        stamps = [json.loads(row.body)["ts"] for row in found]
        assert stamps == sorted(stamps)
        assert self.ledger.broken is None


FEW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_a_ledger_says_what_a_list_says(tmp_path: Path) -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=30, stateful_step_count=25, **FEW))  # type: ignore[arg-type]


def test_a_ledger_on_a_server_says_what_a_list_says(pg_server: postgres.Server) -> None:
    class OnPostgres(Machine):
        make = staticmethod(lambda folder: PostgresWorld(folder, pg_server))  # type: ignore[assignment]

    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=4, stateful_step_count=15, **FEW))  # type: ignore[arg-type]
