"""The witness: what it cosigns, what it does not, and that it never cosigns two histories of one log."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import merkle, note
from audit.checkpoint import Checkpoint
from audit.errors import NoteError, StoreError
from audit.note import Algorithm, Key, Signer
from audit.witness import LARGEST_REQUEST, SIZE, Reply, Witness
from audit.witness_store import Slot, Store, name_of
from tree_log import KEY, ORIGIN, WITNESS, TreeLog, asking, resigned

LOG = TreeLog(300)
FORK = TreeLog(300, seed="other")
NOW = 1_767_139_200
CONVERSATION = Path(__file__).parents[1] / "vectors" / "notes" / "witness.json"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return made(tmp_path)


def made(path: Path, *, now: Callable[[], int] = lambda: NOW) -> Witness:
    return Witness(WITNESS, [KEY.key], Store(path / "state"), clock=now)


def cosigned(reply: Reply, text: str) -> int:
    """The time of the one cosignature in a reply, which must be over this text."""
    assert (reply.status, reply.kind) == (200, "text/plain; charset=utf-8")
    found = note.read((text + "\n" + reply.body).encode(), [WITNESS.key])
    assert len(found.lines) == 1
    [signature] = found.signatures
    return signature.at


def at_size(witness: Witness, size: int) -> Witness:
    assert witness.add(LOG.request(0, size)).status == 200
    return witness


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True))
@settings(deadline=None, max_examples=20)
def test_it_follows_a_log_in_any_steps(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    witness = made(tmp_path_factory.mktemp("w"))
    for old, new in itertools.pairwise([0, *sorted(sizes)]):
        assert cosigned(witness.add(LOG.request(old, new)), LOG.text(new)) == NOW
    kept = witness.latest(name_of(ORIGIN))
    assert kept is not None
    found = note.read(kept, [KEY.key, WITNESS.key])
    assert Checkpoint.parse(found.text).size == max(sizes)
    assert len(found.signatures) == 2


def test_a_published_conversation_goes_as_published(tmp_path: Path) -> None:
    said = json.loads(CONVERSATION.read_text("utf-8"))
    witness = Witness(WITNESS, [Key.parse(said["log"])], Store(tmp_path), clock=lambda: NOW)
    for asked in said["asked"]:
        got = witness.add(asked["body"].encode())
        assert got.status == asked["status"], asked["name"]
        assert got.body == (asked["answer"] or got.body), asked["name"]
        assert (got.kind == SIZE) == (got.status == 409)


def test_the_same_checkpoint_again_is_cosigned_again_at_its_time(tmp_path: Path) -> None:
    now = iter([NOW, NOW + 60])
    witness = at_size(made(tmp_path, now=lambda: next(now)), 9)
    assert cosigned(witness.add(LOG.request(9, 9)), LOG.text(9)) == NOW + 60


def test_its_time_never_goes_back_even_in_another_process(tmp_path: Path) -> None:
    at_size(made(tmp_path, now=lambda: NOW + 1000), 9)
    assert cosigned(made(tmp_path, now=lambda: NOW).add(LOG.request(9, 12)), LOG.text(12)) == NOW + 1000


@pytest.mark.parametrize("now", [0, -1, 1.5, 2**63, None])
def test_a_clock_that_is_none_ends_it(tmp_path: Path, now: int) -> None:
    witness = made(tmp_path, now=lambda: now)
    with pytest.raises(StoreError, match="the clock to say Unix seconds"):
        witness.add(LOG.request(0, 9))
    assert witness.latest(name_of(ORIGIN)) is None


def test_an_unknown_log_is_not_found(witness: Witness) -> None:
    other = TreeLog(9, origin="example.org/elsewhere")
    assert witness.add(other.request(0, 9)).status == 404
    assert witness.add(LOG.request(0, 9)).status == 200


def test_only_the_logs_own_signature_counts(witness: Witness) -> None:
    text = LOG.text(9)
    stranger = Signer(ORIGIN, Algorithm.ED25519, bytes(32))
    for lines in (
        [stranger.line(text)],
        [WITNESS.line(text, at=NOW)],
        [KEY.line(text + "x\n")],
        [KEY.line(text), KEY.line(text + "x\n")],
        [Signer("example.org/x", Algorithm.ED25519, KEY.secret).line(text)],
    ):
        assert witness.add(asking(0, [], note.written(text, lines).encode())).status == 403
    assert witness.add(asking(0, [], note.written(text, [stranger.line(text), KEY.line(text)]).encode())).status == 200
    kept = witness.latest(name_of(ORIGIN))
    assert kept is not None
    assert stranger.line(text).encode() not in kept, "what strangers wrote is not passed on"


def test_a_log_may_change_its_key(tmp_path: Path) -> None:
    new = Signer(ORIGIN, Algorithm.ED25519, bytes(32))
    witness = Witness(WITNESS, [KEY.key, new.key], Store(tmp_path), clock=lambda: NOW)
    at_size(witness, 9)
    later = TreeLog(300, key=new)
    assert witness.add(later.request(9, 20)).status == 200
    both = note.written(LOG.text(30), [KEY.line(LOG.text(30)), new.line(LOG.text(30))]).encode()
    assert witness.add(asking(20, LOG.prove(20, 30), both)).status == 200


SIGNED = LOG.signed(9)
HASH = LOG.leaves[0]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"old 0\n", b"old 0\n\n", b"old 0\n" + SIGNED, b"old\n\n" + SIGNED, b"old \n\n" + SIGNED,
        b"old 00\n\n" + SIGNED, b"old +0\n\n" + SIGNED, b"old -1\n\n" + SIGNED, b"old  0\n\n" + SIGNED,
        b"Old 0\n\n" + SIGNED, b"old 0 \n\n" + SIGNED, b"old 0\r\n\r\n" + SIGNED, "old \u0660\n\n".encode() + SIGNED,
        b"\nold 0\n\n" + SIGNED, b"old 0\n\n\n" + SIGNED, asking(10**19, [], SIGNED), asking(2**63, [], SIGNED),
        asking(0, [HASH] * 64, SIGNED), asking(0, [HASH[:31]], SIGNED), asking(0, [b""], SIGNED),
        b"old 0\nnot base64\n\n" + SIGNED, b"old 0\n\xff\n\n" + SIGNED, asking(10, [], SIGNED),
        asking(0, [], SIGNED[:-1]), asking(0, [], SIGNED + b"\n"), asking(0, [], SIGNED.replace(b"\n", b"\r\n")),
        asking(0, [], SIGNED + b"x"), asking(0, [], b"\xff" + SIGNED), asking(0, [], b"\n" + SIGNED),
        asking(0, [], resigned("example.org/log\nnine\n" + LOG.text(9).split("\n")[2] + "\n")),
        asking(0, [], resigned(LOG.text(9).replace("\n9\n", "\n09\n"))),
        asking(0, [], resigned(LOG.text(9).replace("\n9\n", f"\n{2**63}\n"))),
        asking(0, [], resigned(LOG.text(9).replace("\n9\n", f"\n{10**19}\n"))),
        asking(0, [], resigned(LOG.text(9) + "an extension\n")), asking(0, [], resigned(LOG.text(9) + "\nmore\n")),
        asking(0, [], resigned("example.org/log\n9\n")), asking(0, [], SIGNED + b"x" * LARGEST_REQUEST),
    ],
)  # fmt: skip
def test_what_is_malformed_is_a_bad_request_and_changes_nothing(witness: Witness, body: bytes) -> None:
    assert witness.add(body).status == 400
    assert witness.latest(name_of(ORIGIN)) is None
    assert witness.add(asking(0, [], SIGNED)).status == 200


def test_sixty_three_hashes_are_too_many_for_this_tree_but_not_malformed(witness: Witness) -> None:
    at_size(witness, 9)
    assert witness.add(LOG.request(9, 20, [HASH] * 63)).status == 422
    assert witness.add(LOG.request(9, 20, [HASH] * 64)).status == 400


def test_an_older_checkpoint_that_is_replayed_gets_nothing(witness: Witness) -> None:
    at_size(witness, 20)
    for old in (0, 9):
        got = witness.add(LOG.request(old, 9))
        assert (got.status, got.body, got.kind) == (409, "20\n", SIZE)
    assert witness.add(LOG.request(20, 9, [])).status == 400
    assert cosigned(witness.add(LOG.request(20, 21)), LOG.text(21)) == NOW


def test_a_log_that_signs_two_histories_gets_one_cosigned(witness: Witness) -> None:
    at_size(witness, 9)
    assert witness.add(FORK.request(9, 9)).status == 422
    assert witness.add(FORK.request(9, 20)).status == 422
    assert witness.add(LOG.request(9, 20, LOG.prove(8, 20))).status == 422
    assert witness.add(LOG.request(9, 20, LOG.prove(9, 21))).status == 422
    assert witness.add(LOG.request(9, 20, [])).status == 422
    assert witness.add(LOG.request(9, 9, LOG.prove(8, 9))).status == 422
    assert witness.add(FORK.request(0, 9)).status == 409
    assert witness.add(LOG.request(9, 20)).status == 200


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=30)
def test_no_proof_between_two_histories_is_taken(
    tmp_path_factory: pytest.TempPathFactory, old: int, more: int, data: st.DataObject
) -> None:
    witness = at_size(made(tmp_path_factory.mktemp("w")), old)
    hashes = [*LOG.prove(old, old + more), *FORK.prove(old, old + more), LOG.root(old), FORK.root(old)]
    proof = data.draw(st.lists(st.sampled_from(hashes), max_size=10))
    assert witness.add(FORK.request(old, old + more, proof)).status == 422


def test_the_empty_tree_begins_every_tree_and_has_one_root(witness: Witness) -> None:
    empty = Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT).text()
    assert witness.add(asking(0, [], resigned(empty.replace("47DEQpj8", "57DEQpj8")))).status == 422
    assert witness.add(asking(0, [HASH], resigned(empty))).status == 422
    for _ in range(2):
        assert cosigned(witness.add(asking(0, [], resigned(empty))), empty) == NOW
    assert witness.add(asking(0, [], resigned(Checkpoint(ORIGIN, 0, bytes(32)).text()))).status == 422
    assert witness.add(asking(0, [HASH], LOG.signed(9))).status == 422
    assert witness.add(asking(0, [], LOG.signed(9))).status == 200
    assert witness.add(asking(0, [], resigned(empty))).status == 409


def test_origins_do_not_meddle_with_each_other(tmp_path: Path) -> None:
    other = TreeLog(
        30, seed="x", origin="example.org/log/e2", key=Signer("example.org/log/e2", KEY.algorithm, bytes(32))
    )
    witness = Witness(WITNESS, [KEY.key, other.key.key], Store(tmp_path), clock=lambda: NOW)
    at_size(witness, 20)
    assert witness.add(other.request(0, 5)).status == 200
    assert witness.add(LOG.request(20, 30)).status == 200
    # One log's key signs nothing for the other.
    assert witness.add(asking(5, other.prove(5, 9), resigned(other.text(9)))).status == 403


def test_a_witness_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoteError, match="a key for cosignatures"):
        Witness(KEY, [KEY.key], Store(tmp_path), clock=lambda: NOW)


@pytest.mark.parametrize(
    "kept",
    [b"", b"nonsense", LOG.signed(9), LOG.signed(9)[:50],
     TreeLog(9, origin="x").signed(9, lambda t: WITNESS.line(t, at=1)),
     LOG.signed(9, lambda t: Signer(WITNESS.name, WITNESS.algorithm, bytes(32)).line(t, at=1)),
     LOG.signed(9, lambda t: WITNESS.line(t + "x\n", at=1))],
)  # fmt: skip
def test_a_memory_that_is_damaged_is_not_an_empty_one(tmp_path: Path, kept: bytes) -> None:
    witness = at_size(made(tmp_path), 20)
    (tmp_path / "state" / name_of(ORIGIN)).write_bytes(kept)
    with pytest.raises(StoreError, match="expected what this witness cosigned of"):
        witness.add(LOG.request(0, 9))


class Stop(BaseException):
    """The process ends here, as far as this test is concerned."""


@pytest.mark.parametrize("point", ["fsync", "rename", "settle", "reply"])
def test_whatever_breaks_there_is_one_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Before the rename it has forgotten; from there on it knows. A cosignature that nobody saw binds nobody."""
    at_size(made(tmp_path), 9)
    witness = made(tmp_path)

    def stop(*_: object) -> None:
        raise Stop

    where = {"fsync": (os, "fsync"), "rename": (Path, "rename"), "settle": (Store, "_settle")}
    if point == "reply":
        write = Slot.write
        monkeypatch.setattr(Slot, "write", lambda slot, data: (write(slot, data), stop()))
    else:
        monkeypatch.setattr(*where[point], stop)
    with pytest.raises(Stop):
        witness.add(LOG.request(9, 20))
    monkeypatch.undo()
    after = made(tmp_path)
    known = 9 if point in {"fsync", "rename"} else 20
    assert after.add(LOG.request(0, 9)).body == f"{known}\n"
    assert after.add(FORK.request(known, 20)).status == 422
    assert after.add(LOG.request(known, 20)).status == 200


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_disk_that_failed_once_is_not_believed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    witness = at_size(made(tmp_path), 9)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(StoreError, match="No space left"):
        witness.add(LOG.request(9, 20))
    monkeypatch.undo()
    with pytest.raises(StoreError, match="whose last write failed"):
        witness.add(LOG.request(9, 20))
    with pytest.raises(StoreError, match="whose last write failed"):
        witness.latest(name_of(ORIGIN))
    assert made(tmp_path).add(LOG.request(9, 20)).status == 200


