"""The witness over HTTP, without a server: what goes in as ASGI events, and what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audit import note
from audit.errors import StoreError
from audit.witness import LARGEST_REQUEST, Reply, Witness
from audit.witness_http import AT_ONCE, Application
from audit.witness_store import Store, name_of
from tree_log import KEY, ORIGIN, WITNESS, TreeLog

LOG = TreeLog(30)
LATEST = f"/{name_of(ORIGIN)}/checkpoint"


class Called:
    """One answer, put together."""

    def __init__(self, events: list[Mapping[str, Any]]) -> None:
        start, *bodies = events
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(event["body"] for event in bodies)


async def call(
    app: Application, method: str, path: str, *parts: bytes, then: Mapping[str, Any] | None = None, hang: bool = False
) -> Called:
    sent: list[Mapping[str, Any]] = []
    events = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    events.append(dict(then or {"type": "http.request", "body": b"", "more_body": False}))

    async def receive() -> Mapping[str, Any]:
        if hang and len(events) == 1:
            await asyncio.Event().wait()
        return events.pop(0)

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    await app({"type": "http", "method": method, "path": path}, receive, send)
    return Called(sent)


def one(app: Application, method: str, path: str, *parts: bytes, **more: Any) -> Called:  # noqa: ANN401
    return asyncio.run(call(app, method, path, *parts, **more))


@pytest.fixture
def app(tmp_path: Path) -> Application:
    witness = Witness(WITNESS, [KEY.key], Store(tmp_path), clock=lambda: 1_767_139_200)
    return Application(witness, tell=pytest.fail, seconds=0.2)


def test_it_cosigns_and_shows_what_it_cosigned(app: Application) -> None:
    assert one(app, "GET", LATEST).status == 404
    got = one(app, "POST", "/add-checkpoint", LOG.request(0, 9))
    assert (got.status, got.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert note.read(LOG.signed(9) + got.body, [WITNESS.key]).by(WITNESS.key)
    shown = one(app, "GET", LATEST)
    assert shown.status == 200
    assert len(note.read(shown.body, [KEY.key, WITNESS.key]).signatures) == 2
    head = one(app, "HEAD", LATEST)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(shown.body)))


def test_a_body_may_come_in_pieces(app: Application) -> None:
    body = LOG.request(0, 9)
    assert one(app, "POST", "/add-checkpoint", *(body[at : at + 7] for at in range(0, len(body), 7))).status == 200


def test_a_conflict_names_the_size_in_its_own_type(app: Application) -> None:
    one(app, "POST", "/add-checkpoint", LOG.request(0, 9))
    got = one(app, "POST", "/add-checkpoint", LOG.request(0, 20))
    assert (got.status, got.headers["content-type"], got.body) == (409, "text/x.tlog.size", b"9\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/add-checkpoint", 405), ("PUT", "/add-checkpoint", 405), ("POST", LATEST, 405),
        ("DELETE", LATEST, 405), ("GET", "/", 404), ("POST", "/add-checkpoint/", 404),
        ("POST", "/x/add-checkpoint", 404),
        ("GET", LATEST.upper(), 404), ("GET", LATEST + "\n", 404), ("GET", f"/..{LATEST}", 404),
        ("GET", LATEST[:-11], 404),
        ("GET", f"/{'0' * 64}/checkpoint", 404), ("GET", f"/{name_of(ORIGIN)}.lock/checkpoint", 404),
    ],
)  # fmt: skip
def test_there_is_nothing_else(app: Application, method: str, path: str, status: int) -> None:
    one(app, "POST", "/add-checkpoint", LOG.request(0, 9))
    assert one(app, method, path).status == status


def test_a_giant_body_is_not_read_to_its_end(app: Application) -> None:
    largest = LOG.request(0, 9)
    largest += b"x" * (LARGEST_REQUEST - len(largest))
    assert one(app, "POST", "/add-checkpoint", largest).status == 400
    assert one(app, "POST", "/add-checkpoint", largest, b"x", hang=True).status == 413


def test_a_body_that_never_ends_is_left(app: Application) -> None:
    got = one(app, "POST", "/add-checkpoint", b"old 0\n", hang=True)
    assert (got.status, got.headers["connection"]) == (408, "close")


def test_who_hangs_up_is_forgotten(app: Application) -> None:
    whole = LOG.request(0, 9)
    got = one(app, "POST", "/add-checkpoint", whole, then={"type": "http.disconnect"})
    assert got.status == 413
    assert one(app, "GET", LATEST).status == 404


class Failing:
    """A witness whose disk is gone."""

    def add(self, body: bytes) -> Reply:
        raise StoreError(f"no disk for {len(body)} bytes")

    def latest(self, name: str) -> bytes | None:
        raise StoreError(f"/secret/path/{name}")


def test_a_failure_is_told_to_the_operator_and_not_to_strangers() -> None:
    told: list[str] = []
    app = Application(Failing(), tell=told.append)
    for method, path in (("POST", "/add-checkpoint"), ("GET", LATEST)):
        got = one(app, method, path)
        assert got.status == 500
        assert b"secret" not in got.body
        assert b"disk" not in got.body
    assert told == ["no disk for 0 bytes", f"/secret/path/{name_of(ORIGIN)}"]


def test_more_than_it_can_do_at_once_is_put_off(monkeypatch: pytest.MonkeyPatch, app: Application) -> None:
    async def slow(_: object) -> Reply:
        await asyncio.sleep(0.05)
        return Reply(200, "")

    async def many() -> list[Called]:
        return await asyncio.gather(*(call(app, "POST", "/add-checkpoint", b"x") for _ in range(AT_ONCE + 5)))

    monkeypatch.setattr(asyncio, "to_thread", slow)
    statuses = [got.status for got in asyncio.run(many())]
    assert (statuses.count(200), statuses.count(503)) == (AT_ONCE, 5)
    assert one(app, "POST", "/add-checkpoint", b"x").status == 200


def test_other_protocols_are_left_alone(app: Application) -> None:
    async def never(*_: object) -> Any:  # noqa: ANN401
        pytest.fail("nothing is to be received or sent")

    for kind in ("lifespan", "websocket"):
        asyncio.run(app({"type": kind}, never, never))
