"""A push, as the hook sees it: read the lines, ask, gather, ask again, leave the reservation, say why."""

import posix

from . import Refused, Undecided
from .processes import SERVE, VALUES, WALK, Git, receive_pack, started
from .wire import Service, parse_answer, parse_lines, parse_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .gather import Update
    from .wire import Json

ALLOWED, REFUSED, UNDECIDED = 0, 1, 3

LINES = 1 << 20
"""Bytes of ref lines read."""

MANY = 40
"""Commits from which on they are sent ahead of the facts; the service judges one such push at a time."""

REFS = 100
"""Refs in a push."""

HOST = (
    b"REMOTE_USER",
    b"TWINSEAL_USER",
    b"GL_USER",
    b"GL_REPO",
    b"GITEA_PUSHER_NAME",
    b"GITEA_REPO_USER_NAME",
    b"GITEA_REPO_NAME",
)
"""All that is passed on of who pushes, by the name the host gave it. The service knows which one counts here, if any.
Nothing else of the environment leaves this process: servers put passwords into it."""

_PIECE = 1 << 16


def main(home: str) -> int:
    """Judge the push on standard input for the repository that holds ``home``; return the hook's exit code."""
    git = None
    try:
        conf = settings(home)
        repository = _repository(home)
        updates = _read_updates()
        git = Git(conf["git"], repository, inherited=posix.environ)
        if any(ref.startswith("refs/for/") for _, _, ref in updates):
            _ready_for_review(conf, git, repository)
        return _receive(home, conf, git, updates)
    except Refused as answer:
        tell(f"twinseal: {answer}")
        _have_recorded(home, answer)
        return REFUSED
    except Undecided as failure:
        tell(undecided(str(failure)))
        return UNDECIDED
    finally:
        if git:
            git.stop()


def _receive(home: str, conf: dict[str, str], git: Git, updates: "Sequence[Update]") -> int:
    parent = posix.getppid()
    pusher = receive_pack(parent) if conf.get("dispatched") == "yes" else parent
    start = started(pusher)
    with Service(conf["socket"]) as service:
        service.send(_hello(conf["repository"], updates, pid=pusher, start=start))
        # While the service thinks, git starts, and what it takes to gather is imported.
        known = [ref for _, _, ref in updates if ref.startswith("refs/")]
        values = git.start(*VALUES, *known) if known else None  # Without a pattern it would list them all.
        early = values, git.start(*SERVE), git.start(*WALK)
        from .gather import gather

        text = _hear(service)
        if text.startswith("plan\n"):
            plan = parse_plan(text, count=len(updates))
            service.send(gather(git, updates, plan, early=early, ahead=lambda raws: _ahead(service, raws)))
            text = _hear(service)
    code, reserved, told = parse_answer(text)
    if code == ALLOWED:
        if posix.getppid() != parent:
            raise Undecided("git receive-pack ended before the push was decided")
        _reserve(f"{home}/reservations", f"{pusher}-{start}", reserved)
    tell(told)
    return code


def _have_recorded(home: str, refusal: Refused) -> None:
    """Have written down what we refuse by ourselves, if somebody answers: attempts are not free of traces."""
    try:
        conf, parent = settings(home), posix.getppid()
        hello = _hello(conf["repository"], (), pid=parent, start=started(parent))
        with Service(conf["socket"]) as service:
            service.send({**hello, "kind": "refusal", "code": refusal.code, "said": refusal.what})
            _, _, told = parse_answer(service.receive())
        tell(told.rstrip("\n").rpartition("\n")[2])
    except Undecided:
        return  # It is refused all the same.


def _ahead(service: Service, raws: "Sequence[bytes]") -> None:
    """Send the commits of a large push ahead: their signatures are verified while trees are compared here."""
    if len(raws) >= MANY:
        service.send({"v": 1, "kind": "commits", "raw": [raw.decode("latin-1") for raw in raws]})


def _ready_for_review(conf: dict[str, str], git: Git, repository: str) -> None:
    """Refuse what is pushed for review unless our proc-receive is seen to be there and to be asked.

    Without it git would create the ref as it stands. The transaction hook refuses that too, but then receive-pack dies
    in the middle of its answer, and a client over HTTP waits for the rest.
    """
    if conf.get("dispatched") == "yes":
        mend = "push to a topic branch: git push origin HEAD:refs/heads/topic/<name>"
        raise Refused("push.no_review_refs", "refs/for/ belongs to the host of this repository", mend)
    code, values = git.start("config", "--get-all", "receive.procReceiveRefs").finish()
    if code or b"refs/for" not in values.split() or not posix.access(f"{repository}/hooks/proc-receive", posix.X_OK):
        raise Undecided("refs/for/ is pushed to, and the hook proc-receive or its setting is missing")


