"""Tiles and checkpoints, against a published log and against the tree itself."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle, note, tiles
from audit.checkpoint import Checkpoint
from audit.errors import NoteError, ProofError
from audit.merkle import Frontier
from audit.note import Key
from audit.tiles import Tile

VECTORS = Path(os.environ.get("TWINSEAL_VECTORS", Path(__file__).parents[2].parent / "shared" / "vectors"))
LOG = VECTORS / "tessera-log"
KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
here = pytest.mark.skipif(not LOG.is_dir(), reason=f"no published vectors in {VECTORS}: set TWINSEAL_VECTORS")


class World:
    """A log in memory: every complete subtree, and the tiles cut from them."""

    def __init__(self, size: int) -> None:
        self.size, self.nodes = size, dict[tuple[int, int], bytes]()
        leaves = [hashlib.sha256(b"\0%d" % number).digest() for number in range(size)]
        self.edge = Frontier().grown(leaves, lambda level, index, found: self.nodes.update({(level, index): found}))

    def read(self, tile: Tile) -> bytes:
        first = tile.index * tiles.WIDTH
        return b"".join(self.nodes[tile.level * tiles.HEIGHT, first + n] for n in range(tile.width))


LARGE = World(70_000)


def test_the_tiles_of_a_size_are_those_of_the_specification() -> None:
    found = list(tiles.tiles_of(70_000))
    assert sum(tile.level == 0 and tile.width == 256 for tile in found) == 273
    rest = [tile.path() for tile in found if tile.level or tile.width < 256]
    assert rest == ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tile.path() for tile in tiles.tiles_of(0)] == []


@given(st.integers(0, 5), st.integers(0, 10**10), st.integers(1, 256), st.booleans())
def test_a_path_is_read_as_it_was_written(level: int, index: int, width: int, entries: bool) -> None:  # noqa: FBT001 - drawn
    tile = Tile(0 if entries else level, index, width, entries)
    assert Tile.parse(tile.path()) == tile


def test_a_large_index_is_written_in_groups() -> None:
    assert Tile(0, 1_234_067).path() == "tile/0/x001/x234/067"
    assert Tile(0, 7, 3, entries=True).path() == "tile/entries/007.p/3"


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0", "tile/0/0", "tile/0/0067", "tile/0/x000/067", "tile/0/067.p/0", "tile/0/067.p/256", "tile/00/067",
        "tile/64/000", "tile/0/067/", "/tile/0/067", "tile/0/../067", "tile/0/067.p/05", "tile/0/x01/067",
        "tile/0/067\n",
    ],
)  # fmt: skip
def test_no_second_spelling_of_a_path_is_read(path: str) -> None:
    with pytest.raises(ProofError):
        Tile.parse(path)


@given(st.data())
def test_every_proof_is_made_from_tiles_alone(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGE.size) | st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537]))
    old = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, size - 1))
    nodes = tiles.nodes_from(LARGE.read, size)
    head = merkle.root(size, nodes)
    assert head == merkle.root(size, lambda level, at: LARGE.nodes[level, at])
    merkle.verify_inclusion(LARGE.nodes[0, index], index, size, merkle.inclusion_proof(index, size, nodes), head)
    proof = merkle.consistency_proof(old, size, nodes)
    merkle.verify_consistency(old, merkle.root(old, nodes), size, head, proof)


def test_a_tile_that_is_cut_or_not_there_is_refused() -> None:
    with pytest.raises(ProofError, match="hashes in"):
        merkle.root(300, tiles.nodes_from(lambda tile: LARGE.read(tile)[:-1], 300))
    with pytest.raises(ProofError, match="a tile of a log of 5"):
        tiles.tile_at(0, 1, 5)


@given(st.lists(st.binary(max_size=300)))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    data = tiles.bundled(entries)
    assert tiles.unbundled(data) == entries
    if data:
        with pytest.raises(ProofError):
            tiles.unbundled(data + b"\0")


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    with pytest.raises(ProofError):
        tiles.bundled([bytes(65_536)])


@here
@pytest.mark.parametrize("number", range(16))
def test_a_published_log_has_the_heads_that_were_signed(number: int) -> None:
    found = note.read((LOG / f"checkpoint.{number}").read_bytes(), [Key.parse(KEY)])
    assert found.signatures
    point = Checkpoint.parse(found.text)
    assert point.text() == found.text
    nodes = tiles.nodes_from(published, point.size)
    assert merkle.root(point.size, nodes) == point.root


@here
def test_a_published_bundle_holds_the_leaves_of_its_tile() -> None:
    size = Checkpoint.parse(note.read((LOG / "checkpoint").read_bytes(), []).text).size
    tile = tiles.tile_at(0, 0, size)
    entries = tiles.unbundled((LOG / Tile(0, 0, tile.width, entries=True).path()).read_bytes())
    assert b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in entries) == published(tile)


def published(tile: Tile) -> bytes:
    """Read a tile, or cut it from a wider one: a log may drop partial tiles once there is more."""
    exact = LOG / tile.path()
    if exact.exists():
        return exact.read_bytes()
    wider = sorted((LOG / Tile(tile.level, tile.index).path()).parent.glob(f"{tile.index % 1000:03}.p/*"))
    files = [LOG / Tile(tile.level, tile.index).path(), *wider]
    data = max((file.read_bytes() for file in files if file.is_file()), key=len)
    return data[: tile.width * merkle.HASH_BYTES]


ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    "text",
    [
        "", "o\n", "o\n1\n", f"o\n01\n{ROOT}\n", f"o\n-1\n{ROOT}\n", f"o\n1\n{ROOT[:-4]}\n", f"\n1\n{ROOT}\n",
        f"o\n1\n{ROOT}\n\n", f"o\n1\n{ROOT.replace('I=', 'J=')}\n", f"o\n1_0\n{ROOT}\n", f"o\n\u0661\n{ROOT}\n",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_a_checkpoint_is_read_as_it_was_written_and_extensions_are_left_aside() -> None:
    text = f"example.org/log\n42\n{ROOT}\n"
    assert Checkpoint.parse(text).text() == text
    assert Checkpoint.parse(text + "an extension\n").text() == text
