"""What may be said on the wire, and what happens when something else is."""

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooks.stub import Stub
from twinseal_hook import Undecided
from twinseal_hook.wire import LARGEST, Service, encode, parse_answer, parse_lines, parse_plan

if TYPE_CHECKING:
    from twinseal_hook.wire import Json

A, B, ZEROS = "a" * 40, "b" * 40, "0" * 40
LONG = "c" * 64

VALUES = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(VALUES)
def test_json_says_what_was_meant(value: object) -> None:
    assert json.loads(encode(cast("Json", value))) == json.loads(json.dumps(value))


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="got bytes"):
        encode({"a": b"x"})


@pytest.mark.parametrize(
    "line",
    [f"{ZEROS} {A} refs/heads/main", f"{A} {ZEROS} HEAD", f"{LONG} {LONG} refs/heads/Stra\xc3\x9fe", f"{A} {B} \xff"],
)
def test_a_line_is_read_as_it_stands(line: str) -> None:
    assert parse_lines(line.encode("latin-1") + b"\n") == [tuple(line.split(" "))]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("\n", id="empty line"),
        pytest.param(f"{A} {B} refs/heads/x", id="no line end"),
        pytest.param(f"{A} {B} refs/heads/x\n{A} {B} re", id="torn"),
        pytest.param(f"{A} {B} refs/heads/x\n\n{A} {B} refs/heads/y\n", id="a gap"),
        pytest.param(f"{A} {B}\n", id="no ref"),
        pytest.param(f"{A} {B} \n", id="empty ref"),
        pytest.param(f"{A}  {B} refs/heads/x\n", id="two spaces"),
        pytest.param(f" {A} {B} refs/heads/x\n", id="leading space"),
        pytest.param(f"{A} {B} refs/heads/x y\n", id="space in a ref"),
        pytest.param(f"{A} {B} refs/heads/x \n", id="space after a ref"),
        pytest.param(f"{A} {B} refs/heads/x\r\n", id="carriage return"),
        pytest.param(f"{A} {B} refs/heads/\tx\n", id="tab"),
        pytest.param(f"{A} {B} refs/heads/\0x\n", id="NUL"),
        pytest.param(f"{A} {B} refs/heads/\x7fx\n", id="delete"),
        pytest.param(f"{A.upper()} {B} refs/heads/x\n", id="capitals"),
        pytest.param(f"{A[:-1]} {B[:-1]} refs/heads/x\n", id="short"),
        pytest.param(f"{A} {LONG} refs/heads/x\n", id="two lengths"),
        pytest.param(f"{A} {B} refs/heads/x\n{LONG} {LONG} refs/heads/y\n", id="a length a line"),
        pytest.param(f"{A[:-1]}g {B} refs/heads/x\n", id="not hexadecimal"),
        pytest.param(f"{A} {B} refs/heads/x\n{A} {B} refs/heads/x\n", id="the same ref twice"),
    ],
)
def test_any_other_line_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_lines(data.encode("latin-1"))


def test_a_plan_is_read() -> None:
    assert parse_plan(f"plan\njudge {A}\njudge -\nskip\n", count=3) == [A, "", None]
    assert parse_plan(f"plan\njudge {LONG}", count=1) == [LONG]


@pytest.mark.parametrize(
    "text",
    [
        "plan",
        "plan\n",
        "plan\nskip\nskip\n",
        "plan\njudge\n",
        "plan\njudge --all\n",
        "plan\nskip it\n",
        "plans\nskip\n",
    ],
)
def test_any_other_plan_is_not_followed(text: str) -> None:
    with pytest.raises(Undecided, match="plan"):
        parse_plan(text, count=1)


def test_an_answer_is_read_with_every_pin_reserved_as_a_creation() -> None:
    text = f"answer 0\nreserve {A} {B} refs/heads/x\npin {B} refs/changes/1/1\ntext\nwell\ntext\ndone\n"
    code, reserved, told = parse_answer(text)
    assert code == 0
    assert reserved == [f"{A} {B} refs/heads/x", f"{ZEROS} {B} refs/changes/1/1", f"pin {B} refs/changes/1/1"]
    assert told == "well\ntext\ndone\n"
    assert parse_answer("answer 1\ntext") == (1, [], "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "answer 0\n",
        "answer 0 text\n",
        "answer 2\ntext\n",
        "answer 00\ntext\n",
        "Answer 0\ntext\n",
        "plan\nskip\n",
        "answer 0\nallow all\ntext\n",
        f"answer 0\nreserve {A} {B}\ntext\n",
        f"answer 0\nreserve {A} {B} refs/heads/x y\ntext\n",
        f"answer 0\nreserve {A} {B[:-1]} refs/heads/x\ntext\n",
        f"answer 0\nreserve {A} {B} refs/heads/\u0142\ntext\n",
        f"answer 0\npin {A}\ntext\n",
        f"answer 0\npin {A} refs/heads/x\r\ntext\n",
    ],
)
def test_any_other_answer_is_no_answer(text: str) -> None:
    with pytest.raises(Undecided, match="answer"):
        parse_answer(text)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        pytest.param(b"", "hung up", id="nothing"),
        pytest.param(b"12", "hung up", id="half a length"),
        pytest.param(b"12\nanswer 0\n", "hung up", id="half an answer"),
        pytest.param(b"x\n", "frame length", id="no length"),
        pytest.param(b"-1\n", "frame length", id="a negative length"),
        pytest.param(b"\xb2\n", "frame length", id="a superscript"),
        pytest.param(b"%d\n" % (LARGEST + 1), "frame length", id="too long"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", "frame length", id="another protocol"),
        pytest.param(b"2\n\xff\xfe", "not UTF-8", id="not text"),
    ],
)
def test_a_service_that_talks_nonsense_is_named(tmp_path: Path, said: bytes, complaint: str) -> None:
    stub = Stub(tmp_path / "s", misbehave=lambda connection: connection.sendall(said))
    with stub, Service(str(tmp_path / "s")) as service:
        service.send({"kind": "hello"})
        with pytest.raises(Undecided, match=complaint):
            service.receive()


def test_a_service_that_does_not_answer_in_time_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with Service(str(tmp_path / "s"), wait=0.05) as service:
            with pytest.raises(Undecided, match=r"within 0\.05 s"):
                service.receive()
            with pytest.raises(Undecided, match="did not take our question"):
                service.send("x" * (8 << 20))


def test_frames_that_arrive_in_pieces_or_together_are_told_apart(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        for piece in (b"5", b"\nsay", b"\na", b"4\nsay\n0\n", b"8\nanswer", b" 0"):
            connection.sendall(piece)

    with Stub(tmp_path / "s", misbehave=talk), Service(str(tmp_path / "s")) as service:
        service.send({"kind": "hello"})
        assert [service.receive() for _ in range(4)] == ["say\na", "say\n", "", "answer 0"]
