"""`python -m tests.bench.endpoint SOCKET STORE`: what one would write first, to be measured against.

Socket, framing, authentication, parsing, completing and the decision itself are the service's own; what differs is how
it is kept: a row for each decision, through SQLModel, committed under one lock before the answer goes out. It hashes
no chain and folds no state, so it does less.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pysqlite3
import uvloop
from sqlalchemy import event
from sqlalchemy.pool import StaticPool
from sqlmodel import Field, Session, SQLModel, create_engine

from audit import stores
from governance import loading, record
from governance.adapters import settings
from governance.decision import Decision, decide
from governance.entrypoints.hook_socket import HookSocket
from governance.entrypoints.house import opened
from governance.entrypoints.serve import logs
from governance.facts import UpdateFacts
from governance.ports import NoKeys
from governance.receive import Plan, Receiver
from governance.record import Effects
from governance.service import Service
from governance.state.fold import Tx
from governance.state.read import Cached


class Row(SQLModel, table=True):
    """One decision."""

    id: int | None = Field(default=None, primary_key=True)
    at: int
    repository: str
    ref: str
    old: str
    new: str
    pusher: str
    allowed: bool
    code: str
    document: bytes


class OneByOne(Receiver):
    """Decides as the receiver does, and commits each decision by itself."""

    def __init__(self, service: Service, store: Path) -> None:
        super().__init__(service)
        # One thread is the lock: nobody waits for another commit with the interpreter in hand.
        self._pool = ThreadPoolExecutor(1, initializer=self._look_in)
        self._engine = create_engine(
            f"sqlite:///{store}",
            module=pysqlite3.dbapi2,
            poolclass=StaticPool,
            connect_args={"check_same_thread": False},
        )
        event.listen(self._engine, "connect", _durable)
        SQLModel.metadata.create_all(self._engine)
        self._known = Cached()
        self._database = service.database

    def _look_in(self) -> None:
        self._look: Tx = stores.open_reader(self._database)

    def decide(self, plan: Plan, facts: tuple[UpdateFacts, ...]) -> Future[tuple[Decision, Effects, int]]:
        """Decide and commit on another thread, so that the loop does not wait for the disk."""
        return self._pool.submit(self._committed, plan, facts)

    def _committed(self, plan: Plan, facts: tuple[UpdateFacts, ...]) -> tuple[Decision, Effects, int]:
        policy, roster = self._known.policy(self._look), self._known.roster(self._look)
        pairs = [(update, loading.standing(self._look, update, policy, roster, NoKeys())) for update in facts]
        decision = decide(pairs, policy_digest=policy.digest)
        with Session(self._engine) as session:
            row = _row(decision, at=plan.context.received_at)
            session.add(row)
            session.commit()
            return decision, Effects(handle=plan.hello.handle), row.id or 0


def _row(decision: Decision, *, at: int) -> Row:
    update = decision.refs[0].update
    return Row(
        at=at,
        repository=update.push.repository,
        ref=update.ref,
        old=update.old,
        new=update.new,
        pusher=update.push.pusher,
        allowed=decision.allowed,
        code=decision.code,
        document=record.facts_document(decision, single_person=True),
    )


def _durable(connection: pysqlite3.dbapi2.Connection, _: object) -> None:
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


async def _serve(socket: Path, store: Path) -> None:
    logs()
    with opened(settings.load()) as house:
        hooks = HookSocket(house.service, house.look, house.sessions, house.reconciler)
        hooks._receiver = OneByOne(house.service, store)
        async with await hooks.serve(socket) as server:
            print("ready", flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
