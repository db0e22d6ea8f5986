"""Everything that must be right for the rules to hold, looked at one by one, each with its mending."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit import keys, reads, stores
from audit.errors import AuditError
from audit.stores import Connection, sqlite
from governance.adapters import clock, git, hook_files, processes
from governance.adapters.settings import BEGIN, Settings
from governance.entrypoints import (
    doctor_channels,
    doctor_database,
    doctor_people,
    doctor_telling,
    evidence,
    opening,
)
from governance.entrypoints.findings import Finding
from governance.errors import GovernanceError, SettingsError
from governance.hosts import HOSTS, Host, Level
from governance.state import job_runs, read, status, stops
from governance.stops import thawing
from governance.timetable import MINUTE_MS

GIT_LEAST = (2, 38)
"""`merge-tree --write-tree` came with 2.38."""
ROOM = 1 << 30
"""Bytes that should be free where the ledger and its mark are kept."""


def examine(settings: Settings) -> list[Finding]:
    """Return every finding, the machine's first, then the service's, then each repository's."""
    found = [*_tools(), *_folders(settings), *_address(settings)]
    try:
        begun = opening.begun(settings)
    except AuditError as exc:
        return [*found, Finding("bad", "ledger", str(exc), "Is the server there, and TWINSEAL_DATABASE right?")]
    if not begun:
        return [*found, Finding("bad", "ledger", f"nothing has begun in {settings.where}", BEGIN)]
    found.append(_service(settings))
    try:
        opening.demand_version(settings)
    except SettingsError as exc:  # What they say then is not to be read, and may lack whole tables.
        return [*found, Finding("bad", "ledger", str(exc), exc.mend)]
    try:
        connection = stores.open_reader(settings.database)
    except AuditError as exc:
        return [*found, Finding("bad", "ledger", str(exc), "twinseal ledger verify")]
    try:
        if stores.is_postgres(settings.database):
            found += doctor_database.server(connection)
        found += _ledger(settings, connection)
        found += doctor_channels.channels(connection, settings)
        found += _frozen_everywhere(connection)
        found += _jobs(connection)
        found += doctor_telling.told(settings, connection)
        for repository in read.repositories(connection):
            found += _repository(connection, repository, settings)
    except connection.Error as exc:
        said = f"the database cannot be read: {exc}"
        found.append(Finding("bad", "ledger", said, "Stop the service, keep a copy: twinseal ledger verify"))
    finally:
        connection.close()
    return found


def _tools() -> Iterator[Finding]:
    try:
        sqlite.check_version()
        yield Finding("good", "sqlite", "the bundled version is free of the WAL-reset bug")
    except AuditError as exc:
        yield Finding("bad", "sqlite", str(exc), "pip install pysqlite3")
    for name, mend in (("git", "Install git 2.38 or later."), ("gpg", "Install GnuPG 2.2 or later.")):
        path = shutil.which(name)
        if path is None:
            yield Finding("bad", name, "not on the PATH", mend)
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
        version = tuple(int(n) for n in re.findall(r"\d+", said)[:2])
        if name == "git" and version < GIT_LEAST:
            yield Finding("bad", name, f"{said}; expected 2.38 or later", mend)
        else:
            yield Finding("good", name, said)


def _folders(settings: Settings) -> Iterator[Finding]:
    data, state = settings.data.resolve(), settings.state.resolve()
    if data == state or data in state.parents:
        said = f"{state} lies inside {data}: who restores an old copy restores its evidence too"
        yield Finding("bad", "state folder", said, "Set TWINSEAL_STATE to a folder elsewhere.")
    elif data.exists() and state.exists() and data.stat().st_dev == state.stat().st_dev:
        said = "on the same volume as the data folder: one snapshot takes both back"
        yield Finding("warn", "state folder", said, "Put TWINSEAL_STATE on another volume.")
    for folder in (data, state):
        if folder.exists() and folder.stat().st_mode & 0o077:
            yield Finding("bad", "folder", f"{folder} can be read by others", f"chmod 700 {folder}")
        if folder.exists() and (free := shutil.disk_usage(folder).free) < ROOM:
            said = f"{free >> 20} MiB are free at {folder}: once it is full, every push is refused"
            yield Finding("warn", "room", said, "Make room; nothing that was acknowledged is lost meanwhile.")


