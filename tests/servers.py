"""Real servers on loopback, each from its recipe in deploy/, in front of the separated git user's repositories."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from governance.adapters import git
from playing import ENVIRONMENT, Member, free_port
from separated import ROOT, Hosted, Separated, own

PATIENCE_S = 20
PASSWORD = "correct-horse-battery"
STRANGER = "mallory"
"""Somebody the server knows and the service does not."""
MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "alias", "env", "cgid")
NGINX = """daemon off; worker_processes 1; user www-data; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp-body; fastcgi_temp_path {folder}/tmp-fcgi; proxy_temp_path {folder}/tmp-proxy;
  uwsgi_temp_path {folder}/tmp-uwsgi; scgi_temp_path {folder}/tmp-scgi;
  server {{ listen 127.0.0.1:{port}; include {recipe}; }}
}}
"""
APACHE = """ServerName 127.0.0.1
ServerRoot {folder}
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
User {user}
Group {user}
ErrorLog {folder}/apache.log
{modules}
ScriptSock {folder}/cgid.sock
Include {recipe}
"""
LIGHTTPD = """server.document-root = "{folder}"
server.port = {port}
server.bind = "127.0.0.1"
server.username = "{user}"
server.groupname = "{user}"
include "{recipe}"
"""
SSHD = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
"""


@contextmanager
def running(command: list[str], port: int, log: Path, **more: object) -> Iterator[None]:
    """Keep a server running, once it listens."""
    with log.open("ab") as said:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **more)  # type: ignore[call-overload]
    try:
        until = time.monotonic() + PATIENCE_S
        while server.poll() is None and time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"{command[0]} does not listen: {log.read_text(errors='replace')}")
        yield
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def recipe(ground: Separated, folder: Path, name: str, **places: object) -> Path:
    """Write a recipe of deploy/ with this ground's places for the documented ones."""
    text = (ROOT / "deploy" / name).read_text()
    documented = {
        "/usr/local/lib/twinseal": ground.lib,
        "/srv/git": ground.root,
        "/etc/twinseal/git-users": folder / "users",
        "/etc/twinseal/authorized_keys": folder / "keys",
        "/run/twinseal-git/fcgi.sock": folder / "fcgi.sock",
        "Match User git": f"Match User {ground.git_user.pw_name}",
    }
    for old, new in documented.items():
        text = text.replace(old, str(new))
    (folder / name).write_text(text)
    return folder / name


def passwords(ground: Separated, folder: Path) -> None:
    """Let everybody in with a password, and a stranger too."""
    digest = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True).stdout
    names = [*ground.members, STRANGER]
    (folder / "users").write_text("".join(f"{name}:{digest.strip()}\n" for name in names))


@contextmanager
def nginx(ground: Separated, folder: Path) -> Iterator[str]:
    """nginx as www-data, fcgiwrap as the git user."""
    port, who = free_port(), ground.git_user
    passwords(ground, folder)
    settings = folder / "main.conf"
    settings.write_text(NGINX.format(folder=folder, port=port, recipe=recipe(ground, folder, "nginx.conf")))
    own(who, folder)
    wrap = ["fcgiwrap", "-s", f"unix:{folder}/fcgi.sock"]
    with (folder / "fcgi.log").open("wb") as log:
        fcgi = subprocess.Popen(
            wrap, user=who.pw_uid, group=who.pw_gid, extra_groups=[], umask=0, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        command = ["nginx", "-p", str(folder), "-e", f"{folder}/nginx.log", "-c", str(settings)]
        with running(command, port, folder / "out.log"):
            yield f"http://{{name}}:{PASSWORD}@127.0.0.1:{port}/{{repository}}.git"
    finally:
        fcgi.terminate()
        fcgi.wait(PATIENCE_S)


@contextmanager
def apache(ground: Separated, folder: Path) -> Iterator[str]:
    """apache2 with mod_cgid, as the git user."""
    port = free_port()
    passwords(ground, folder)
    loaded = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
    values = {"folder": folder, "port": port, "user": ground.git_user.pw_name, "modules": loaded}
    settings = folder / "main.conf"
    settings.write_text(APACHE.format(**values, recipe=recipe(ground, folder, "apache.conf")))
    own(ground.git_user, folder)
    with running(["apache2", "-f", str(settings), "-DFOREGROUND"], port, folder / "out.log"):
        yield f"http://{{name}}:{PASSWORD}@127.0.0.1:{port}/{{repository}}.git"


@contextmanager
def lighttpd(ground: Separated, folder: Path) -> Iterator[str]:
    """Lighttpd with mod_cgi, as the git user."""
    port = free_port()
    passwords(ground, folder)
    settings = folder / "main.conf"
    values = {"folder": folder, "port": port, "user": ground.git_user.pw_name}
    settings.write_text(LIGHTTPD.format(**values, recipe=recipe(ground, folder, "lighttpd.conf")))
    own(ground.git_user, folder)
    with running(["lighttpd", "-D", "-f", str(settings)], port, folder / "out.log"):
        yield f"http://{{name}}:{PASSWORD}@127.0.0.1:{port}/{{repository}}.git"


def ssh_keys(ground: Separated, folder: Path) -> Mapping[str, str]:
    """Make a key for everybody and a stranger; return the public halves."""
    found = {}
    for name in (*ground.members, STRANGER):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
        )
        found[name] = (folder / f"{name}.pub").read_text().strip()
    return found


