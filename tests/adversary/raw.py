"""Pushes that no git client would send, and objects that it would not write."""

from __future__ import annotations

import hashlib
import http.client
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing

import keys
from playing import MAIN, Member, Pushed, Repository

BOGUS = "deadbeef" * 5
NEXT = "refs/heads/topic/next"
EMPTY_PACK = b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")
Entry = tuple[str, str, str]
"""Mode as it shall stand there, name, and object name."""


def small(repository: Repository, dev: Member) -> str:
    """Return an honest commit, below every threshold."""
    return repository.commit(dev, {"notes": "one line\n"}, repository.refs()[MAIN])


def raw_push(repository: Repository, by: Member, *commands: str, pack: bytes = b"") -> Pushed:
    """Send ref updates as no git would, with these objects or none; return what receive-pack reported."""
    packets = [f"{line}\0report-status side-band-64k" if not n else line for n, line in enumerate(commands)]
    body = b"".join(b"%04x%b" % (len(packet) + 4, packet) for packet in map(str.encode, packets)) + b"0000"
    body += pack or EMPTY_PACK + hashlib.sha1(EMPTY_PACK).digest()
    basic = b64encode(f"{by.name}:{by.tokens[repository.name]}".encode()).decode()
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Basic {basic}"}
    with closing(http.client.HTTPConnection(*repository.ground.address, timeout=30)) as connection:
        connection.request("POST", f"/git/{repository.name}.git/git-receive-pack", body, headers)
        said = joined(connection.getresponse().read())
    landed = "unpack ok" in said and "ng refs/" not in said and said.count("ok refs/") == len(commands)
    return Pushed(0 if landed else 1, said)


def joined(packets: bytes) -> str:
    """Return what stands in packets of a side band, put together again (gitprotocol-pack(5))."""
    text = b""
    while packets:
        length = max(int(packets[:4], 16), 4)
        text += packets[5:length]
        packets = packets[length:]
    return text.decode("utf-8", "replace")


def packed(repository: Repository, objects: Sequence[str], *options: str) -> bytes:
    """Return a pack of exactly these objects."""
    names = "".join(f"{name}\n" for name in objects).encode()
    return repository.raw("pack-objects", "--stdout", "-q", *options, text=names)


def new_objects(repository: Repository, tip: str, base: str) -> list[str]:
    """Return every object that a push of `tip` onto `base` has to bring."""
    listed = repository.git("rev-list", "--objects", "--no-object-names", tip, f"^{base}")
    return listed.split()


def raw_tree(repository: Repository, *entries: Entry) -> str:
    """Write a tree with these entries as they are, in this order."""
    raw = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in entries)
    return keys.write_object(repository.work, raw, kind="tree")


def blob(repository: Repository, content: str | bytes = "1\n") -> str:
    """Write a blob."""
    raw = content.encode() if isinstance(content, str) else content
    return repository.git("hash-object", "-w", "--stdin", text=raw)


def raw_commit(repository: Repository, by: Member, raw: bytes) -> str:
    """Sign a commit object that may be none, and write it."""
    return keys.write_object(repository.work, keys.sign_commit(raw, by.key))
