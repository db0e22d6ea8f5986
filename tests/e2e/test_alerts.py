"""A real service tells real peers: through the command line, while pushes are decided, and killed in between."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from builders import loose_policy
from governance.entrypoints.playground import Playground
from peers import Mailbox, Slack, Twilio
from peers import smtp as smtp_server
from playing import MAIN, Ground, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBER = "+493012345678"
SECRET = "f0" * 16


class Told(Ground):
    """A ground whose service is set up to tell."""

    more: dict[str, str]

    def _playground(self, folder: Path) -> Playground:
        return Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, settings=self.more)


@pytest.fixture
def hook() -> Iterator[Slack]:
    with Slack().serving() as peer:
        assert isinstance(peer, Slack)
        yield peer


@pytest.fixture
def ground(tmp_path: Path, hook: Slack) -> Iterator[Told]:
    Told.more = {"TWINSEAL_WEBHOOK": hook.address}
    made = Told(tmp_path / "g")
    yield made
    hook.wait.set()
    made.assert_sound()
    made.close()


def veto(ground: Told, repository: str, number: int, head: str) -> int:
    said = {"repository": repository, "kind": "change", "name": str(number), "reason": "it drops the log", "head": head}
    answer = ground["qa-a"].say("veto.cast", f"/repositories/{repository}/vetoes", said, repository=repository)
    return int(answer.done["entry"])


def told_of(hook: Slack) -> list[int]:
    return [each["twinseal"]["entry"] for each in hook.taken]


def hooked(ground: Told, severity: str, entry: int = 0, *, by: str = "webhook") -> set[str]:
    """Return how deliveries by one channel stand: of one severity, and of one entry where it is named."""
    found = ground.owner.get("/alerts").body["items"]
    meant = [n for n in found if n["severity"] == severity and entry in {0, n["entry"]}]
    return {d["state"] for n in meant for d in n["deliveries"] if d["channel"] == by}


def test_a_push_is_decided_while_the_provider_hangs_and_a_killed_service_loses_nothing(
    ground: Told, hook: Slack, tmp_path: Path
) -> None:
    repository = ground.govern(tmp_path)
    repository.begin()
    number = repository.open(ground["dev-a"], repository.commit(ground["dev-a"], {"a": "1\n"}, repository.refs()[MAIN]))
    until(lambda: "open" not in hooked(ground, "high"), "everything so far is told")
    hook.wait.clear()
    seq = veto(ground, repository.name, number, repository.change(number)["head"])
    until(lambda: any(json.loads(asked)["twinseal"]["entry"] == seq for asked in hook.asked), "it is being sent")

    head = repository.commit(ground["dev-b"], {"notes": "meanwhile\n"}, repository.refs()[MAIN])
    pushed = repository.push(ground["dev-b"], f"{head}:{MAIN}")
    assert pushed.landed, pushed.said
    assert seq not in told_of(hook)

    ground.restart(kill=True)
    hook.wait.set()
    until(lambda: told_of(hook).count(seq) >= 2, "the next process sends what the killed one had in hand")
    until(lambda: hooked(ground, "high", seq) == {"delivered"}, "it is recorded as delivered")
    assert hooked(ground, "high", seq, by="mail") == {"not_set_up"}
    assert len({m["twinseal"]["key"] for m in hook.taken if m["twinseal"]["entry"] == seq}) == 1
    assert hook.address not in ground.log


def test_a_service_that_is_told_to_stop_ends_within_seconds_though_its_provider_hangs(
    ground: Told, hook: Slack, tmp_path: Path
) -> None:
    repository = ground.govern(tmp_path)
    repository.begin()
    number = repository.open(ground["dev-a"], repository.commit(ground["dev-a"], {"a": "1\n"}, repository.refs()[MAIN]))
    until(lambda: "open" not in hooked(ground, "high"), "everything so far is told")
    hook.wait.clear()
    tried = hook.tried
    seq = veto(ground, repository.name, number, repository.change(number)["head"])
    until(lambda: hook.tried > tried, "the service is sending")

    began = time.monotonic()
    ground.play.stop()
    assert time.monotonic() - began < 8

    hook.wait.set()
    ground.play.start()
    until(lambda: hooked(ground, "high", seq) == {"delivered"}, "the next process sends it")
    assert len({m["twinseal"]["key"] for m in hook.taken if m["twinseal"]["entry"] == seq}) == 1


def test_an_agent_may_neither_look_nor_try(ground: Told) -> None:
    assert ground["dev-a"].get("/alerts").code == "authority.owner_only"
    assert ground["dev-a"].say("alert.test", "/alerts/test", {"channel": ""}).code == "authority.owner_only"


def test_the_command_line_tries_lists_and_takes_a_number(tmp_path: Path, hook: Slack) -> None:
    box = Mailbox()
    with smtp_server(box) as port, Twilio().serving() as text:
        more = {
            "TWINSEAL_WEBHOOK": hook.address, "TWINSEAL_SMTP": f"smtp://127.0.0.1:{port}",
            "TWINSEAL_MAIL_FROM": "twinseal@example.org", "TWINSEAL_TWILIO": f"AC{'0a' * 16}:{SECRET}",
            "TWINSEAL_SMS_FROM": "+15005550006", "TWINSEAL_TWILIO_URL": text.url,
        }  # fmt: skip
        policy = loose_policy(tmp_path / "policy")
        play = Playground(tmp_path / "p", listen=f"127.0.0.1:{free_port()}", quiet=True, settings=more, policy=policy)
        try:
            play.begin()
            said = play.owner.quiet("alert", "test")
            assert "mail: taken (SMTP 127.0.0.1" in said
            assert "webhook: taken (a webhook at 127.0.0.1)" in said
            assert "sms: owner has no address there" in said
            assert "no text message reaches owner" in play.owner.quiet("doctor")

            assert "your number is kept" in play.owner.quiet("account", "contact", "--phone", NUMBER)
            tried = json.loads(play.owner.quiet("alert", "test", "--channel", "sms", "--json"))["tried"]
            assert [(each["channel"], each["ok"]) for each in tried] == [("sms", True)]
            assert text.taken[-1]["To"] == NUMBER
            play.owner.quiet("freeze", "--everything", "--reason", "two keys on one laptop")
            until(lambda: any("frozen: everything" in str(m["Subject"]) for m in box.mails), "the freeze is mailed")
            until(lambda: any("frozen: everything" in m["Body"] for m in text.taken), "and sent as a text message")
            until(lambda: "mail owner: delivered" in play.owner.quiet("alert", "list"), "and that is recorded")
            doctor = play.owner.quiet("doctor")
            assert "mail goes by SMTP 127.0.0.1" in doctor
            assert "tmux is not set up" in doctor
            log = (tmp_path / "p" / "service.log").read_text()
            entries = play.owner.quiet("ledger", "tail", "-n", "200", "--json")
            assert not [s for s in (SECRET, NUMBER, hook.address) if s in log + entries + doctor]
            assert "your number is taken back" in play.owner.quiet("account", "contact", "--remove")
        finally:
            play.close()


def test_nothing_critical_would_reach_anybody_says_doctor(ground: Told) -> None:
    ground.play.settings = {}  # The doctor's alone: the service has read its own.

    assert "nothing critical would reach anybody" in ground.twinseal("doctor").stdout