@contextmanager
def sshd(folder: Path, more: str) -> Iterator[int]:
    """OpenSSH on a port of its own."""
    port = free_port()
    Path("/run/sshd").mkdir(exist_ok=True)  # Where it locks itself in; its own start script makes it.
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host")], check=True)
    (folder / "sshd.conf.main").write_text(SSHD.format(port=port, folder=folder) + more)
    with running(["/usr/sbin/sshd", "-D", "-e", "-f", f"{folder}/sshd.conf.main"], port, folder / "sshd.log"):
        yield port


@contextmanager
def ssh(ground: Separated, folder: Path) -> Iterator[str]:
    """The sshd recipe: forced commands, one key for each principal."""
    lines = [
        f'restrict,command="{ground.lib}/twinseal-git-shell {name} {ground.root}" {public}\n'
        for name, public in ssh_keys(ground, folder).items()
    ]
    (folder / "keys").write_text("".join(lines))
    with sshd(folder, recipe(ground, folder, "sshd.conf").read_text()) as port:
        yield f"ssh://{ground.git_user.pw_name}@127.0.0.1:{port}{ground.root}/{{repository}}.git"


@contextmanager
def gitolite(ground: Separated, folder: Path) -> Iterator[str]:
    """Gitolite as Debian ships it, under the git user, with the one setting that the recipe names."""
    home, keys = Path(ground.git_user.pw_dir), ssh_keys(ground, folder)
    home.mkdir(mode=0o750)
    shutil.copy(folder / "owner.pub", home / "owner.pub")
    own(ground.git_user, home)
    env = {"HOME": str(home), "USER": ground.git_user.pw_name}
    ground.as_git("gitolite", "setup", "-pk", str(home / "owner.pub"), **env)
    settings = home / ".gitolite.rc"
    settings.write_text(settings.read_text().replace("UMASK                           =>  0077", "UMASK => 0027"))
    assert "UMASK => 0027" in settings.read_text()
    for name, public in keys.items():
        (home / ".gitolite" / "keydir" / f"{name}.pub").write_text(public + "\n")
    rules = home / ".gitolite" / "conf" / "gitolite.conf"
    rules.write_text("repo demo\n    RW+ = @all\n")
    own(ground.git_user, home)
    for command in (("compile",), ("trigger", "POST_COMPILE")):
        ground.as_git("gitolite", *command, **env)
    (home / "repositories").chmod(0o750)
    with sshd(folder, f"AuthorizedKeysFile {home}/.ssh/authorized_keys\n") as port:
        yield f"ssh://{ground.git_user.pw_name}@127.0.0.1:{port}/{{repository}}"


@contextmanager
def daemon(ground: Separated, folder: Path) -> Iterator[str]:
    """Git daemon with pushing switched on, which its manual warns of: it knows nobody."""
    port, who = free_port(), ground.git_user
    command = [git.program(), "daemon", "--enable=receive-pack", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    more = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [], "env": ENVIRONMENT}
    own(who, folder)
    with running([*command, f"--base-path={ground.root}", str(ground.root)], port, folder / "out.log", **more):
        yield f"git://127.0.0.1:{port}/{{repository}}.git"


PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "nginx": ("nginx", "fcgiwrap", "openssl"),
    "apache": ("apache2", "openssl"),
    "lighttpd": ("lighttpd", "openssl"),
    "ssh": ("sshd", "ssh-keygen"),
    "gitolite": ("gitolite", "sshd", "ssh-keygen"),
    "daemon": (),
}
HOST = {"nginx": "http", "apache": "http", "lighttpd": "http", "ssh": "ssh", "gitolite": "gitolite", "daemon": "http"}
SERVERS = {"nginx": nginx, "apache": apache, "lighttpd": lighttpd, "ssh": ssh, "gitolite": gitolite, "daemon": daemon}


class Served(Hosted):
    """A repository behind a server; over SSH each member pushes with its own key."""

    keys: Path | None = None

    def start_push(self, by: Member, *refspecs: str, url: str = "", more: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Begin a push, with the pusher's own SSH key where there are keys."""
        if self.keys is not None:
            options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o SendEnv=*"
            self.git(
                "config", "core.sshCommand", f"ssh -F none -i {self.keys}/{by.name} -o IdentitiesOnly=yes {options}"
            )
        return super().start_push(by, *refspecs, url=url, more=more)


@contextmanager
def served(ground: Separated, folder: Path, server: str, name: str) -> Iterator[Served]:
    """Serve a governed repository through a server, with its first commit landed through it."""
    place = ground.play.folder / f"{server}-{name}"
    place.mkdir()
    with ExitStack() as stack:
        address = stack.enter_context(SERVERS[server](ground, place))
        path = Path(ground.git_user.pw_dir) / "repositories" / f"{name}.git" if server == "gitolite" else None
        repository = Served(ground, folder, name=name, host=HOST[server], path=path)
        repository.address = address.replace("{repository}", name)
        repository.keys = place if server in {"ssh", "gitolite"} else None
        yield repository
