"""Raw git commit and tag objects, read strictly: what they say, what their signature covers, what they hide.

Source: git's commit and tag object formats, `fsck.c` and `gpg-interface.c`. Git's own readers are lenient in different
ways (one skips a second author, another shows it), and each difference is a place to hide something. So whatever
contradicts itself raises; whatever is merely odd is a problem with a stable code, and policy says which refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from governance.errors import ObjectError
from governance.signatures import MAX_SIGNATURE

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_IDENT = re.compile(rb"([^<>]*) <([^<>]*)> (0|[1-9][0-9]{0,10}) [+-](?:0[0-9]|1[0-4])[0-5][0-9]\Z")
_CO_AUTHOR = re.compile(rb"^[ \t]*co[ \t-]*authored[ \t-]*by[ \t]*:(.*)$", re.IGNORECASE)
_HEADER_NAME = re.compile(rb"[!-~]{1,64}\Z")
_TAG_SIGNATURE = re.compile(rb"^-----BEGIN (?:(?:PGP|SSH) SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----", re.MULTILINE)
_UNSEEN = re.compile(
    rb"[\x01-\x08\x0b-\x0c\x0e-\x1f\x7f]|\r(?!\n|\Z)|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""What a terminal obeys or a page reorders (CVE-2021-42574), as UTF-8 has it. NUL has a code of its own."""
_TYPES = frozenset({b"commit", b"tree", b"blob", b"tag"})


