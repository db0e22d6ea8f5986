"""Attacks on the pages, on who is logged in to them, on passkeys and on what a token is good for."""

from __future__ import annotations

from adversary.row import Row

STRANGER = "a stranger's request is worth no entry"


def _stranger(id_: str, title: str, control: str, beats: str) -> Row:
    return Row(id_, title, control, beats, unrecorded=STRANGER)


BROWSER = (
    _stranger("T-09", "another page posts; a scanner follows every link; a token in a URL", "pages", "approval by GET"),
    _stranger("T-11", "X-Forwarded-For, Forwarded, X-WEBAUTH-USER", "sessions", "trusted proxies = * (gitea #38103)"),
    Row("T-16", "a token that may read approves, pushes and signs", "tokens", "one kind of token"),
    _stranger(
        "X-WEB-01", "a session handed to its victim before log-in", "sessions", "session ids that survive log-in"
    ),
    _stranger("X-WEB-02", "a session after log-out, retirement, a new password", "sessions", "signed cookies"),
    _stranger("X-WEB-03", "another session's form token, or none", "pages", "tokens that belong to nobody"),
    _stranger("X-WEB-04", "our page within another's frame", "pages", "no frame-ancestors"),
    _stranger("X-WEB-05", "sent on elsewhere after log-in", "pages", "next=//evil.example"),
    _stranger("X-WEB-06", "a password guessed through many addresses", "sessions", "limits by address"),
    _stranger("X-WEB-07", "names told by answer or by time", "sessions", "hashing for known names alone"),
    _stranger("X-WEB-08", "a clock set back revives a session", "sessions", "expiry by the host's clock alone"),
    _stranger("X-WEB-09", "text that is markup, in a title, a label, a name", "pages", "templates without escaping"),
    _stranger("X-PK-01", "an assertion heard and sent again", "passkeys", "challenges that are not used up"),
    Row("X-PK-02", "an assertion for another prompt, person or origin", "passkeys", "challenges that say nothing"),
    Row("X-PK-03", "a passkey used without PIN or finger, or copied", "passkeys", "user presence alone"),
    Row("X-PK-04", "a passkey of the thief's enrolled for the victim", "passkeys", "enrolment links in mails"),
)
