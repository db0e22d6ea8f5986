"""A report as a mail: what is in it, and that whoever has kept it can hold the ledger to it."""

from __future__ import annotations

import email
import email.policy
import hashlib
from email.charset import BASE64, QP, Charset
from email.mime.text import MIMEText
from typing import TYPE_CHECKING

import pytest

from audit import copying, verify
from audit.checkpoint import claimed
from governance.adapters import mail
from governance.channels import MAIL
from governance.tell import composing
from governance.tell.claims import Claim
from report_world import FIRST, SIGNER, Fleet, lively

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from governance.state.reports import Issued


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Issued]]:
    """A fleet of two days, and the report of the first."""
    with Fleet(tmp_path_factory.mktemp("sent")) as fleet:
        lively(fleet, 2)
        fleet.sealed()
        yield fleet, fleet.issue()


@pytest.fixture
def made(sent: tuple[Fleet, Issued]) -> EmailMessage:
    fleet, issued = sent
    return mail.made(fleet.mail(issued), sender="twinseal@example.org", key="k" * 32)


def verified(fleet: Fleet, kept: Path) -> verify.Report:
    """Compare a copy of the ledger with what somebody kept."""
    copied = kept.with_suffix(".sqlite")
    with fleet.service.read() as tx:
        copying.copy(tx, copied)
    return verify.verify_file(copied, verify.Demands(against=(kept,), keys=(str(SIGNER.key),)))


def test_the_whole_mail_as_it_was_saved_is_evidence(
    sent: tuple[Fleet, Issued], made: EmailMessage, tmp_path: Path
) -> None:
    kept = tmp_path / "saved.eml"
    kept.write_bytes(made.as_bytes())
    report = verified(sent[0], kept)
    assert report.status == "valid", report.reason
    assert "nothing to compare with" not in " ".join(report.remarks)


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_each_part_of_it_alone_is_evidence_however_it_is_encoded(
    sent: tuple[Fleet, Issued], made: EmailMessage, tmp_path: Path, subtype: str, encoding: str
) -> None:
    body = made.get_body((subtype,))
    assert body is not None
    charset = Charset("utf-8")
    charset.body_encoding = {"quoted-printable": QP, "base64": BASE64}.get(encoding)
    part = MIMEText(body.get_content(), subtype, charset if encoding != "8bit" else None)  # type: ignore[arg-type]
    kept = tmp_path / "part.eml"
    kept.write_bytes(part.as_bytes())
    assert verified(sent[0], kept).status == "valid"


def test_what_a_reader_saves_of_it_is_evidence(sent: tuple[Fleet, Issued], made: EmailMessage, tmp_path: Path) -> None:
    """The page as a file; what was copied out of it; the text in an answer, quoted; the attachment alone."""
    page, plain = (made.get_body((kind,)) for kind in ("html", "plain"))
    assert page is not None
    assert plain is not None
    content = page.get_content()
    text = plain.get_content()
    notes = [part.get_payload(decode=True) for part in made.walk() if part.get_filename() == "checkpoint.note.txt"]
    copies = {
        "page.html": content,
        "entities.html": content.replace("\u2014 ", "&mdash; ").replace("+", "&#43;"),
        "lines.html": content.replace("\n", "\r\n"),
        "broken.html": "<br>\n".join(content[content.index("<pre>") :].split("\n")),
        "quoted.txt": "".join(f"> {line}\n" for line in text.split("\n")),
        "note.txt": notes[0].decode() if isinstance(notes[0], bytes) else "",
    }
    for name, kept in copies.items():
        (tmp_path / name).write_text(kept, encoding="utf-8", newline="")
        assert verified(sent[0], tmp_path / name).status == "valid", name


def test_a_ledger_that_was_cut_or_rewritten_does_not_stand_beside_it(
    sent: tuple[Fleet, Issued], made: EmailMessage, tmp_path: Path
) -> None:
    kept = tmp_path / "saved.eml"
    kept.write_bytes(made.as_bytes())
    (tmp_path / "other").mkdir()
    with Fleet(tmp_path / "other") as other:
        lively(other, 2, seed=8)
        other.sealed()
        assert verified(other, kept).status in {"fork", "tampered", "rollback"}


def test_it_has_a_subject_of_ours_both_texts_plots_and_files(sent: tuple[Fleet, Issued], made: EmailMessage) -> None:
    fleet, issued = sent
    parsed = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert parsed["Subject"].startswith(f"[Twinseal] Daily report {issued.number}, {FIRST}: ")
    assert parsed["Subject"].isascii()
    html = parsed.get_body(("html",))
    assert html is not None
    content = html.get_content()
    pictures = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
    assert pictures
    for part in pictures:
        assert f'src="cid:{part["Content-ID"].strip("<>")}"' in content
    files = {part.get_filename(): part for part in parsed.iter_attachments()}
    facts = files[f"twinseal-daily-{FIRST}.json"].get_payload(decode=True)
    assert hashlib.sha256(facts).hexdigest() == issued.digest
    note = files["checkpoint.note.txt"].get_payload(decode=True).decode()
    assert note == fleet.again(issued).report.issue.checkpoint
    assert note.rstrip() in parsed.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert claimed(note).size == fleet.again(issued).report.issue.size


def test_every_owner_is_due_one_and_what_is_delivered_is_the_report(sent: tuple[Fleet, Issued]) -> None:
    fleet, issued = sent
    rows = fleet.rows("select channel, to_, severity from delivery where notice=?", issued.seq)
    assert rows == [(MAIL, "owner", "report")]
    claim = Claim(MAIL, "owner", "report", "k", (issued.seq,), 1, 0)
    with fleet.service.read() as look:
        message = composing.compose(look, fleet.service, claim, "owner@example.org")
    assert message == fleet.mail(issued)
