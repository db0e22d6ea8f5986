"""Install the hooks in a repository, and check that they are still what we installed.

A hook without its executable bit is skipped by git and the push succeeds: that is checked first.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from governance.adapters import freeze_marks, git, resources
from governance.adapters.as_owner import as_owner
from governance.errors import SettingsError

HOOKS = ("pre-receive", "proc-receive", "reference-transaction", "post-receive")
DISPATCHED = ("pre-receive", "post-receive")
"""Those that a forge runs from a folder. Nobody dispatches the transaction hook, so it is always git's own."""
REVIEW_HOOK, REVIEW_SETTING = "proc-receive", "receive.procReceiveRefs"
"""Forges have a proc-receive of their own and run it alone: there, changes come by topic branches."""
MODULES = "twinseal_hook"
FOLDER = "twinseal"

PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+-]+")
"""The hooks are filled in as text; what a shell could read as something else is refused."""

CONFIG = {
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "receive.denyNonFastForwards": "false",
    "receive.shallowUpdate": "false",
    "receive.advertisePushOptions": "true",
    REVIEW_SETTING: "refs/for",
    "receive.advertiseAtomic": "true",
    "receive.autogc": "false",
    "receive.maxInputSize": "536870912",
    "receive.unpackLimit": "100",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.logAllRefUpdates": "true",
    "uploadpack.allowAnySHA1InWant": "false",
    "http.receivepack": "true",
}
"""What `repo add` sets and `doctor` asks for. Rewinds of topic branches are ours to judge, so git must not."""


def interpreter() -> str:
    """Return the Python the hook runs under: absolute, and one that any user can start."""
    for candidate in ("/usr/bin/python3", getattr(sys, "_base_executable", sys.executable)):
        real = os.path.realpath(candidate)
        if os.access(real, os.X_OK) and _recent(real):
            return real
    raise SettingsError("no Python 3.11 or later for the hook to run under")


def _recent(python: str) -> bool:
    asked = [python, "-ISc", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def install(repository: Path, *, identifier: str, socket: Path, dispatched: bool = False) -> None:
    """Write hooks, modules, configuration and the folders they use, as the git user. Safe to repeat.

    The folder `twinseal/` belongs to the git user; the service reads its spool. Where the host runs hooks from
    `hooks/<name>.d/` (`dispatched`), ours go there, and its own stay.

    Raises:
        SettingsError: A path does not suit a hook, or we may not become the git user.
    """
    home, python = repository / FOLDER, interpreter()
    marker = freeze_marks.beside(socket, repository)
    for path in (str(home), python, str(marker)):
        if not PLAIN_PATH.fullmatch(path):
            raise SettingsError(f"{path!r}: a path that goes into a hook has only letters, digits and ._+/-")
    conf = {"repository": identifier, "socket": socket, "git": git.program(), "marker": marker}
    conf |= {"dispatched": "yes"} if dispatched else {}
    lines = "".join(f"{name} {value}\n" for name, value in conf.items())
    # Everything is read before we become the git user, who need not be able to read our package.
    files = {home / "hook" / MODULES / name: (data, 0o644) for name, data in modules().items()}
    files[home / "conf"] = (lines.encode(), 0o644)
    files |= {path: (data, 0o755) for path, data in hooks(repository, dispatched=dispatched).items()}
    values = _config(dispatched=dispatched)
    as_owner(repository, lambda: _install(repository, files, values, python))


def _install(repository: Path, files: Mapping[Path, tuple[bytes, int]], values: Mapping[str, str], python: str) -> None:
    home = repository / FOLDER
    (home / "reservations").mkdir(parents=True, exist_ok=True)
    (home / "applied").touch()
    for path, (data, mode) in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data, mode=mode)
    git.set_config(repository, values)
    subprocess.run([python, "-IS", "-m", "compileall", "-q", str(home / "hook")], check=True, capture_output=True)


def asks(repository: Path, sockets: Sequence[Path]) -> Path:
    """Return which of these sockets the hooks ask, the first where they ask none of them or cannot be read.

    Replicas on one machine have a socket each, and a repository's hooks ask one of them. What the git user writes into
    the file chooses among the sockets that the operator named, and adds none.
    """
    try:
        said = (repository / FOLDER / "conf").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        said = ""
    return next((socket for socket in sockets if f"socket {socket}\n" in said), sockets[0])