def test_two_at_the_same_moment_get_one_history(tmp_path: Path) -> None:
    """Threads, each with a fork of its own from size 9, on two witnesses that share a folder."""
    at_size(made(tmp_path), 9)
    witnesses = [made(tmp_path), made(tmp_path)]
    bodies = [LOG.request(9, 9 + number) for number in range(1, 9)] + [FORK.request(9, 9 + n) for n in range(1, 9)]
    start = threading.Barrier(len(bodies))
    replies: dict[int, Reply] = {}

    def ask(number: int) -> None:
        start.wait()
        replies[number] = witnesses[number % 2].add(bodies[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({reply.status for reply in replies.values()}) in ([200, 409], [200, 409, 422])
    assert [reply.status for reply in replies.values()].count(200) == 1


def _hammer(path: Path, out: Path, forks: tuple[int, ...]) -> None:
    """Ask for one step after another, and note down each cosignature as soon as it is there."""
    witness = made(path)
    histories = [TreeLog(300, seed="s" * number) for number in forks]
    size = 0
    with out.open("a") as file:
        for new in itertools.count(1):
            for log in histories:
                got = witness.add(log.request(size, min(new, 300)))
                if got.status == 200:
                    file.write("\n" + json.dumps([log.text(min(new, 300)), got.body]) + "\n")
                    file.flush()
                if got.status == 409:
                    size = int(got.body)


def test_processes_that_are_killed_leave_one_history(tmp_path: Path) -> None:
    """Two processes race on one folder with two histories each, and are killed in between, twice."""
    context = multiprocessing.get_context("spawn")
    outs = [tmp_path / "a", tmp_path / "b"]
    for out in outs:
        out.touch()
    for _ in range(2):
        before = [out.stat().st_size for out in outs]
        running = [context.Process(target=_hammer, args=(tmp_path, out, (0, 1))) for out in outs]
        for process in running:
            process.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if all(out.stat().st_size > was for out, was in zip(outs, before, strict=True)):
                break
            time.sleep(0.01)
        for process in running:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
    seen: dict[int, str] = {}
    for out in outs:
        # A kill may cut a line; the next one begins anew.
        told = [json.loads(line) for line in out.read_text().split("\n") if line.endswith("]")]
        for text, body in told:
            cosigned(Reply(200, body), text)
            point = Checkpoint.parse(text)
            assert seen.setdefault(point.size, text) == text, "two roots at one size"
        sizes = [Checkpoint.parse(text).size for text, _ in told]
        assert sizes == sorted(sizes), "an older one after a newer one"
    assert seen
    kept = made(tmp_path).latest(name_of(ORIGIN))
    assert kept is not None
    assert Checkpoint.parse(note.read(kept, []).text).size >= max(seen)


def test_the_store_is_private_and_follows_no_link(tmp_path: Path) -> None:
    witness = at_size(made(tmp_path), 9)
    folder = tmp_path / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    (folder / f"{name_of(ORIGIN)}.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        witness.add(LOG.request(9, 20))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "..", "a" * 63, "A" * 64, "a" * 64, f"{'a' * 64}.lock", "../" + "a" * 64])
def test_a_name_that_is_none_has_nothing(witness: Witness, tmp_path: Path, name: str) -> None:
    at_size(witness, 9)
    assert witness.latest(name) is None
    assert len(list((tmp_path / "state").iterdir())) == 2, "and asking leaves nothing behind"


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match="expected to open the witness's store"):
        made(tmp_path)
