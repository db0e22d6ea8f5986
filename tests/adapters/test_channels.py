"""Each channel against a real peer on loopback: what is taken, what is refused, what is late; and what leaks."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from governance.adapters import answers, clock, smtp, telling, tmux
from governance.adapters.sendgrid_mail import SendGridMail
from governance.adapters.settings import load
from governance.adapters.twilio_sms import TwilioSms
from governance.adapters.webhook import Webhook
from governance.channels import Attachment, Channel, Deferred, Message, NotSent, Refused
from governance.errors import SettingsError
from peers import KEY, PASSWORD, SID, TOKEN, USER, Mailbox, SendGrid, Slack, Twilio, certified
from peers import smtp as smtp_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FROM, TO, PHONE = "twinseal@example.org", "owner@example.org", "+491701234567"
PNG = b"\x89PNG\r\n\x1a\n"
INJECTED = "garden\r\nBcc: evil@example.org\r\n\r\n<b>ü\u202e #(touch /tmp/x) %H <!channel>"


def a_message(to: str = TO, **changed: Any) -> Message:  # noqa: ANN401 - fields of a message
    return Message(
        **{"to": to, "subject": "a subject", "text": "a text\n", "html": "<p>a text</p>", "short": "short", "about": 7}
        | changed
    )


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


def test_a_mail_arrives_as_text_and_html_with_its_picture_and_its_key(box: Mailbox) -> None:
    with smtp_server(box) as port:
        channel = smtp.from_url(f"smtp://127.0.0.1:{port}", sender=FROM)
        files = (Attachment("report.json", "application/json", b"{}"),)
        channel.send(a_message(inline={"plot": PNG}, attachments=files), key="k1")
    mail = box.mails[0]

    assert box.envelopes == [(FROM, [TO])]
    assert (mail["Subject"], mail["To"], mail["Message-ID"]) == ("a subject", TO, "<k1@example.org>")
    assert (mail["X-Twinseal-Key"], mail["Auto-Submitted"]) == ("k1", "auto-generated")
    assert mail.get_body(("plain",)).get_content() == "a text\r\n"  # type: ignore[union-attr]
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert parts["image/png"]["Content-ID"] == "<plot>"
    assert parts["image/png"].get_content() == PNG
    assert parts["application/json"].get_filename() == "report.json"


def test_a_server_with_a_certificate_and_a_log_in_is_sent_to_over_tls(box: Mailbox, tmp_path: Path) -> None:
    certificate = certified(tmp_path)
    with smtp_server(box, certificate=certificate, auth=True) as port:
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}?ca={certificate[0]}"
        smtp.from_url(url, sender=FROM).send(a_message(), key="k")

    assert (box.tls, box.users) == ([True], [USER.encode()])


def test_a_certificate_that_nobody_vouches_for_is_sent_nothing(box: Mailbox, tmp_path: Path) -> None:
    with smtp_server(box, certificate=certified(tmp_path), auth=True) as port:
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        with pytest.raises(Deferred, match="certificate does not verify"):
            smtp.from_url(url, sender=FROM).send(a_message(), key="k")

    assert (box.mails, box.users) == ([], [])


def test_a_certificate_of_another_host_is_sent_nothing(box: Mailbox, tmp_path: Path) -> None:
    certificate = certified(tmp_path, host="other.example.org")
    with smtp_server(box, certificate=certificate, auth=True) as port:
        url = f"smtp://{USER}:x@127.0.0.1:{port}?ca={certificate[0]}"
        with pytest.raises(Deferred, match="certificate does not verify"):
            smtp.from_url(url, sender=FROM).send(a_message(), key="k")

    assert box.users == []


def test_a_wrong_password_can_be_mended_and_is_not_repeated(box: Mailbox, tmp_path: Path) -> None:
    certificate = certified(tmp_path)
    with smtp_server(box, certificate=certificate, auth=True) as port:
        url = f"smtp://{USER}:topsecret@127.0.0.1:{port}?ca={certificate[0]}"
        with pytest.raises(Deferred, match="answered 535") as caught:
            smtp.from_url(url, sender=FROM).send(a_message(), key="k")

    assert "topsecret" not in repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "where", "kind"),
    [
        ("550 no such user", "rcpt", Refused), ("450 greylisted", "rcpt", Deferred),
        ("552 too large", "data", Refused), ("451 later", "data", Deferred), ("421 closing", "data", Deferred),
    ],
)  # fmt: skip
def test_an_answer_by_smtp_is_never_or_later(box: Mailbox, answer: str, where: str, kind: type[NotSent]) -> None:
    setattr(box, where, answer)
    with smtp_server(box) as port, pytest.raises(kind, match=answer[:3]):
        smtp.from_url(f"smtp://127.0.0.1:{port}", sender=FROM).send(a_message(), key="k")


def test_nobody_there_is_later() -> None:
    port = free_port()
    channels: list[Channel] = [
        smtp.SmtpMail("127.0.0.1", port, FROM),
        SendGridMail(KEY, FROM, f"http://127.0.0.1:{port}"),
        TwilioSms(SID, TOKEN, PHONE, f"http://127.0.0.1:{port}"),
        Webhook(f"http://127.0.0.1:{port}/s"),
    ]
    for channel in channels:
        with pytest.raises(Deferred, match="could not be reached"):
            channel.send(a_message(PHONE if channel.name == "sms" else TO), key="k")


def free_port() -> int:
    with closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes a connection and never says anything."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_peer_that_says_nothing_is_waited_for_so_long_and_no_longer(silent: int) -> None:
    channels: list[Channel] = [
        smtp.SmtpMail("127.0.0.1", silent, FROM, timeout=0.2),
        SendGridMail(KEY, FROM, f"http://127.0.0.1:{silent}", timeout=0.2),
        TwilioSms(SID, TOKEN, PHONE, f"http://127.0.0.1:{silent}", timeout=0.2),
        Webhook(f"http://127.0.0.1:{silent}/s", timeout=0.2),
    ]
    for channel in channels:
        with pytest.raises(Deferred):
            channel.send(a_message(PHONE if channel.name == "sms" else TO), key="k")


@pytest.fixture
def trickling() -> Iterator[int]:
    """A server that answers a byte at a time, for ever."""
    stop = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def trickle() -> None:
            held = []
            server.settimeout(0.05)
            while not stop.is_set():
                with suppress(TimeoutError):
                    held.append(server.accept()[0])
                for each in list(held):
                    try:
                        each.sendall(b"2")
                    except OSError:
                        held.remove(each)
                        each.close()
            for each in held:
                each.close()

        thread = threading.Thread(target=trickle)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def test_a_peer_that_answers_a_byte_at_a_time_is_left(trickling: int) -> None:
    for channel in (
        smtp.SmtpMail("127.0.0.1", trickling, FROM, whole=0.5),
        Webhook(f"http://127.0.0.1:{trickling}/s", whole=0.5),
    ):
        with pytest.raises(Deferred):
            channel.send(a_message(), key="k")


def test_sendgrid_takes_what_its_own_client_sends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with SendGrid().serving() as peer:
        channel = SendGridMail(KEY, FROM, peer.url)
        files = (Attachment("r.json", "application/json", b"{}"),)
        channel.send(a_message(inline={"plot": PNG}, attachments=files), key="k1")

    mail = peer.taken[0]
    assert peer.keys == ["k1"]
    assert mail["personalizations"][0]["to"] == [{"email": TO}]
    assert [each["value"] for each in mail["content"]] == ["a text\n", "<p>a text</p>"]
    assert [each.get("content_id", "") for each in mail["attachments"]] == ["plot", ""]
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        (429, {"Retry-After": "77"}, Deferred, 77), (500, {}, Deferred, 0), (503, {"Retry-After": "x"}, Deferred, 0),
        (400, {}, Refused, 0), (413, {}, Refused, 0), (401, {}, Deferred, 0), (200, {}, Deferred, 0),
    ],
)  # fmt: skip
def test_an_answer_by_http_is_taken_later_or_never(
    status: int, headers: dict[str, str], kind: type[NotSent], wait: int
) -> None:
    for peer, make, to in (
        (SendGrid(), lambda url: SendGridMail(KEY, FROM, url), TO),
        (Twilio(), lambda url: TwilioSms(SID, TOKEN, PHONE, url), PHONE),
        (Slack(), lambda url: Webhook(f"{url}/services/T0/B0/secret"), ""),
    ):
        if status == 200 and not isinstance(peer, SendGrid):
            continue
        peer.instead = lambda: (status, headers, b'{"message": "secret words", "code": 20429}')
        with peer.serving(), pytest.raises(kind, match=str(status)) as caught:
            make(peer.url).send(a_message(to), key="k")
        assert getattr(caught.value, "retry_after", 0) == wait
        assert "secret words" not in str(caught.value)
        assert peer.tried == 1


def test_twilio_takes_what_its_own_client_sends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Twilio().serving() as peer:
        TwilioSms(SID, TOKEN, "+15005550006", peer.url).send(a_message(PHONE), key="k")

    assert peer.taken == [{"To": PHONE, "From": "+15005550006", "Body": "short"}]
    assert TOKEN not in caplog.text
    assert PHONE not in caplog.text


def test_wrong_credentials_can_be_mended_and_are_not_repeated() -> None:
    with SendGrid().serving() as mail, pytest.raises(Deferred, match="401") as first:
        SendGridMail("SG.wrong", FROM, mail.url).send(a_message(), key="k")
    with Twilio().serving() as text, pytest.raises(Deferred, match="401") as second:
        TwilioSms(SID, "wrongtoken", PHONE, text.url).send(a_message(PHONE), key="k")

    assert "wrong" not in f"{first.value!r} {second.value!r}"


def test_the_webhook_gets_a_text_for_people_and_fields_for_machines() -> None:
    with Slack().serving() as peer:
        assert isinstance(peer, Slack)
        Webhook(peer.address).send(a_message("", fields={"severity": "high"}), key="k1")

    assert peer.taken == [{"text": "short", "twinseal": {"severity": "high", "entry": 7, "key": "k1"}}]
    assert peer.keys == ["k1"]


def test_a_redirect_is_not_followed() -> None:
    with Slack().serving() as other, Slack().serving() as peer:
        peer.instead = lambda: (307, {"Location": other.url + "/services/T0/B0/secret"}, b"")
        assert isinstance(peer, Slack)
        with pytest.raises(Deferred, match="307"):
            Webhook(peer.address).send(a_message(""), key="k")

    assert other.tried == 0


# What came from elsewhere is only text.


def test_a_mail_has_the_headers_that_we_give_it_and_no_other(box: Mailbox) -> None:
    with smtp_server(box) as port:
        channel = smtp.from_url(f"smtp://127.0.0.1:{port}", sender=FROM)
        channel.send(a_message(subject=INJECTED), key="k")
    mail = box.mails[0]

    assert set(mail.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "X-Twinseal-Key", "X-Twinseal-Entry", "Auto-Submitted",
        "Content-Type", "MIME-Version", "X-Peer", "X-MailFrom", "X-RcptTo",
    } - {"X-Peer", "X-MailFrom", "X-RcptTo"}  # fmt: skip
    assert mail["Subject"].startswith(r"garden\r\nBcc: evil@example.org")
    assert "\\u202e" in mail["Subject"]
    assert box.envelopes == [(FROM, [TO])]


@pytest.mark.parametrize(
    "to", ["", "a", "a@", "a@b\r\nRCPT TO:<evil@x>", "a@b>, <evil@x", "a@b,c@d", "a b@c", "@b", "ü@b.org", "a@b\0"]
)
def test_what_is_no_address_reaches_no_server(to: str, box: Mailbox) -> None:
    with smtp_server(box) as port, pytest.raises(Refused, match="no usable address"):
        smtp.from_url(f"smtp://127.0.0.1:{port}", sender=FROM).send(a_message(to), key="k")
    with SendGrid().serving() as peer, pytest.raises(Refused, match="no usable address"):
        SendGridMail(KEY, FROM, peer.url).send(a_message(to), key="k")

    assert peer.tried == 0


@pytest.mark.parametrize("to", ["", "123", "+1 500 555", "+49170\n+1900", "+0123456789"])
def test_what_is_no_number_reaches_nobody(to: str) -> None:
    with Twilio().serving() as peer, pytest.raises(Refused, match="no usable number"):
        TwilioSms(SID, TOKEN, PHONE, peer.url).send(a_message(to), key="k")

    assert peer.tried == 0


def test_slack_reads_no_mark_up_out_of_a_name() -> None:
    with Slack().serving() as peer:
        assert isinstance(peer, Slack)
        Webhook(peer.address).send(a_message("", short=INJECTED), key="k")

    text = peer.taken[0]["text"]
    assert "&lt;!channel&gt;" in text
    assert not set(text) & set("<>\r\n\u202e")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[str]:
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on this machine")
    path = str(tmp_path / "tmux")
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
    subprocess.run(
        ["tmux", "-S", path, "-f", "/dev/null", "new-session", "-d", "-s", "night watch", "cat"],
        check=True,
        env=environ,
    )
    yield path
    subprocess.run(["tmux", "-S", path, "kill-server"], check=True)


def asked(path: str, *command: str) -> str:
    return subprocess.run(["tmux", "-S", path, *command], check=True, capture_output=True, text=True).stdout


def test_a_line_stands_in_the_session_and_is_shown_to_who_is_attached(session: str, tmp_path: Path) -> None:
    # A client of tmux inside another: what it shows can be read from the outer one's pane.
    outer = str(tmp_path / "outer")
    attach = f"env -u TMUX tmux -S {session} attach -t 'night watch'"
    start = ["tmux", "-S", outer, "-f", "/dev/null", "new-session", "-d", "-x", "180", "-y", "24", attach]
    subprocess.run(start, check=True)
    try:
        wait_for(lambda: "night watch" in asked(session, "list-clients", "-F", "#{client_session}"))
        marker = tmp_path / "ran"
        line = f"garden is frozen #(touch {marker}) #[fg=red] 100%H"
        tmux.from_setting(f"{session}:night watch").send(a_message(short=line), key="k")

        wait_for(lambda: "garden is frozen" in asked(outer, "capture-pane", "-p"))
        shown = asked(outer, "capture-pane", "-p")
        assert f"garden is frozen #(touch {marker}) #[fg=red] 100%H" in shown
        asked(session, "set-option", "-g", "status-right-length", "170")
        asked(session, "set-option", "-g", "status-right", "<#{@twinseal}>")
        asked(session, "refresh-client", "-S", "-t", asked(session, "list-clients", "-F", "#{client_name}").strip())
        asked(session, "display-message", "-d", "1", "x")
        wait_for(lambda: "<garden is frozen #(touch" in asked(outer, "capture-pane", "-p"))
        assert not marker.exists()
    finally:
        subprocess.run(["tmux", "-S", outer, "kill-server"], check=True)


def test_a_line_waits_in_a_session_that_nobody_looks_at(session: str) -> None:
    tmux.from_setting(f"{session}:night watch").send(a_message(), key="k")

    assert asked(session, "show-options", "-v", "-t", "night watch", "@twinseal").strip() == "short"


def test_a_session_that_is_not_there_is_later(session: str) -> None:
    with pytest.raises(Deferred, match="no session other"):
        tmux.from_setting(f"{session}:other").send(a_message(), key="k")


def wait_for(holds: Callable[[], bool]) -> None:
    until = clock.monotonic() + 10
    while not holds():
        assert clock.monotonic() < until
        threading.Event().wait(0.05)


# Settings.

GOOD = {
    "TWINSEAL_MAIL_FROM": FROM, "TWINSEAL_SMTP": "smtp://user:secret1@mail.example.org", "TWINSEAL_TMUX": "watch",
    "TWINSEAL_TWILIO": "ACsid:secret2", "TWINSEAL_SMS_FROM": PHONE, "TWINSEAL_WEBHOOK": "https://h.example.org/secret3",
}  # fmt: skip


def test_what_is_set_up_says_where_it_goes_and_no_secret() -> None:
    settings = load({"HOME": "/x"} | GOOD)
    found = telling.channels(settings)

    assert [channel.name for channel in found] == ["mail", "sms", "tmux", "webhook"]
    said = repr(settings) + "".join(f"{channel!r} {channel.where}" for channel in found)
    assert not any(f"secret{n}" in said for n in (1, 2, 3))
    assert telling.channels(load({"HOME": "/x"})) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TWINSEAL_SMTP": "mail.example.org:secret"}, "TWINSEAL_SMTP"),
        ({"TWINSEAL_SMTP": "http://secret@x"}, "TWINSEAL_SMTP"),
        ({"TWINSEAL_SMTP": "smtp://x:99999/secret"}, "TWINSEAL_SMTP"),
        ({"TWINSEAL_MAIL_FROM": ""}, "TWINSEAL_MAIL_FROM"),
        ({"TWINSEAL_MAIL_FROM": "a@b\nBcc: secret@c"}, "TWINSEAL_MAIL_FROM"),
        ({"TWINSEAL_SENDGRID_KEY": "secret"}, "set one of them"),
        ({"TWINSEAL_SMTP": "", "TWINSEAL_SENDGRID_KEY": "secret", "TWINSEAL_MAIL_FROM": ""}, "TWINSEAL_MAIL_FROM"),
        (
            {"TWINSEAL_SMTP": "", "TWINSEAL_SENDGRID_KEY": "k", "TWINSEAL_SENDGRID_URL": "http://secret.example"},
            "https",
        ),
        ({"TWINSEAL_TWILIO": "secret"}, "TWINSEAL_TWILIO"),
        ({"TWINSEAL_SMS_FROM": "secret"}, "TWINSEAL_SMS_FROM"),
        ({"TWINSEAL_TWILIO_URL": "http://secret.example"}, "https"),
        ({"TWINSEAL_WEBHOOK": "http://secret.example/x"}, "https"),
        ({"TWINSEAL_WEBHOOK": "https://[secret"}, "https"),
        ({"TWINSEAL_TMUX": "/path/secret"}, "TWINSEAL_TMUX"),
    ],
)
def test_what_is_set_up_by_halves_or_in_clear_is_refused_and_not_repeated(changed: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        telling.channels(load({"HOME": "/x"} | GOOD | changed))

    assert "secret" not in str(caught.value)


def test_a_wish_to_wait_is_seconds_or_a_date() -> None:
    assert answers.retry_after(" 120 ") == 120
    assert answers.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert answers.retry_after("Wed, 21 Oct 2150 07:28:00 GMT") == answers.YEAR_S
    assert [answers.retry_after(text) for text in ("", "soon", "-1", "9" * 30, "1e3")] == [0, 0, 0, answers.YEAR_S, 0]