def faults(repository: Path, *, identifier: str, socket: Path | None = None, dispatched: bool = False) -> list[str]:
    """Return everything that keeps the hooks from being obeyed; an empty list is the only good answer.

    `socket` is where the service listens, for who knows it.
    """
    found = []
    home = repository / FOLDER
    for path, text in hooks(repository, dispatched=dispatched).items():
        if not path.is_file():
            found.append(f"{path} is missing: pushes are not checked")
        elif not os.access(path, os.X_OK):
            found.append(f"{path} is not executable: git skips it and lets everything through")
        elif path.read_bytes() != text:
            found.append(f"{path} is not the hook that this version installs")
    for name, text in modules().items():
        path = home / "hook" / MODULES / name
        if not path.is_file() or path.read_bytes() != text:
            found.append(f"{path} is not the module that this version installs")
    conf = home / "conf"
    said = conf.read_text(encoding="utf-8") if conf.is_file() else ""
    if f"repository {identifier}\n" not in said:
        found.append(f"{conf} does not name this repository ({identifier})")
    elif socket and f"socket {socket}\n" not in said:
        found.append(f"{conf} does not name the socket that the service listens at ({socket})")
    dispatchers = [repository / "hooks" / name for name in DISPATCHED] if dispatched else []
    found += [f"{path} of the host is not there: it runs ours" for path in dispatchers if not os.access(path, os.X_OK)]
    return found + _config_faults(repository, _config(dispatched=dispatched))


def remove(repository: Path, *, dispatched: bool = False) -> list[str]:
    """Take our hooks and folder away, as the git user; return what stays because it is not ours.

    Settings stay: they do no harm.

    Raises:
        SettingsError: We may not become the git user.
    """
    ours = hooks(repository, dispatched=dispatched)
    kept = [str(path) for path, text in ours.items() if path.exists() and path.read_bytes() != text]
    as_owner(repository, lambda: _remove(repository, [path for path in ours if str(path) not in kept]))
    return kept


def _remove(repository: Path, hooks: Iterable[Path]) -> None:
    for path in hooks:
        path.unlink(missing_ok=True)
    shutil.rmtree(repository / FOLDER, ignore_errors=True)


def _config(*, dispatched: bool) -> dict[str, str]:
    return {name: value for name, value in CONFIG.items() if not (dispatched and name == REVIEW_SETTING)}


def _config_faults(repository: Path, values: Mapping[str, str]) -> list[str]:
    actual = git.config(repository)
    found = [
        f"git config {name} is {actual.get(name.lower(), 'unset')}, expected {value}"
        for name, value in values.items()
        if actual.get(name.lower()) != value
    ]
    if "core.hookspath" in actual:
        found.append(f"core.hooksPath is set to {actual['core.hookspath']}: our hooks are not run")
    if actual.get("extensions.refstorage", "files") != "files":
        found.append("the repository keeps its refs in another format than files")
    return found


def hooks(repository: Path, *, dispatched: bool) -> dict[Path, bytes]:
    """Return every hook by where it goes, filled in for this repository."""
    shipped, folder = resources.folder("hooks"), repository / "hooks"
    ours = [name for name in HOOKS if not (dispatched and name == REVIEW_HOOK)]
    places = {
        name: folder / f"{name}.d" / FOLDER if dispatched and name in DISPATCHED else folder / name for name in ours
    }
    home = repository / FOLDER
    return {place: _filled((shipped / name).read_text(encoding="utf-8"), home) for name, place in places.items()}


def _filled(template: str, home: Path) -> bytes:
    return template.replace("@PYTHON@", interpreter()).replace("@HOME@", str(home)).encode()


def modules() -> dict[str, bytes]:
    """Return what the hook runs, by file name."""
    return {path.name: path.read_bytes() for path in sorted((resources.folder("hooks") / MODULES).glob("*.py"))}


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace a file at once: a push under way reads the old one or the new one."""
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(path)
