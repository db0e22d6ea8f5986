"""Asking witnesses: the honest ones cosign, and the others get nothing out of us."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import note
from audit.checkpoint import Checkpoint
from audit.errors import NoteError, StoreError
from audit.note import Algorithm, Signer
from audit.trust import Policy
from audit.trust_text import parse
from audit.witness import ADD, Witness
from audit.witness_client import Outcome, Round, cosigned
from audit.witness_store import Store
from audit.witness_wire import LARGEST_ANSWER, Answered, WireError, post
from tree_log import KEY, OTHER, THIRD, WITNESS, TreeLog

LOG = TreeLog(60)
FORK = TreeLog(60, seed="other")
NOW = 1_767_139_200
QUICK = 0.6


def policy(*lines: str, quorum: str = "all") -> Policy:
    text = [f"log {KEY.key}", *lines]
    names = " ".join(line.split()[1] for line in lines)
    return parse(
        "".join(f"{line}\n" for line in [*text, f"group all-of-them {quorum} {names}", "quorum all-of-them"]).encode()
    )


def named(name: str, signer: Signer, url: str = "http://w.invalid") -> str:
    return f"witness {name} {signer.key} {url}"


class Real:
    """A real witness that is asked without a network."""

    def __init__(self, path: Path, signer: Signer = WITNESS) -> None:
        self.witness = Witness(signer, [KEY.key], Store(path), clock=lambda: NOW)
        self.asked: list[bytes] = []

    def __call__(self, url: str, body: bytes, seconds: float) -> Answered:
        assert url.endswith(ADD)
        assert seconds > 0
        self.asked.append(body)
        reply = self.witness.add(body)
        return Answered(reply.status, reply.kind.split(";")[0], reply.body.encode())


@pytest.fixture
def real(tmp_path: Path) -> Real:
    return Real(tmp_path / "w")


W = named("W", WITNESS)


def test_a_checkpoint_comes_back_cosigned(real: Real) -> None:
    got = cosigned(LOG.signed(9), policy(W), LOG.prove, ask=real)
    assert got.reached
    assert got.answers[0].outcome is Outcome.COSIGNED
    found, point = policy(W).check(got.note)
    assert (point.size, len(found.signatures)) == (9, 2)
    assert got.note.startswith(LOG.signed(9))


def test_a_conflict_is_answered_with_the_proof_from_there(real: Real) -> None:
    cosigned(LOG.signed(9), policy(W), LOG.prove, ask=real)
    assert cosigned(LOG.signed(20), policy(W), LOG.prove, ask=real).reached
    assert [body.split(b"\n")[0] for body in real.asked] == [b"old 0", b"old 0", b"old 9"]
    # Whoever remembers asks once.
    assert cosigned(LOG.signed(30), policy(W), LOG.prove, known={WITNESS.key: 20}, ask=real).reached
    assert len(real.asked) == 4
    # And the same size again is proved by nothing.
    assert cosigned(LOG.signed(30), policy(W), LOG.prove, known={WITNESS.key: 30}, ask=real).reached


def test_a_fork_is_refused_by_who_saw_the_other_side(real: Real) -> None:
    cosigned(LOG.signed(9), policy(W), LOG.prove, ask=real)
    for size in (9, 20):
        got = cosigned(FORK.signed(size), policy(W), FORK.prove, ask=real)
        assert (got.reached, got.answers[0].outcome) == (False, Outcome.REFUSED)
        assert got.note == FORK.signed(size)


def test_a_quorum_is_reached_without_who_does_not_answer(tmp_path: Path) -> None:
    witnesses = {"http://w": Real(tmp_path / "w"), "http://o": Real(tmp_path / "o", OTHER)}

    def ask(url: str, body: bytes, seconds: float) -> Answered:
        base = url.removesuffix(ADD)
        if base not in witnesses:
            raise WireError("nobody there")
        return witnesses[base](url, body, seconds)

    lines = [named("W", WITNESS, "http://w/"), named("O", OTHER, "http://o"), named("T", THIRD, "http://t")]
    got = cosigned(LOG.signed(9), policy(*lines, quorum="2"), LOG.prove, ask=ask)
    assert got.reached
    assert [answer.outcome for answer in got.answers] == [Outcome.COSIGNED, Outcome.COSIGNED, Outcome.FAILED]
    assert "nobody there" in got.answers[2].said
    assert not cosigned(LOG.signed(9), policy(*lines, quorum="all"), LOG.prove, ask=ask).reached
    # Who has cosigned already is not asked again, and counts.
    again = cosigned(got.note, policy(*lines, quorum="2"), LOG.prove, ask=ask)
    assert again.reached
    assert [answer.name for answer in again.answers] == ["T"]


def test_who_has_no_address_is_not_asked(real: Real) -> None:
    got = cosigned(LOG.signed(9), policy(W.removesuffix(" http://w.invalid")), LOG.prove, ask=real)
    assert got == Round(LOG.signed(9), reached=False, answers=())


def replying(status: int, body: bytes, kind: str = "text/plain") -> Callable[[str, bytes, float], Answered]:
    return lambda *_: Answered(status, kind, body)


TEXT = LOG.text(20)
IMPOSTOR = Signer(WITNESS.name, Algorithm.COSIGNATURE, bytes(32))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK\n",
        OTHER.line(TEXT, at=NOW).encode(),
        IMPOSTOR.line(TEXT, at=NOW).encode(),
        KEY.line(TEXT).encode(),
        WITNESS.line(LOG.text(9), at=NOW).encode(),
        WITNESS.line(FORK.text(20), at=NOW).encode(),
        WITNESS.line(TEXT, at=NOW).encode()[:-1],
        WITNESS.line(TEXT, at=NOW).encode().replace(b"\n", b"\r\n"),
        WITNESS.line(TEXT, at=NOW).encode().replace(b"w1", b"w2"),
        WITNESS.line(TEXT, at=2**63).encode(),
        b"\n" + WITNESS.line(TEXT, at=NOW).encode(),
        b"more\n\n" + WITNESS.line(f"{TEXT}\nmore\n", at=NOW).encode(),
        b"\xff" + WITNESS.line(TEXT, at=NOW).encode(),
        WITNESS.line(TEXT, at=NOW).encode() * 101,
        WITNESS.line(TEXT, at=NOW).encode() + WITNESS.line(LOG.text(9), at=NOW).encode(),
    ],
)
def test_somebody_elses_cosignature_or_another_texts_is_none(body: bytes) -> None:
    got = cosigned(LOG.signed(20), policy(W), LOG.prove, ask=replying(200, body))
    assert (got.note, got.reached) == (LOG.signed(20), False)
    assert got.answers[0].outcome is Outcome.FAILED
    assert got.answers[0].line == ""


def test_lines_by_others_beside_its_own_are_not_taken_over() -> None:
    body = (OTHER.line(TEXT, at=NOW) + WITNESS.line(TEXT, at=NOW) + WITNESS.line(TEXT, at=NOW + 1)).encode()
    got = cosigned(LOG.signed(20), policy(W), LOG.prove, ask=replying(200, body))
    assert got.note == LOG.signed(20, lambda text: WITNESS.line(text, at=NOW))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(301, "failed"), (302, "failed"), (400, "refused"), (403, "refused"), (404, "refused"), (408, "failed"),
     (409, "refused"), (422, "refused"), (429, "failed"), (500, "failed"), (503, "failed"), (204, "failed")],
)  # fmt: skip
def test_what_is_no_yes_is_a_no(status: int, outcome: str) -> None:
    got = cosigned(LOG.signed(20), policy(W), LOG.prove, ask=replying(status, WITNESS.line(TEXT, at=NOW).encode()))
    assert (got.reached, got.answers[0].outcome) == (False, outcome)
    assert str(status) in got.answers[0].said


SIZES = "text/x.tlog.size"


@pytest.mark.parametrize(
    ("said", "known", "outcome"),
    [
        (b"9\n", 12, Outcome.FORGOT),
        (b"0\n", 1, Outcome.FORGOT),
        (b"21\n", 0, Outcome.AHEAD),
        (b"9223372036854775807\n", 0, Outcome.AHEAD),
        (b"10000000000000000000\n", 0, Outcome.FAILED),
        (b"09\n", 0, Outcome.FAILED),
        (b"12", 0, Outcome.FAILED),
        (b"9\n9\n", 0, Outcome.FAILED),
        (b"-9\n", 0, Outcome.FAILED),
        (b"\n", 0, Outcome.FAILED),
        (b"\xd9\xa9\n", 0, Outcome.FAILED),
        (b"12\n", 12, Outcome.REFUSED),
        (b"0\n", 0, Outcome.REFUSED),
    ],
)
def test_what_a_witness_says_of_itself_is_compared_with_what_we_know(said: bytes, known: int, outcome: Outcome) -> None:
    asked: list[int] = []

    def prove(old: int, new: int) -> list[bytes]:
        asked.append(old)
        return LOG.prove(old, new)

    ask = replying(409, said, SIZES)
    got = cosigned(LOG.signed(20), policy(W), prove, known={WITNESS.key: known}, ask=ask)
    assert got.answers[0].outcome is outcome
    assert all(old >= known for old in asked)


def test_we_do_not_ask_for_less_than_it_has_cosigned() -> None:
    ask = replying(200, WITNESS.line(TEXT, at=NOW).encode())
    got = cosigned(LOG.signed(20), policy(W), LOG.prove, known={WITNESS.key: 21}, ask=ask)
    assert got.answers[0].outcome is Outcome.AHEAD


def test_a_witness_that_names_another_size_each_time_is_left() -> None:
    sizes = iter(range(1, 20))
    asked: list[bytes] = []

    def ask(_: str, body: bytes, __: float) -> Answered:
        asked.append(body)
        return Answered(409, SIZES, b"%d\n" % next(sizes))

    got = cosigned(LOG.signed(20), policy(W), LOG.prove, ask=ask)
    assert (got.answers[0].outcome, len(asked)) == (Outcome.FAILED, 3)


def test_a_proof_that_cannot_be_made_is_told(real: Real) -> None:
    def prove(old: int, new: int) -> list[bytes]:
        raise StoreError(f"no tile between {old} and {new}")

    got = cosigned(LOG.signed(9), policy(W), prove, ask=real)
    assert got.reached, "from nothing, nothing is to be proved"
    got = cosigned(LOG.signed(20), policy(W), prove, ask=real)
    assert (got.answers[0].outcome, got.answers[0].said) == (Outcome.FAILED, "no tile between 9 and 20")


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        FORK.signed(9)[:-9],
        TreeLog(9, origin="example.org/else").signed(9),
        note.written(TEXT, [WITNESS.line(TEXT, at=1)]).encode(),
    ],
)
def test_what_is_not_our_logs_is_sent_to_nobody(signed: bytes) -> None:
    with pytest.raises(NoteError):
        cosigned(signed, policy(W), LOG.prove, ask=lambda *_: pytest.fail("nobody is to be asked"))


def test_so_many_witnesses_that_it_would_be_no_note_any_more_are_not_asked() -> None:
    many = [Signer(f"w{n}", Algorithm.COSIGNATURE, (n + 1).to_bytes(32, "big")) for n in range(110)]
    by = {f"http://{each.name}{ADD}": each for each in many}

    def ask(url: str, _: bytes, __: float) -> Answered:
        return Answered(200, "text/plain", by[url].line(TEXT, at=NOW).encode())

    lines = [named(each.name, each, f"http://{each.name}") for each in many]
    got = cosigned(LOG.signed(20), policy(*lines, quorum="99"), LOG.prove, ask=ask)
    assert got.reached
    assert len(note.read(got.note, [KEY.key]).lines) == note.MOST_SIGNATURES


# Over a real socket.


@contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def do_GET(self) -> None:
            pytest.fail("a redirect was followed")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def simple(status: int, body: bytes, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_an_answer_is_read() -> None:
    with serving(simple(409, b"9\n", Content_Type="text/x.tlog.size")) as url:
        assert post(url + ADD, b"x", QUICK) == Answered(409, "text/x.tlog.size", b"9\n")


def test_a_redirect_is_not_followed() -> None:
    with serving(simple(307, b"", Location="/elsewhere")) as url:
        assert post(url + ADD, b"x", QUICK).status == 307


def test_a_giant_body_is_left() -> None:
    with serving(simple(200, b"x" * LARGEST_ANSWER)) as url:
        assert len(post(url, b"x", QUICK * 5).body) == LARGEST_ANSWER
    with serving(simple(200, b"x" * (LARGEST_ANSWER + 1))) as url, pytest.raises(WireError, match="at most 65536"):
        post(url, b"x", QUICK * 5)
    with serving(simple(200, b"x" * 10, Content_Length=str(10**15))) as url, pytest.raises(WireError):
        post(url, b"x", QUICK)


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.connection.recv(1)


def dripping(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Each byte in good time, and never all of them: a time-out on reads alone does not see this."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"a")
        time.sleep(QUICK / 6)


def dripping_interim(handler: http.server.BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(QUICK / 6)


@pytest.mark.parametrize("answer", [silent, dripping, dripping_interim, endless])
def test_who_never_comes_to_an_end_is_left(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
    began = time.monotonic()
    with serving(answer) as url, pytest.raises(WireError):
        post(url, b"x", QUICK)
    assert time.monotonic() - began < QUICK * 4


def garbage(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True


def closing(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize("answer", [garbage, closing])
def test_what_is_no_http_is_no_answer(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
    with serving(answer) as url, pytest.raises(WireError, match="expected an answer from 127"):
        post(url, b"x", QUICK)


def test_tls_is_checked_and_bounded_as_well() -> None:
    with serving(silent) as url, pytest.raises(WireError):
        post(url.replace("http:", "https:"), b"x", QUICK)


@pytest.mark.parametrize(
    "url",
    [
        "", "w", "ftp://w", "file:///etc/passwd", "http://", "http://u@w", "http://u:p@w", "http://w/?q", "http://w/#f",
        "http://w:0", "http://w:99999", "http://w:x", "http://[::1", "http://w/ x", "http://w/\u00e9", "http://w/\x7f",
        "unix:/run/x", "//w",
    ],
)  # fmt: skip
def test_an_address_we_would_not_ask_is_refused(url: str) -> None:
    with pytest.raises(WireError, match="expected an address"):
        post(url, b"x", QUICK)


def test_nobody_there_is_said() -> None:
    with pytest.raises(WireError, match=r"expected an answer from 127\.0\.0\.1:9 "):
        post("http://127.0.0.1:9", b"x", QUICK)


def test_a_checkpoint_of_the_empty_log_needs_no_proof(real: Real) -> None:
    text = Checkpoint(LOG.origin, 0, LOG.root(0)).text()
    signed = note.written(text, [KEY.line(text)]).encode()
    assert cosigned(signed, policy(W), LOG.prove, ask=real).reached
    assert cosigned(LOG.signed(5), policy(W), LOG.prove, ask=real).reached
