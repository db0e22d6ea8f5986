"""The service's own principal: it enrols itself with its first landing, by an entry like everybody's, and once.

Its key proves possession as every key does. It reviews nothing, and signs nothing but merges that git makes by
itself (`carry.py`). Retired or without a key in force it stays so until an owner acts: nobody un-revokes themselves.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from audit.transaction import Transaction
from governance.carry import is_lander
from governance.errors import ConflictError, DeniedError
from governance.people import keys, principals
from governance.policy import LANDER
from governance.ports import LanderKey
from governance.service import Service
from governance.signatures import possession_challenge
from governance.standing import Principal
from governance.state import read

HOST = re.compile(r"[a-z0-9.-]+")


def principal(service: Service, key: LanderKey, nonce: Callable[[], str]) -> Principal:
    """Return the lander's principal, enrolling it with a new key where there is none yet.

    Raises:
        DeniedError: An owner retired it, or somebody else has its name.
    """
    me = _known(service)
    if me is None:
        with contextlib.suppress(ConflictError):  # Another replica may have enrolled it since; or the name is taken.
            _enrol(service, key, nonce())
        me = _known(service)
    if me is None or me.retired or not is_lander(me):
        raise DeniedError("the lander is retired, or its name is somebody else's", code="landing.no_lander")
    return me


def fingerprint(service: Service) -> str:
    """Return the key that signs merges.

    Raises:
        DeniedError: It was revoked; fast-forwards need none.
    """
    sql = "select fingerprint from signing_key where principal=? and revoked_seq is null order by enrolled_seq desc"
    with service.read() as tx:
        row = tx.execute(sql, (LANDER,)).fetchone()
    if row is None:
        mend = f"twinseal principal invite {LANDER}, then enrol a key in its seat (README, Landing)"
        raise DeniedError("the lander's key was revoked, so it merges nothing", code="landing.no_key", mend=mend)
    return str(row[0])


def _known(service: Service) -> Principal | None:
    with service.read() as tx:
        return read.roster(tx).get(LANDER)


def _enrol(service: Service, key: LanderKey, nonce: str) -> None:
    origin = service.log
    host = origin.split("/")[0].lower()
    who = principals.lander(f"twinseal-lander@{host if HOST.fullmatch(host) else 'localhost'}")
    about = service.reader(key.make(who.name, who.emails[0]), at=service.clock() // 1000)
    text = possession_challenge(origin, principal=who.name, fingerprint=about.fingerprint, nonce=nonce, ends=about.ends)
    proof = key.sign(text, about.fingerprint).decode("ascii")

    def command(tx: Transaction) -> None:
        roster = service.under_lock.roster(tx)
        if roster.get(LANDER) is not None or roster.by_email(who.emails[0]):
            raise ConflictError(f"{LANDER} or {who.emails[0]} is taken", code="landing.no_lander")
        at = tx.now // 1000
        proved = keys.proved(
            keys.free(tx, about), proof, origin=origin, principal=who.name, nonce=nonce,
            verifier=service.verifier, at=at,
        )  # fmt: skip
        kept = {"nonce": nonce, "signature": proof}
        tx.append(principals.lander_added(who, key=keys.recorded(proved), proof=kept))

    service.ledger.run(command)
