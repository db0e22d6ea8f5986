"""A critical decision from question to confirmation, by the commands that people type, against a running service."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage as Mailed
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders import loose_policy
from channels_world import Webhooks, multipart
from governance.adapters import clock
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from peers import Mailbox, smtp
from playing import free_port, until

SECRET = ec.generate_private_key(ec.SECP256R1())
KEY = SECRET.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
BOX = Mailbox()


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("c")
    policy = loose_policy(folder / "policy")
    with smtp(BOX) as port:
        telling = {
            "TWINSEAL_SMTP": f"smtp://127.0.0.1:{port}", "TWINSEAL_MAIL_FROM": "answers@in.example.org",
            "TWINSEAL_SENDGRID_INBOUND": base64.b64encode(KEY).decode(),
        }  # fmt: skip
        made = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=policy, settings=telling)
        try:
            made.begin()
            made.govern("garden", [made.enroll(name) for name in ("dev-a", "qa-a")])
            made.owner.twinseal("token", "issue", "owner", "--repo", "garden", "--keep", str(made.owner.seat))
            yield made
        finally:
            made.close()
        assert made.mistakes == []


def says(play: Playground, name: str, *args: str, refused: str = "") -> str:
    seat: Seated = play.owner if name == "owner" else next(each for each in play.seats if each.name == name)
    return seat.twinseal(*args, refused=refused)


def answer(play: Playground, name: str, *args: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(says(play, name, *args, "--json"))


def approved(play: Playground) -> int:
    raised = answer(play, "dev-a", "decision", "raise", "Shall the wall be moved?", "--kind", "architecture")
    number = int(raised["decision"])
    said = says(play, "owner", "decision", "sign", str(number), "--approve", "--reason", "it is in the way")
    assert "a code was sent to owner by mail" in said
    assert "twinseal decision confirm YES-<code>" in said
    return number


def sent(number: int) -> Mailed:
    """Return the mail that asks to confirm a decision, once it has come."""

    def come() -> list[Mailed]:
        return [mail for mail in BOX.mails if f"Confirm: decision {number} " in str(mail["Subject"])]

    until(come, f"the mail about decision {number} comes")
    (mail,) = come()
    return mail


def plain(number: int) -> str:
    body = sent(number).get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def code(number: int) -> str:
    """Return the code as its person reads it."""
    text = plain(number)
    (found,) = set(re.findall(r"^ {4}YES-([A-Z2-7]{8})$", text, re.MULTILINE))
    assert f"\n    FRAUD-{found}\n" in text
    return str(found)


def test_what_was_approved_is_confirmed_with_the_code(play: Playground) -> None:
    number = approved(play)
    shown = says(play, "qa-a", "decision", "show", str(number))
    assert "awaits confirmation" in shown
    assert "YES- and the code confirms it" in " ".join(shown.split())
    secret = code(number)
    assert re.fullmatch("[A-Z2-7]{8}", secret)
    assert secret not in shown + json.dumps(answer(play, "owner", "decision", "show", str(number)))
    wrong = "A" * 8 if secret != "A" * 8 else "B" * 8
    says(play, "owner", "decision", "confirm", f"YES-{wrong}", refused="two_channels.code")
    says(play, "qa-a", "decision", "confirm", f"YES-{secret}", refused="two_channels.none")
    assert f"decision {number} is decided" in says(play, "owner", "decision", "confirm", f"yes {secret.lower()}")
    says(play, "owner", "decision", "confirm", f"YES-{secret}", refused="two_channels.none")
    says(play, "owner", "decision", "confirm", f"YES-{secret}", "--decision", str(number), refused="two_channels.over")
    assert secret not in play.folder.joinpath("service.log").read_text()
    assert secret not in says(play, "owner", "ledger", "tail", "--json")


def test_a_fraud_that_comes_by_mail_freezes_the_repositories(play: Playground) -> None:
    number = approved(play)
    secret = code(number)
    quoted = "".join(f"> {line}\n" for line in plain(number).splitlines())
    text = f"FRAUD-{secret}\n\nOn Monday twinseal wrote:\n{quoted}"
    parts = Webhooks.parts(None, text, str(sent(number)["To"]))  # type: ignore[arg-type]
    body = multipart(parts)
    headers = Webhooks.stamped(str(clock.now() // 1000), body, SECRET)
    hooks = Webhooks(None, int(play.listen.rpartition(":")[2]), SECRET, None)  # type: ignore[arg-type]
    status, said = hooks.post("/v1/inbound/mail", body, headers)
    assert (status, json.loads(said)) == (200, {"said": f"Decision {number} is rejected. All is frozen."})
    assert (Path(play.folder) / "garden.git" / "twinseal" / "frozen").exists()
    frozen = says(play, "owner", "freeze", "list")
    assert "FRAUD" in frozen
    shown = says(play, "owner", "decision", "show", str(number))
    assert "rejected" in shown
    assert "fraud" in shown
    assert secret not in play.folder.joinpath("service.log").read_text()


def test_doctor_says_how_it_is_confirmed(play: Playground) -> None:
    command = [sys.executable, "-m", "governance", "doctor", "--json"]
    said = subprocess.run(command, env=play.environment("owner"), capture_output=True, text=True, check=False).stdout
    assert "owner is sent a code by mail" in said
    assert "answers by SMS" not in said
