"""A report on its way: due as soon as it is issued, sent to a real server of mail, evidence when it arrives."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from audit import copying, verify
from governance.adapters.smtp import SmtpMail
from governance.tell import delivering
from peers import Mailbox, smtp
from report_world import FIRST, SIGNER, Fleet

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path


@pytest.fixture
def over(fleet: Fleet) -> Fleet:
    fleet.at(0, 9)
    fleet.land("dev-a", "small", "src/a.py", lines=3)
    fleet.at(2, 0)
    fleet.beat()
    fleet.sealed()
    return fleet


def deliver(fleet: Fleet, box: Mailbox) -> list[str]:
    """Send what is due by mail, until nothing is."""
    with smtp(box) as port:
        channel = SmtpMail("127.0.0.1", port, "twinseal@example.org")
        done: list[str] = []
        while sent := delivering.round(fleet.service, [channel]):
            done += [each.outcome for each in sent]
    return done


def reports(box: Mailbox) -> list[EmailMessage]:
    return [each for each in box.mails if "report" in str(each["Subject"])]


def test_every_owner_gets_it_once_with_its_plots_and_facts(over: Fleet) -> None:
    box = Mailbox()
    deliver(over, box)
    box.mails.clear()
    issued = over.issue()
    over.issue()
    assert deliver(over, box) == ["delivered"]
    (sent,) = reports(box)
    assert (sent["To"], sent["X-Twinseal-Entry"]) == ("owner@example.org", str(issued.seq))
    assert str(sent["Subject"]).startswith(f"[Twinseal] Daily report 1, {FIRST}: ")
    kinds = [part.get_content_type() for part in sent.walk()]
    assert (kinds.count("image/png"), kinds.count("application/json")) == (1, 1)
    facts = next(part for part in sent.walk() if part.get_content_type() == "application/json")
    data = facts.get_payload(decode=True)
    assert isinstance(data, bytes)
    assert hashlib.sha256(data).hexdigest() == issued.digest


def test_what_arrives_stands_beside_the_ledger_and_not_beside_another(over: Fleet, tmp_path: Path) -> None:
    box = Mailbox()
    over.issue()
    deliver(over, box)
    (tmp_path / "mail.eml").write_bytes(reports(box)[0].as_bytes())
    over.at(3, 0)
    over.beat()
    over.sealed()
    with over.service.read() as tx:
        copying.copy(tx, tmp_path / "copy.sqlite")
    demands = verify.Demands(against=(tmp_path / "mail.eml",), keys=(str(SIGNER.key),))
    assert verify.verify_file(tmp_path / "copy.sqlite", demands).status == "valid"
    (tmp_path / "other").mkdir()
    with Fleet(tmp_path / "other") as other:
        other.beats = False
        other.at(4, 0)
        for _ in range(60):
            other.beat()
        other.sealed()
        with other.service.read() as tx:
            copying.copy(tx, tmp_path / "other.sqlite")
    assert verify.verify_file(tmp_path / "other.sqlite", demands).status == "fork"


def test_a_quiet_day_is_told_as_well(over: Fleet) -> None:
    box = Mailbox()
    over.issue(day=FIRST + timedelta(days=1))
    deliver(over, box)
    body = reports(box)[0].get_body(("plain",))
    assert body is not None
    assert "Nothing happened, and the record holds." in " ".join(body.get_content().split())
