"""Write the ledger's own vectors: a log of five entries, and everything that can be said of it.

From the top folder: `PYTHONPATH=.:tests python tests/vectors/make_ledger.py`. Seeds and times are fixed, so running it
again changes nothing; a difference is a change of format, and of the promise to whoever keeps such files.
"""

from __future__ import annotations

import json
from pathlib import Path

from audit import merkle, note
from audit.canonical import encode
from audit.checkpoint import Checkpoint
from audit.entry import GENESIS_KIND, GENESIS_PREV, leaf_hash
from audit.merkle import Frontier
from audit.note import Algorithm, Signer
from audit.proof import SUFFIX, Proof

FOLDER = Path(__file__).parent / "ledger"
LOG = "example.org/ledger"
KEY = Signer(LOG, Algorithm.ED25519, bytes(range(32)))
RECOVERY = Signer(f"{LOG}/recovery", Algorithm.ED25519, bytes(range(32, 64)))
WITNESS = Signer("witness.example.org", Algorithm.COSIGNATURE, bytes(range(64, 96)))
BEGAN_MS = 1_767_139_200_000
COSIGNED = 1_767_139_260
PROVED = 2
SAID: tuple[tuple[str, dict[str, object]], ...] = (
    (GENESIS_KIND, {"ledger_key": str(KEY.key), "recovery_key": str(RECOVERY.key)}),
    ("ledger.kinds", {"kinds": {"garden.sown": {"version": 1, "data": {"plant": "text", "rows": "whole"}}}}),
    ("garden.sown", {"plant": "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{SEEDLING}", "rows": 3}),
    ("ledger.heartbeat", {}),
    ("garden.sown", {"plant": 'quoted "\\/\u007f\u2028', "rows": 2**53 - 1}),
)


def bodies() -> list[bytes]:
    """Return the entries: each one the canonical bytes of its fields, with the leaf hash of the one before."""
    found: list[bytes] = []
    prev = GENESIS_PREV
    for seq, (kind, data) in enumerate(SAID):
        actor = {"id": "alice", "key": "", "kind": "human"}
        body = encode({
            "actor": actor, "data": data, "kind": kind, "log": LOG, "prev": prev, "repo": "", "seq": seq, "subject": "",
            "ts": BEGAN_MS + 1000 * seq, "v": 1,
        })  # fmt: skip
        prev = leaf_hash(body).hex()
        found.append(body)
    return found


def files() -> dict[str, bytes]:
    """Return every file by its name."""
    entries = bodies()
    nodes: dict[tuple[int, int], bytes] = {}
    size = len(entries)
    Frontier().grown([leaf_hash(body) for body in entries], lambda level, i, found: nodes.update({(level, i): found}))

    def node(level: int, index: int) -> bytes:
        return nodes[level, index]

    tree = {
        "leaves": [nodes[0, index].hex() for index in range(size)],
        "roots": [merkle.root(each, node).hex() for each in range(size + 1)],
        "inclusion": [
            {"index": index, "size": each, "proof": [h.hex() for h in merkle.inclusion_proof(index, each, node)]}
            for each in range(1, size + 1)
            for index in range(each)
        ],
        "consistency": [
            {"old": old, "new": new, "proof": [h.hex() for h in merkle.consistency_proof(old, new, node)]}
            for new in range(1, size + 1)
            for old in range(1, new + 1)
        ],
    }
    text = Checkpoint(LOG, size, merkle.root(size, node)).text()
    signed = note.written(text, [KEY.line(text), WITNESS.line(text, at=COSIGNED)]).encode()
    proof = Proof(PROVED, tuple(merkle.inclusion_proof(PROVED, size, node)), signed, entries[PROVED])
    policy = f"log {KEY.key}\nwitness W {WITNESS.key}\nquorum W\n"
    return {
        "entries.jsonl": b"".join(body + b"\n" for body in entries),
        "tree.json": json.dumps(tree, indent=1).encode() + b"\n",
        "checkpoint": signed,
        "keys.policy": policy.encode(),
        f"{PROVED}{SUFFIX}": proof.file(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, data in files().items():
        (FOLDER / name).write_bytes(data)