def _hear(service: Service) -> str:
    """Pass on what the service says meanwhile; return the first frame that is not talk."""
    while (text := service.receive()).startswith("say\n"):
        tell(text[4:])
    return text


def _hello(repository: str, updates: "Sequence[Update]", *, pid: int, start: int) -> "dict[str, Json]":
    options = range(int(posix.environ.get(b"GIT_PUSH_OPTION_COUNT", b"0")))
    return {
        "v": 1,
        "kind": "hello",
        "repository": repository,
        "session": posix.environ.get(b"TWINSEAL_SESSION", b"").decode("latin-1"),
        "lines": [" ".join(update) for update in updates],
        "options": [posix.environ.get(b"GIT_PUSH_OPTION_%d" % each, b"").decode("latin-1") for each in options],
        "pid": pid,
        "start": start,
        "host": {name.decode(): posix.environ[name].decode("latin-1") for name in HOST if name in posix.environ},
    }


def settings(home: str) -> dict[str, str]:
    """Read ``key value`` lines."""
    path = f"{home}/conf"
    try:
        with open(path, encoding="utf-8") as lines:
            conf = dict(line.rstrip("\n").split(" ", 1) for line in lines)
    except (OSError, ValueError) as error:
        raise Undecided(f"the hook's settings cannot be read from {path}: {error}") from error
    missing = [key for key in ("repository", "socket", "git") if not conf.get(key)]
    if missing:
        raise Undecided(f"the hook's settings in {path} lack {', '.join(missing)}")
    if not conf["git"].startswith("/"):
        raise Undecided(f"the hook's settings in {path} name git as {conf['git']}, expected an absolute path")
    return conf


def _repository(home: str) -> str:
    """Return the repository around ``home``, once it is seen to be the one pushed to."""
    repository = home.rpartition("/")[0]
    ours, pushed = posix.stat(repository), posix.stat(posix.environ.get(b"GIT_DIR", b"."))
    if (ours.st_dev, ours.st_ino) != (pushed.st_dev, pushed.st_ino):
        raise Undecided(f"this hook belongs to {repository}, and the push goes elsewhere")
    return repository


def _read_updates() -> "Sequence[Update]":
    data = b""
    while piece := posix.read(0, _PIECE):
        data += piece
        if len(data) > LINES:
            break
    if len(data) > LINES or data.count(b"\n") > REFS:
        raise Refused("push.too_many_refs", f"this push names more than {REFS} refs", "push fewer refs at a time")
    try:
        return parse_lines(data)
    except ValueError as error:
        raise Refused("push.malformed_lines", f"the ref updates cannot be read: {error}", "push with git") from error


def _reserve(directory: str, name: str, lines: "Sequence[str]") -> None:
    """Write the reservation in one step: the transaction hook reads it as soon as it is there."""
    draft = f"{directory}/.{name}"
    data = "".join([f"{line}\n" for line in lines]).encode("latin-1")
    try:
        descriptor = posix.open(draft, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o640)
        try:
            if posix.write(descriptor, data) != len(data):
                raise Undecided("the reservation could not be written: the disk is full")
        finally:
            posix.close(descriptor)
        posix.rename(draft, f"{directory}/{name}")
    except OSError as error:
        raise Undecided(f"the reservation could not be written: {error}") from error


def undecided(what: str) -> str:
    """Say that nothing was decided."""
    return (
        "twinseal: could not decide, so nothing was changed\n"
        f"  what: {what}\n"
        "  next: push again; if that does not help, ask the operator to look at `twinseal doctor`\n"
    )


def tell(text: str) -> None:
    """Show text to the pusher, with whatever could move a cursor or turn the writing round made visible."""
    lines = text.removesuffix("\n").split("\n")
    shown = "\n".join([line if line.isprintable() else _visible(line) for line in lines]) + "\n"
    data = shown.encode("utf-8", "backslashreplace")
    while text and data:
        data = data[posix.write(2, data) :]


def _visible(line: str) -> str:
    return "".join([each if each.isprintable() else _escaped(ord(each)) for each in line])


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - widths of an escape
