"""Two replicas on one PostgreSQL: each notice leaves one of them, once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from audit.ledger import Ledger
from governance.adapters.sequoia import SequoiaVerifier
from governance.channels import Deferred
from governance.service import Service
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from governance.tell import delivering
from governance.tell.claims import LEASE_MS
from service_world import LOG, no_reader
from tell_world import Kept, Killed, TellWorld, failing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import postgres


@pytest.fixture
def world(tmp_path: Path, pg_server: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[TellWorld]:
    monkeypatch.setattr("service_world.ELSEWHERE", [pg_server.database])
    with TellWorld(tmp_path) as made:
        made.told()
        yield made


@pytest.fixture
def other(world: TellWorld) -> Iterator[Service]:
    ledger = Ledger(world.path, log=LOG, clock=lambda: world.now, projector=fold, schema=SCHEMA)
    service = Service(LOG, "http://x", world.path, ledger, lambda: world.now, SequoiaVerifier(), no_reader)
    yield service
    service.readers.close()
    ledger.close()


def test_two_replicas_send_each_notice_once(world: TellWorld, other: Service) -> None:
    kept = Kept()
    told = [world.raised(f"of.two{n}") for n in range(10)]
    gate = threading.Barrier(4)

    def run(service: Service) -> None:
        gate.wait()
        delivering.round(service, [kept])

    threads = [threading.Thread(target=run, args=(service,)) for service in (world.service, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(kept.abouts) == told
    assert len(world.closed()) == 10


def test_what_one_has_put_off_the_other_does_not_hurry(world: TellWorld, other: Service) -> None:
    kept = Kept()
    kept.before = failing(Deferred("busy", retry_after=60))
    world.raised()
    world.round(kept)
    kept.before = lambda: None

    assert delivering.round(other, [kept]) == []
    world.now += 60_000
    assert [s.outcome for s in delivering.round(other, [kept])] == ["delivered"]


def test_what_a_killed_one_had_in_hand_the_other_sends(world: TellWorld, other: Service) -> None:
    kept = Kept()

    def die() -> None:
        raise Killed

    kept.after = die
    seq = world.raised()
    with pytest.raises(Killed):
        world.round(kept)
    kept.after = lambda: None

    assert delivering.round(other, [kept]) == []
    world.now += LEASE_MS
    assert [s.outcome for s in delivering.round(other, [kept])] == ["delivered"]
    assert kept.abouts == [seq, seq]
    assert len(set(kept.keys)) == 1


def test_a_claim_is_kept_for_as_long_as_its_message_is_being_sent(
    world: TellWorld, other: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RENEW_S", 0.02)
    kept, theirs = Kept(), Kept()
    world.raised()

    def slow() -> None:
        for _ in range(4):
            world.now += LEASE_MS // 2
            until = world.rows("select claimed_until from delivery_attempt")[0][0]
            while world.rows("select claimed_until from delivery_attempt")[0][0] == until:
                threading.Event().wait(0.01)
            assert delivering.round(other, [theirs]) == []

    kept.before = slow
    assert [s.outcome for s in world.round(kept)] == ["delivered"]
    assert theirs.taken == []
