"""Second factors on the command line: enrolled, asked for, approved elsewhere, denied, lost and reset."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from builders import loose_policy
from governance.adapters import clock
from governance.adapters.client import Client
from governance.adapters.seat import Seat
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import App, Seated
from governance.people import totp
from landing_world import until
from playing import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Playground]:
    policy = loose_policy(tmp_path / "policy")
    policy.write_text(re.sub(r"(?m)^second_factor: .*\n", "", policy.read_text()))
    made = Playground(tmp_path, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=policy)
    made.begin()
    yield made
    made.close()


def answer(seat: Seated, *args: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(seat.quiet(*args, "--json"))


def doctor(play: Playground) -> list[tuple[str, str]]:
    found = json.loads(play.owner.quiet("doctor", "--json"))
    return [(each["level"], each["said"]) for each in found if each["what"] == "second factor"]


def test_a_person_enrols_is_asked_loses_it_and_is_reset_by_another(play: Playground) -> None:
    owner = play.owner
    refused = answer(owner, "principal", "add", "dev-a", "--email-domain", "example.org")
    assert refused["error"]["code"] == "factor.none"
    assert "otp enroll" in refused["error"]["mend"]
    assert any(level == "warn" and "owner has none" in said for level, said in doctor(play))
    play.second_factor()
    assert any("owner alone holds one" in said for _, said in doctor(play))

    options = ("--email-domain", "example.org", "--secrets-to", str(play.folder))
    owner.twinseal("principal", "add", "mia", "--role", "human", *options)
    assert not play.mistakes, play.mistakes
    mia = play.seated("mia", play.folder / "mia.secret")
    mia.app = App(clock.base32(totp.SECRET_BYTES))
    file = play.folder / "app"
    file.write_text(mia.app.secret)
    enrolled = answer(mia, "otp", "enroll", "--secret-file", str(file), "--code", mia.app.code())
    assert (enrolled["how"], len(enrolled["recovery_codes"])) == ("first", 10)
    assert answer(mia, "otp", "list")["recovery_codes"] == 10

    # A key is replaced with the code: the same nonce comes twice.
    owner.twinseal("key", "rotate")
    assert not play.mistakes, play.mistakes
    with ThreadPoolExecutor(1) as beside:
        raised = beside.submit(answer, owner, "limit", "raise", "dev-a", "push", "--hour", "10000", "--day", "100000")
        until("it waits", lambda: bool(waiting(play, owner)))
        (prompt,) = waiting(play, owner)
        assert prompt["acts"] == ["limit"]
        assert prompt["digest"] in owner.quiet("otp", "verify")
        assert prompt["digest"] in owner.quiet("otp", "verify", str(prompt["prompt"]))
        denied = answer(owner, "otp", "verify", str(prompt["prompt"]), "--deny", "--reason", "not me")
        assert denied["state"] == "denied"
        assert raised.result()["error"]["code"] == "prompt.denied"

    mia.twinseal("otp", "reset", "owner")
    assert not play.mistakes, play.mistakes
    assert answer(owner, "otp", "list") == {"items": [], "recovery_codes": 0}
    made = ("--secret-file", str(new_secret(play)), "--code", "000000")
    refused = answer(owner, "otp", "recover", "--recovery", "0" * 16, *made)
    assert refused["error"]["code"] == "factor.recovery"
    again = App((play.folder / "new").read_text())
    late = answer(owner, "otp", "enroll", "--secret-file", str(play.folder / "new"), "--code", again.code())
    assert late["how"] == "alone"
    assert any("none that counts yet" in said for _, said in doctor(play))
    owner.app = None
    owner.twinseal("otp", "remove", late["factor"])
    owner.twinseal("ledger", "verify")
    owner.twinseal("ledger", "rebuild", "--check")
    assert not play.mistakes, play.mistakes
    entries = owner.quiet("ledger", "tail", "-n", "200", "--json")
    assert again.secret not in entries
    assert mia.app.secret not in entries


def new_secret(play: Playground) -> Path:
    file = play.folder / "new"
    file.write_text(clock.base32(totp.SECRET_BYTES))
    return file


def waiting(play: Playground, who: Seated) -> list[dict[str, Any]]:
    with Client(play.url, Seat(who.seat).token()) as client:
        return list(client.get("/prompts")["items"])