def _address(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        said = f"{settings.public_url} is plain http: whoever is on the way reads tokens, passwords and sessions"
        mend = "Put TLS before it, and set TWINSEAL_URL to its https address."
        yield Finding("warn", "address", f"{said}; and there can be no passkeys", mend)


def _service(settings: Settings) -> Finding:
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(3)
            asking.connect(str(settings.socket))
    except OSError as exc:
        said = f"nobody answers at {settings.socket} ({exc.strerror}): every push is refused"
        return Finding("bad", "service", said, "twinseal serve")
    if settings.socket.parent.stat().st_mode & 0o001 == 0:
        said = f"answers at {settings.socket}, which a git user of its own cannot reach"
        return Finding(
            "warn", "service", said, "For a separate git user, set TWINSEAL_SOCKET to a folder it may enter."
        )
    return Finding("good", "service", f"answers at {settings.socket}")


def _ledger(settings: Settings, connection: Connection) -> Iterator[Finding]:
    head = reads.head(connection)
    yield Finding("good", "ledger", f"{head.size} entries; check them all with: twinseal ledger verify")
    try:
        opening.mark(settings).check(connection, keys.read(connection))
        yield Finding("good", "high-water mark", "the ledger continues what was last said of it outside")
    except AuditError as exc:
        yield Finding("bad", "high-water mark", str(exc), "Stop, and find out who restored what.")
    yield _witnesses(settings)
    overview = status.overview(connection)
    if overview["humans"] == 0:
        yield Finding("bad", "people", "no owner is enrolled", "twinseal key enroll")
    elif overview["single_person"]:
        yield Finding("warn", "people", "one person is enrolled; records say single_person", "Enrol a second owner.")
    yield from doctor_people.factors_of(connection)


def _witnesses(settings: Settings) -> Finding:
    try:
        policy = evidence.witnesses(settings)
    except SettingsError as exc:
        return Finding("bad", "witnesses", str(exc), "Set TWINSEAL_WITNESSES to a tlog-policy file.")
    if policy is None:
        said = "none: whoever holds database and mark can set both back, and only clones would tell"
        return Finding("warn", "witnesses", said, "twinseal witness serve, elsewhere; then TWINSEAL_WITNESSES=FILE")
    return Finding("good", "witnesses", policy.said)


def _frozen_everywhere(connection: Connection) -> Iterator[Finding]:
    for freeze in stops.halts(connection, at=clock.now()):
        if not freeze.repository:
            said = f"{freeze.scope} {freeze.value} is frozen since entry {freeze.seq}: {freeze.reason}".replace(
                "  ", " "
            )
            yield Finding("warn", "freeze", said, thawing(freeze))


def _jobs(connection: Connection) -> Iterator[Finding]:
    """Name the jobs whose last run failed; where none did, say when one last ran."""
    runs = job_runs.latest(connection)
    for run in runs:
        if run["outcome"] == job_runs.FAILED:
            said = f"{run['name']} failed {run['attempt']} times: {run['said']}"
            yield Finding("bad", "job", said, "Mend what it names; it is tried again when it is next due.")
    if runs and all(run["outcome"] != job_runs.FAILED for run in runs):
        minutes = (clock.now() - max(run["started_at"] for run in runs)) // MINUTE_MS
        yield Finding("good", "jobs", f"{len(runs)} run by the clock, the last {minutes} minutes ago")


def _repository(connection: Connection, repository: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    name, path, host = repository["name"], Path(repository["path"]), HOSTS[repository["host"]]
    socket = hook_files.asks(path, settings.sockets)
    try:
        faults = hook_files.faults(path, identifier=repository["id"], socket=socket, dispatched=host.dispatched)
        drifted = [ref for ref, _, _ in status.drift(connection, name, git.refs(path))]
    except (GovernanceError, OSError) as exc:
        yield Finding("bad", name, f"cannot be looked at: {exc}")
        return
    for fault in faults:
        yield Finding("bad", name, fault, f"twinseal hooks install {name}")
    if not faults:
        yield Finding("good", name, "hooks and configuration are in force")
    yield from _worth(repository, host)
    if repository["git_uid"] != os.getuid():
        yield from _apart(name, path, socket)
    yield from _pins(connection, name, path)
    for lock in git.left_locks(path, now=clock.now()):
        said = f"{lock} was left by a git that was killed: the ref under it cannot move"
        yield Finding("warn", name, said, f"rm {path / lock}  (once no git runs there)")
    if drifted:
        said = f"{len(drifted)} refs are not as recorded: {', '.join(drifted[:3])}"
        yield Finding("warn", name, said, f"twinseal thaw {name} --remediation ...  (pushes under way show here too)")
    unreviewed = [line for line in status.lapses(connection, name) if line["state"] != "frozen"]
    if unreviewed:
        said = f"{len(unreviewed)} refs moved without being allowed to and are unreviewed: {unreviewed[0]['ref']}"
        yield Finding("warn", name, said, f"twinseal repo check {name}")
    for freeze in read.freezes(connection, name, at=clock.now()):
        if freeze.repository:
            what = f"{freeze.value} is frozen" if freeze.value else "frozen"
            yield Finding("warn", name, f"{what} since entry {freeze.seq}: {freeze.reason}", thawing(freeze))


def _worth(repository: dict[str, Any], host: Host) -> Iterator[Finding]:
    """Say how pushers are named, and what a decision is worth there."""
    name = repository["name"]
    if host.level is Level.ENFORCED:
        yield Finding("good", name, f"host {host.name}: pushers are named by {host.user or 'their session'}")
    else:
        yield Finding("warn", name, f"host {host.name}: decided and recorded, not enforced")
    if repository["mode"] == "observe":
        said = "observed: decided and recorded, nothing is enforced"
        yield Finding("warn", name, said, f"twinseal repo add {name} --mode enforce")
    if repository["advisory"]:
        yield Finding("warn", name, "advisory: a principal's own uid can write its files; recorded, not enforced")
    elif repository["git_uid"] == os.getuid():
        yield Finding("warn", name, "not separated: the service's own user owns its files")


def _apart(name: str, path: Path, socket: Path) -> Iterator[Finding]:
    """Say what keeps two users from working together: one asks at a socket, the other reads a spool."""
    closed = [folder for folder in socket.parents if not folder.stat().st_mode & 0o011]
    if closed:
        said = f"the git user cannot come through {closed[0]} to {socket}: every push is refused"
        yield Finding("bad", name, said, "Set TWINSEAL_SOCKET to a place like /run/twinseal/hook.sock, for both.")
    spool = path / "twinseal" / "applied"
    if not os.access(spool, os.R_OK):
        said = f"{spool} cannot be read by the service (uid {os.getuid()}): what moved is seen late or not at all"
        yield Finding("bad", name, said, "Put the service's user into the git user's group; directories 0750.")


def _pins(connection: Connection, name: str, path: Path) -> Iterator[Finding]:
    """Name the pins that are promised and not made, where only the git user could make them."""
    if os.access(path / "refs", os.W_OK):
        return
    sql = (
        "select handle, new, ref from reservation where repository=? and state='reserved' and ref like 'refs/changes/%'"
    )
    for handle, oid, ref in connection.execute(sql, (name,)).fetchall():
        if not processes.alive(handle):
            command = f"TWINSEAL_RESERVATION={handle} git --git-dir={path} update-ref {ref} {oid} {'0' * len(oid)}"
            yield Finding("warn", name, f"{ref} is promised and not made", f"As the git user: {command}")
