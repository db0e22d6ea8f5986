"""Install the hooks in a repository, and check that they are still what we installed.

A hook without its executable bit is skipped by git and the push succeeds: that is checked first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from governance.adapters import git, resources
from governance.errors import SettingsError

HOOKS = ("pre-receive", "proc-receive", "reference-transaction", "post-receive")
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
    "receive.procReceiveRefs": "refs/for",
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


def install(repository: Path, *, identifier: str, socket: Path) -> None:
    """Write hooks, modules, configuration and the folders they use. Safe to repeat.

    The folder `twinseal/` belongs to the git user; the service reads its spool.
    """
    home = repository / FOLDER
    for path in (str(home), interpreter()):
        if not PLAIN_PATH.fullmatch(path):
            raise SettingsError(f"{path!r}: a path that goes into a hook has only letters, digits and ._+/-")
    (home / "reservations").mkdir(parents=True, exist_ok=True)
    (home / "hook" / MODULES).mkdir(parents=True, exist_ok=True)
    (home / "applied").touch()
    for name, text in _modules().items():
        _write(home / "hook" / MODULES / name, text, mode=0o644)
    conf = f"repository {identifier}\nsocket {socket}\ngit {git.program()}\n"
    _write(home / "conf", conf.encode(), mode=0o644)
    (repository / "hooks").mkdir(exist_ok=True)
    for name, text in _hooks(home).items():
        _write(repository / "hooks" / name, text, mode=0o755)
    git.set_config(repository, CONFIG)
    compiled = [interpreter(), "-IS", "-m", "compileall", "-q", str(home / "hook")]
    subprocess.run(compiled, check=True, capture_output=True)


def faults(repository: Path, *, identifier: str) -> list[str]:
    """Return everything that keeps the hooks from being obeyed; an empty list is the only good answer."""
    found = []
    home = repository / FOLDER
    for name, text in _hooks(home).items():
        path = repository / "hooks" / name
        if not path.is_file():
            found.append(f"{path} is missing: pushes are not checked")
        elif not os.access(path, os.X_OK):
            found.append(f"{path} is not executable: git skips it and lets everything through")
        elif path.read_bytes() != text:
            found.append(f"{path} is not the hook that this version installs")
    for name, text in _modules().items():
        path = home / "hook" / MODULES / name
        if not path.is_file() or path.read_bytes() != text:
            found.append(f"{path} is not the module that this version installs")
    conf = home / "conf"
    if not conf.is_file() or f"repository {identifier}\n" not in conf.read_text(encoding="utf-8"):
        found.append(f"{conf} does not name this repository ({identifier})")
    return found + _config_faults(repository)


def _config_faults(repository: Path) -> list[str]:
    actual = git.config(repository)
    found = [
        f"git config {name} is {actual.get(name.lower(), 'unset')}, expected {value}"
        for name, value in CONFIG.items()
        if actual.get(name.lower()) != value
    ]
    if "core.hookspath" in actual:
        found.append(f"core.hooksPath is set to {actual['core.hookspath']}: our hooks are not run")
    if actual.get("extensions.refstorage", "files") != "files":
        found.append("the repository keeps its refs in another format than files")
    return found


def _hooks(home: Path) -> dict[str, bytes]:
    shipped = resources.folder("hooks")
    return {name: _filled((shipped / name).read_text(encoding="utf-8"), home) for name in HOOKS}


def _filled(template: str, home: Path) -> bytes:
    return template.replace("@PYTHON@", interpreter()).replace("@HOME@", str(home)).encode()


def _modules() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((resources.folder("hooks") / MODULES).glob("*.py"))}


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace a file at once: a push under way reads the old one or the new one."""
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(path)
