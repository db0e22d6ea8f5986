"""Reading a ledger's tree: its edge, its tiles, its roots, its checkpoints. Any connection will do."""

from __future__ import annotations

from audit import merkle, reads, tiles
from audit.errors import ProofError, StoreError
from audit.stores import Asked


def frontier(connection: Asked) -> merkle.Frontier:
    """The right edge of the tree, as the head row says.

    Raises:
        StoreError: it is none.
    """
    size, edge = connection.execute("select size, frontier from ledger_head").fetchone()
    try:
        return merkle.Frontier(size, tuple(tiles.hashes(bytes(edge))))
    except ProofError as error:
        raise StoreError(f"expected the edge of a tree in ledger_head, got: {error}") from error


def nodes(connection: Asked, size: int) -> merkle.Nodes:
    """Who names the hash of a complete subtree of the first `size` entries, for roots and proofs.

    Not checked: that leaf hashes and tile rows agree with the bodies. The verifier does that.
    """
    return tiles.nodes_from(lambda tile: tile_data(connection, tile), size)


def tile_data(connection: Asked, tile: tiles.Tile) -> bytes:
    """A tile's content: hashes, or entries after their lengths.

    Raises:
        ProofError: it is not there (yet, or any more).
    """
    first = tile.index * tiles.WIDTH
    if tile.entries:
        found = [row.body for row in reads.entries(connection, first, first + tile.width)]
    elif tile.level:
        sql = "select root from ledger_tile where level = ? and idx >= ? and idx < ? order by idx"
        found = [bytes(row[0]) for row in connection.execute(sql, (tile.level - 1, first, first + tile.width))]
    else:
        found = _leaves(connection, tile.index, tile.width)
    if len(found) != tile.width:
        raise ProofError(f"expected {tile.width} parts of {tile.path()}, got {len(found)}")
    return tiles.bundled(found) if tile.entries else b"".join(found)


def _leaves(connection: Asked, index: int, width: int) -> list[bytes]:
    first = index * tiles.WIDTH
    sql = "select leaf from ledger_entry where seq >= ? and seq < ? order by seq"
    found = [bytes(row[0]) for row in connection.execute(sql, (first, first + width))]
    if len(found) < width:
        row = connection.execute("select leaves from ledger_pruned where idx = ?", (index,)).fetchone()
        found = tiles.hashes(bytes(row[0]))[:width] if row else []
    return found


def note(connection: Asked, size: int | None = None) -> str | None:
    """The newest signed checkpoint, or that of a size; None if there is none."""
    sql = "select note from ledger_checkpoint where size = ? or ? < 0 order by size desc limit 1"
    wanted = -1 if size is None else size
    row = connection.execute(sql, (wanted, wanted)).fetchone()
    return row[0] if row else None


def check(connection: Asked) -> merkle.Frontier:
    """The edge of the tree, if it is that of the tiles and leaves which are there.

    Not checked: that those agree with the bodies.

    Raises:
        StoreError: it is another.
    """
    edge = frontier(connection)
    try:
        found = merkle.root(edge.size, nodes(connection, edge.size))
    except ProofError as error:
        raise StoreError(f"expected the tiles of {edge.size} entries, got: {error}") from error
    if found != edge.root():
        raise StoreError(f"expected head row and tiles to agree on {edge.size} entries: run the verifier")
    return edge
