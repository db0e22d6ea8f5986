"""Tiles (C2SP tlog-tiles): a log cut into files that never change once they are full.

A tile holds up to 256 hashes: of level 0 the leaves, of each level above the heads of full tiles below. An entry bundle
holds the entries of a level 0 tile. What is here are names and cuts; where files lie is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audit.errors import ProofError
from audit.merkle import HASH_BYTES, Frontier, node_hash

WIDTH = 256
HEIGHT = 8
"""Levels of the tree in one tile."""
ENTRIES = "entries"
LONGEST_ENTRY = (1 << 16) - 1

_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The name of one tile, or of an entry bundle. Fewer than 256 make it partial."""

    level: int
    index: int
    width: int = WIDTH
    entries: bool = False

    def path(self) -> str:
        """Return where it lies below the log's address: `tile/0/x001/234.p/5`."""
        digits = f"{self.index:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = ENTRIES if self.entries else str(self.level)
        return f"tile/{level}/{name}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Read such a path.

        Raises:
            ProofError: not the one spelling of a tile's path.
        """
        match = _PATH.fullmatch(path)
        if match:
            level, digits, width = match.groups()
            index = int(digits.replace("x", "").replace("/", ""))
            whole = level == ENTRIES
            tile = cls(0 if whole else int(level), index, int(width or WIDTH), whole)
            if tile.path() == path:
                return tile
        raise ProofError(f"expected the path of a tile, got {path!a:.120}")


def roots_of_full_tiles(edge: Frontier, leaves: Sequence[bytes]) -> tuple[list[tuple[int, int, bytes]], Frontier]:
    """Return the (level, index, root) of each tile that these leaves fill, and the edge after them."""
    filled: list[tuple[int, int, bytes]] = []

    def done(level: int, index: int, found: bytes) -> None:
        if level and level % HEIGHT == 0:
            filled.append((level // HEIGHT - 1, index, found))

    after = edge.grown(leaves, done)
    return filled, after


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile of hashes that a log of this size has, partial ones last on their level."""
    level = 0
    while size:
        yield from (Tile(level, index) for index in range(size // WIDTH))
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        size //= WIDTH
        level += 1


def tile_at(level: int, index: int, size: int) -> Tile:
    """Return the tile of hashes with this index in a log of this size: full, or as wide as it is by then.

    Raises:
        ProofError: there is none yet.
    """
    there = (size >> (HEIGHT * level)) - index * WIDTH
    if there <= 0:
        raise ProofError(f"expected a tile of a log of {size} entries, got level {level}, index {index}")
    return Tile(level, index, min(there, WIDTH))


def nodes_from(read: Callable[[Tile], bytes], size: int) -> Callable[[int, int], bytes]:
    """Return who names the hash of any complete subtree, from the tiles of a log of this size.

    Tiles are kept, so a proof reads each once. A tile is believed; the proof made from it is what others verify.
    """
    kept: dict[tuple[int, int], bytes] = {}

    def nodes(level: int, index: int) -> bytes:
        row, above = divmod(level, HEIGHT)
        first = index << above
        key = (row, first // WIDTH)
        if key not in kept:
            kept[key] = _whole(read(wanted := tile_at(*key, size)), wanted)
        start = first % WIDTH * HASH_BYTES
        data = kept[key][start : start + (HASH_BYTES << above)]
        return _head(hashes(data))

    return nodes


def hashes(data: bytes) -> list[bytes]:
    """Return the hashes that lie end to end, as in a tile or an edge."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def bundled(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length in two bytes, big endian."""
    if any(len(entry) > LONGEST_ENTRY for entry in entries):
        raise ProofError(f"expected entries of at most {LONGEST_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unbundled(data: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        ProofError: it ends within an entry.
    """
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise ProofError(f"expected whole entries, got a bundle of {len(data)} bytes that ends within one")
        found.append(entry)
        at += 2 + length
    return found


def _whole(data: bytes, tile: Tile) -> bytes:
    if len(data) != tile.width * HASH_BYTES:
        raise ProofError(f"expected {tile.width} hashes in {tile.path()}, got {len(data)} bytes")
    return data


def _head(hashes: list[bytes]) -> bytes:
    """Return the head of a complete subtree: a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
