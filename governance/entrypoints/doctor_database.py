"""What `doctor` asks a PostgreSQL server: whether it keeps what it commits, and whom the ledger's guards bind."""

from __future__ import annotations

from collections.abc import Iterator

from audit.stores import Connection
from audit.stores.sqlite_schema import TABLES
from governance.entrypoints.findings import Finding

WHAT = "postgresql"
ROLES = "deploy/postgresql.md, Two roles"
KEEPS = {
    "fsync": "A power cut may lose what was decided; the service refuses to start. In postgresql.conf: fsync = on",
    "full_page_writes": "A power cut may tear a page; the service refuses to start. full_page_writes = on",
}

_OWNED = (
    "select count(*) from pg_class where relnamespace = cast(current_schema() as regnamespace) "
    "and relname = any(cast(? as text[])) and pg_has_role(current_user, relowner, 'MEMBER')"
)
_PLAIN = (
    "select 1 from pg_stat_ssl where pid = pg_backend_pid() and not ssl "
    "and not coalesce(inet_client_addr() << '127.0.0.0/8' or inet_client_addr() = '::1', true)"
)


def server(connection: Connection) -> Iterator[Finding]:
    """Yield what there is to say of the server behind a connection, and of the role that it was made with."""
    yield Finding("good", WHAT, f"server {_shown(connection, 'server_version')}")
    yield from _durability(connection)
    if connection.execute(_PLAIN).fetchone():
        yield Finding("warn", WHAT, "asked over the network in the clear", "sslmode=verify-full in TWINSEAL_DATABASE")
    yield from _role(connection)


def _durability(connection: Connection) -> Iterator[Finding]:
    off = [name for name in KEEPS if _shown(connection, name) != "on"]
    for name in off:
        yield Finding("bad", WHAT, f"{name} is off", KEEPS[name])
    if _shown(connection, "synchronous_commit") == "off":
        said = "synchronous_commit is off for this role; the service turns it on for what it writes itself"
        yield Finding("warn", WHAT, said, "alter role ... reset synchronous_commit")
    elif not off:
        yield Finding("good", WHAT, "fsync and synchronous_commit are on: what it committed is on its disk")
    if _shown(connection, "data_checksums") != "on":
        said = "data_checksums are off: what its disk changes by itself is seen by the verifier alone"
        yield Finding("warn", WHAT, said, "pg_checksums --enable  (with the server stopped)")


def _role(connection: Connection) -> Iterator[Finding]:
    name, above = connection.execute("select rolname, rolsuper from pg_roles where rolname = current_user").fetchone()
    if above:
        said = f"the role {name} is superuser: the guards on the ledger's tables keep it from mistakes, and no more"
        yield Finding("warn", WHAT, said, ROLES)
    elif connection.execute(_OWNED, (list(TABLES),)).fetchone()[0]:
        said = f"the role {name} owns the ledger's tables: it can lift their guards, so they keep it from mistakes only"
        yield Finding("warn", WHAT, said, ROLES)
    else:
        yield Finding(
            "good", WHAT, f"the role {name} can append to the ledger's tables; they and their guards are not its own"
        )


def _shown(connection: Connection, name: str) -> str:
    return str(connection.execute(f"show {name}").fetchone()[0])