@dataclass(frozen=True, slots=True)
class Ident:
    """A person as metadata names them: a claim. The address is lower-cased in ASCII and otherwise as written."""

    name: str
    email: str
    time: int
    """Seconds since the epoch; 0 for a co-author, whose line has no date."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit object. `payload` is what its signature covers, which is everything but the signature."""

    tree: str
    parents: tuple[str, ...]
    author: Ident
    committer: Ident
    co_authors: tuple[Ident, ...]
    message: bytes
    payload: bytes
    signature: bytes | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag. Its signature is the last signature block of the body and covers all before it."""

    object: str
    type: str
    name: str
    tagger: Ident
    message: bytes
    payload: bytes
    signature: bytes | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    value: bytes
    """Without the leading space of continuation lines."""
    raw: bytes


def parse_commit(raw: bytes) -> Commit:
    """Return what a raw commit object says.

    The signature is in `gpgsig`, or in `gpgsig-sha256` where object names are SHA-256. Of several such headers the
    values are run together, as git does: no verifier accepts that. Whether the named objects exist is not checked.

    Raises:
        ObjectError: not a commit, or one that contradicts itself.
    """
    headers, message = _split(raw)
    whole = list(headers)
    tree = _oid(_take(headers, b"tree"), "tree")
    parents = []
    while headers and headers[0].name == b"parent":
        parents.append(_oid(_take(headers, b"parent"), "parent", like=tree))
    author = _ident(_take(headers, b"author"), "author")
    committer = _ident(_take(headers, b"committer"), "committer")
    ours = b"gpgsig" if len(tree) == len("0" * 40) else b"gpgsig-sha256"
    problems = _extra_problems(headers, ours, once={b"tree", b"parent", b"author", b"committer"})
    co_authors, malformed = _co_authors(message)
    if malformed:
        problems.append("co_author_malformed")
    if len(set(parents)) < len(parents):
        problems.append("duplicate_parent")
    return Commit(
        tree=tree,
        parents=tuple(parents),
        author=author,
        committer=committer,
        co_authors=co_authors,
        message=message,
        payload=_join((header for header in whole if header.name != ours), message),
        signature=_signature(headers, ours),
        problems=(*problems, *_body_problems(raw, message, whole)),
    )


def parse_tag(raw: bytes) -> Tag:
    """Return what a raw annotated tag object says.

    Raises:
        ObjectError: not a tag, or one that contradicts itself.
    """
    headers, body = _split(raw)
    whole = list(headers)
    target = _oid(_take(headers, b"object"), "object")
    kind = _take(headers, b"type").value
    if kind not in _TYPES:
        raise ObjectError(f"tag type: expected commit, tree, blob or tag, got {kind!r}")
    name = _take(headers, b"tag").value
    if not name:
        raise ObjectError("tag name: expected one, got nothing")
    tagger = _ident(_take(headers, b"tagger"), "tagger")
    problems = _extra_problems(headers, None, once={b"object", b"type", b"tag", b"tagger"})
    marks = [match.start() for match in _TAG_SIGNATURE.finditer(body)]
    if len(marks) > 1:
        problems.append("duplicate_gpgsig")
    message = body[: marks[-1]] if marks else body
    signature = body[len(message) :] or None
    _check_size(signature or b"")
    return Tag(
        object=target,
        type=kind.decode(),
        name=_text(name),
        tagger=tagger,
        message=message,
        payload=raw[: len(raw) - len(signature or b"")],
        signature=signature,
        problems=(*problems, *_body_problems(raw, message, whole)),
    )


def _split(raw: bytes) -> tuple[list[_Header], bytes]:
    head, blank, message = raw.partition(b"\n\n")
    if not blank:
        raise ObjectError("object: expected a blank line between header and message, got none")
    if b"\0" in head:
        raise ObjectError(f"object header: expected text, got NUL at byte {head.index(0)}")
    lines: list[list[bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and lines:
            lines[-1].append(line)
        else:
            lines.append([line])
    return [_header(parts) for parts in lines], message


def _header(parts: list[bytes]) -> _Header:
    name, space, first = parts[0].partition(b" ")
    if not space or not _HEADER_NAME.match(name):
        raise ObjectError(f"object header: expected a name, a space and a value, got {parts[0][:80]!r}")
    value = b"\n".join([first, *(part[1:] for part in parts[1:])])
    return _Header(name, value, b"\n".join(parts) + b"\n")


def _take(headers: list[_Header], name: bytes) -> _Header:
    """Remove and return the next header, which must be this one, on one line."""
    got = headers.pop(0) if headers else None
    if got is None or got.name != name:
        raise ObjectError(f"object header: expected {name!r} here, got {got.name if got else None!r}")
    if b"\n" in got.value:
        raise ObjectError(f"object header {name!r}: expected one line, got a continuation")
    return got


def _oid(header: _Header, what: str, *, like: str = "") -> str:
    if not _OID.match(header.value) or (like and len(header.value) != len(like)):
        raise ObjectError(f"{what}: expected a full object name in lower-case hex, got {header.value[:80]!r}")
    return header.value.decode()


def _ident(header: _Header, what: str) -> Ident:
    match = _IDENT.match(header.value)
    if match is None:
        raise ObjectError(f"{what}: expected 'Name <address> seconds +hhmm', got {header.value[:200]!r}")
    name, email, time = match.groups()
    return Ident(_text(name), _text(email.lower()), int(time))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _extra_problems(headers: list[_Header], ours: bytes | None, *, once: set[bytes]) -> list[str]:
    """Return the problems of what stands after the required headers, each once, in order of appearance."""
    problems: dict[str, None] = {}
    seen_ours = False
    for header in headers:
        name = header.name
        if name in once:
            raise ObjectError(f"object header {name!r}: expected once and in its place, got it again or late")
        if name == ours:
            if seen_ours:
                problems["duplicate_gpgsig"] = None
            seen_ours = True
        elif name == b"gpgsig-sha256":
            problems["gpgsig_sha256"] = None
        elif name == b"encoding":
            problems["encoding_header"] = None
        elif name == b"mergetag" and ours is not None:
            problems["mergetag"] = None
        else:
            problems[f"unknown_header:{name.decode()}"] = None
    return list(problems)


def _body_problems(raw: bytes, message: bytes, headers: Iterable[_Header]) -> list[str]:
    problems = ["nul_in_message"] if b"\0" in message else []
    if any(_UNSEEN.search(text) for text in (message, *(header.value for header in headers))):
        problems.append("unseen_characters")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        problems.append("not_utf8")
    return problems


def _join(headers: Iterable[_Header], message: bytes) -> bytes:
    return b"".join(header.raw for header in headers) + b"\n" + message


def _signature(headers: list[_Header], name: bytes) -> bytes | None:
    values = [header.value for header in headers if header.name == name]
    _check_size(b"".join(values))
    return b"\n".join(values) if values else None


def _check_size(signature: bytes) -> None:
    if len(signature) > MAX_SIGNATURE:
        raise ObjectError(f"signature: expected at most {MAX_SIGNATURE} bytes, got {len(signature)}")


def _co_authors(message: bytes) -> tuple[tuple[Ident, ...], bool]:
    """Return everybody whom a co-author line names, wherever it stands, and whether one cannot be read.

    Forges read these lines in the last paragraph only and we everywhere: to name somebody takes a right away
    (to approve), it never gives one.
    """
    found = []
    malformed = False
    for line in message.splitlines():
        match = _CO_AUTHOR.match(line)
        if match is None:
            continue
        ident = _mailbox(match[1].strip())
        if ident is None:
            malformed = True
        else:
            found.append(ident)
    return tuple(found), malformed


def _mailbox(value: bytes) -> Ident | None:
    """Return the person of `Name <address>`. Taken apart by hand: a pattern would be slow on hostile input."""
    name, _, address = value.removesuffix(b">").partition(b"<")
    plain = b"@" in address and not re.search(rb"[<>\s]", address) and b">" not in name
    if not value.endswith(b">") or not plain:
        return None
    return Ident(_text(name.rstrip()), _text(address.lower()), 0)
