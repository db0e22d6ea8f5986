"""The log over HTTP (C2SP tlog-tiles): `/log/checkpoint` and `/log/tile/…`, for witnesses, monitors and proofs.

Checkpoint and hashes are open to all: they say how much there is, not what. Entries are for an owner, by token.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from audit import exporting, tree
from audit.errors import ProofError
from audit.stores import Connection
from audit.tiles import HEIGHT, WIDTH, Tile
from governance.entrypoints.asking import The, is_owner
from governance.errors import DeniedError, NotFoundError
from governance.people import tokens
from governance.service import Service
from governance.state.fold import Tx

IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "no-cache"}

# Not in the description of `/v1`: C2SP tlog-tiles describes it.
router = APIRouter(prefix="/log", include_in_schema=False)


@router.get("/checkpoint")
def checkpoint(service: The) -> Response:
    """Return the newest checkpoint: a signed note, with what cosignatures it has."""
    with service.read() as tx:
        signed = tree.note(tx)
    if signed is None:
        raise NotFoundError("nothing was signed yet; the first checkpoint follows the first entry within a second")
    return Response(signed, media_type="text/plain; charset=utf-8", headers=FRESH)


@router.get("/tile/{path:path}")
def tile(path: str, service: The, authorization: Annotated[str, Header()] = "") -> Response:
    """Return a tile of hashes, or, to an owner, a bundle of entries."""
    with service.read() as tx:
        try:
            wanted = Tile.parse(f"tile/{path}")
            if wanted.entries:
                _demand_owner(service, tx, authorization)
            _demand_signed(tx, wanted)
            data = tree.tile_data(tx, wanted)
        except ProofError as exc:
            raise NotFoundError(str(exc)) from exc
    # What only an owner may see, no cache between may keep.
    kept = {"Cache-Control": "private, no-store"} if wanted.entries else IMMUTABLE
    return Response(data, media_type="application/octet-stream", headers=kept)


def _demand_signed(look: Connection, wanted: Tile) -> None:
    """Refuse a tile that needs more entries than the newest checkpoint has."""
    if (wanted.index * WIDTH + wanted.width) << (HEIGHT * wanted.level) > exporting.newest(look)[0].size:
        raise ProofError(f"expected a tile below the checkpoint, got {wanted.path()}")


def _demand_owner(service: Service, tx: Tx, authorization: str) -> None:
    caller = tokens.authenticate(tx, *tokens.presented(authorization.encode("latin-1")), now=service.now(tx))
    if caller.repository or not is_owner(tx, caller):
        raise DeniedError("entries are for an owner; hashes and checkpoint are open", code="log.entries")
