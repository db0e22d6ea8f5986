"""`repo`, `hooks`, `change`, `sign-off`, `thaw`: what is governed, what is under review, who has said what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli import repositories, stops
from governance.entrypoints.cli.options import AsJson, Repo, group
from governance.entrypoints.cli.repositories import Advisory, HostName, Mode, Wanted, one

STATES = ("open", "landed", "abandoned", "all")
UNDERWAY = frozenset({"queued", "landing"})
"""What `change list` says of an open change instead, where it has been asked to land."""


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    repo = group(app, "repo", "Put bare repositories under governance.")
    repo.command("add")(add)
    repo.command("list")(list_)
    repositories.add_to(repo)
    hooks = group(app, "hooks", "Install and check the hooks of a governed repository.")
    hooks.command("install")(install)
    hooks.command("check")(check)
    change = group(app, "change", "Look at what is under review.")
    change.command("list")(list_changes)
    change.command("show")(show)
    change.command("diff")(diff)
    app.command("sign-off")(sign_off)
    app.command("thaw")(thaw)


def add(
    name: str,
    path: Annotated[Path | None, typer.Argument(help="Left out, to change the mode of one that is governed.")] = None,
    host: HostName = "front",
    advisory: Advisory = False,
    mode: Wanted = None,
    as_json: AsJson = False,
) -> None:
    """Register an empty bare repository and install its hooks; without PATH, change the mode of a governed one."""
    from governance.adapters import as_owner, git
    from governance.entrypoints import acting, terminal
    from governance.errors import RequestError

    if path is None:
        if mode is None:
            raise typer.BadParameter("name the PATH of an empty bare repository, or a --mode for a governed one")
        said: dict[str, Any] = {"repository": name, "mode": mode.value}
        answer = acting.act("repository.mode", f"/repositories/{name}/mode", said)
        terminal.emit(answer) if as_json else repositories.changed(answer)
        return
    where = path.resolve()
    if not git.is_bare(where):
        mend = f"git init --bare {path}"
        raise RequestError(f"{path} is not a bare repository", code="repository.not_bare", mend=mend)
    if git.refs(where):
        mend = f"twinseal repo adopt {name} {path}"
        raise RequestError(f"{path} has a history already", code="repository.not_empty", mend=mend)
    as_owner.check(where)  # Before it is registered: a repository without hooks is worse than none.
    said = {"name": name, "path": str(where), "advisory": advisory, "host": host, "mode": mode or Mode.ENFORCE}
    repositories.governed(acting.act("repository.add", "/repositories", said), as_json=as_json)


def list_(as_json: AsJson = False) -> None:
    """List governed repositories."""
    from governance.entrypoints import acting, terminal

    items = acting.client().get("/repositories")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(r["name"], r["host"], repositories.standing(r), r["path"]) for r in items]
    terminal.table(
        ("name", "host", "", "path"), rows, empty="no repository is governed yet: twinseal repo add NAME PATH"
    )


def install(name: str, as_json: AsJson = False) -> None:
    """Install the hooks again, after an upgrade. Run as root or as the git user."""
    from governance.adapters import hook_files, settings
    from governance.entrypoints import terminal
    from governance.hosts import HOSTS

    found = one(name)
    hook_files.install(
        Path(found["path"]),
        identifier=found["id"],
        socket=settings.load().socket,
        dispatched=HOSTS[found["host"]].dispatched,
    )
    terminal.emit(found) if as_json else terminal.done(f"hooks of {name} installed")


def check(name: str, as_json: AsJson = False) -> None:
    """Check that the hooks are in force; exit 1 if anything keeps them from being obeyed."""
    from governance.adapters import hook_files
    from governance.entrypoints import terminal
    from governance.hosts import HOSTS

    found = one(name)
    dispatched = HOSTS[found["host"]].dispatched
    faults = hook_files.faults(Path(found["path"]), identifier=found["id"], dispatched=dispatched)
    if as_json:
        terminal.emit({"repository": name, "faults": faults})
    elif not faults:
        terminal.done(f"the hooks of {name} are in force")
    for fault in () if as_json else faults:
        terminal.failed(fault, code="hooks.fault", mend=f"twinseal hooks install {name}", as_json=False)
    raise typer.Exit(1 if faults else 0)


def list_changes(
    repo: Repo = "",
    state: Annotated[str, typer.Option(help="open, landed, abandoned or all.")] = "open",
    as_json: AsJson = False,
) -> None:
    """List changes under review."""
    from governance.entrypoints import acting, terminal

    if state not in STATES:
        raise typer.BadParameter(f"a state is one of {', '.join(STATES)}", param_hint="--state")
    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/changes?state={state}")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            c["number"],
            c["landing"]["state"] if c["state"] == "open" and c["landing"]["state"] in UNDERWAY else c["state"],
            c["author"],
            c["title"],
            f"{c['about'].get('units', 0)} in {c['about'].get('files', 0)}",
        )
        for c in items
    ]
    terminal.table(("#", "state", "author", "title", "units in files"), rows, empty=f"no {state} changes in {name}")


def show(number: int, repo: Repo = "", as_json: AsJson = False) -> None:
    """Show one change and its sign-offs."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    change = acting.client(name).get(f"/repositories/{name}/changes/{number}")
    if as_json:
        terminal.emit(change)
        return
    about = change["about"]
    terminal.say(f"change {number}, patch set {change['patch_set']}: {change['title']}", style="bold")
    terminal.pairs(
        {
            "state": _state(change),
            "author": change["author"],
            "contributors": ", ".join(about["contributors"]),
            "from → to": f"{change['ref']} → {change['target']}",
            "head": change["head"],
            "base": change["base"] or "nothing",
            "size": f"{about['units']} units, {about['lines']} lines in {about['files']} files",
            "asks for": "\n".join(f"two approvers: {r}" for r in about["reasons"]) or "nothing: below the threshold",
            "diff digest": change["diff_digest"],
            **({"clears": _clears(change["debt"])} if change["debt"] else {}),
        }
    )
    rows = [(s["principal"], s["verdict"], _standing(s), s["seq"]) for s in change["sign_offs"]]
    terminal.table(("sign-off by", "answer", "standing", "entry"), rows, empty="no sign-offs yet")


def _clears(debt: dict[str, Any]) -> str:
    """Say which unreviewed debt two sign-offs given now would clear."""
    from governance.entrypoints import terminal

    size = (
        f"{debt['units']} units in {debt['files']} files, landed unreviewed since {terminal.when(debt['since'])[:10]}"
    )
    paths = [f"{path} ({units})" for path, units in debt["paths"]]
    more = debt["files"] - len(paths)
    return "\n".join([size, *paths, *([f"and {more} more: twinseal debt show"] if more else [])])


def _state(change: dict[str, Any]) -> str:
    landing = change["landing"]
    if change["state"] != "open" or not landing["state"]:
        return str(change["state"])
    said = f"; {landing['message']} ({landing['code']})" if landing["state"] == "refused" else ""
    return f"open; landing asked by {landing['asked_by']}: {landing['state']}{said}"


def _standing(given: dict[str, Any]) -> str:
    if given["withdrawn"]:
        return "withdrawn"
    if given["settled"]:
        return f"set aside by the decision of entry {given['settled']}"
    if given["spent"]:
        return "used by a landing"
    return "counts, if its giver may" if given["current"] else "of another patch set or policy"


def diff(number: int, repo: Repo = "", as_json: AsJson = False) -> None:
    """Print the patch of a change's current patch set."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    found = acting.client(name).get(f"/repositories/{name}/changes/{number}/diff")
    terminal.emit(found) if as_json else terminal.say(found["diff"].replace("\t", "        "))


def sign_off(
    change: int,
    approve: Annotated[bool, typer.Option("--approve", help="It may land.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="It may not.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what you said.")] = False,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Sign off exactly the patch set shown: approve, reject, or withdraw."""
    from governance.entrypoints import acting, terminal

    if approve + reject + withdraw != 1:
        raise typer.BadParameter("say one of --approve, --reject, --withdraw")
    name = acting.chosen(repo)
    path = f"/repositories/{name}/sign-offs"
    if withdraw:
        answer = acting.act("sign_off.withdraw", path, {"change": change, "repository": name}, repository=name)
    else:
        shown = acting.client(name).get(f"/repositories/{name}/changes/{change}")
        verdict = "approve" if approve else "reject"
        if approve and shown["debt"] and not as_json:
            terminal.pairs({"with it also": _clears(shown["debt"])})
        answer = acting.act("sign_off", path, {"verdict": verdict, "binding": shown["binding"]}, repository=name)
        answer["head"] = shown["head"]
    if as_json:
        terminal.emit(answer)
        return
    word = {"approve": "approved", "reject": "rejected", "withdraw": "took back the sign-off of"}[answer["verdict"]]
    until = f", until {terminal.when(answer['expires_at'])} UTC" if "expires_at" in answer else ""
    head = f" at {answer['head'][:12]}" if "head" in answer else ""
    terminal.done(f"{answer['by']} {word} change {change}{head}{until} (entry {answer['entry']})")


def thaw(
    remediation: Annotated[str, typer.Option(help="What was found and what was done about it; recorded.")],
    repo: Annotated[str, typer.Argument(help="A repository whose refs moved behind our back.")] = "",
    freeze: Annotated[
        int, typer.Option(help="Any other freeze, by its number: twinseal freeze list.", show_default=False)
    ] = -1,
    yes: Annotated[bool, typer.Option("--yes", help="Take the refs as they are without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lift a freeze; of a repository whose refs drifted, taking them as they are now. Owner only."""
    from governance.entrypoints import acting, terminal

    if bool(repo) == (freeze >= 0):
        raise typer.BadParameter("name a repository, or --freeze NUMBER")
    if not repo:
        answer = stops.thaw_by_number(freeze, remediation)
        terminal.emit(answer) if as_json else terminal.done(f"freeze {freeze} is lifted (entry {answer['entry']})")
        return
    shown = acting.client().get(f"/repositories/{repo}/drift")
    rows = shown["items"]
    if not as_json:
        cells = [(r["ref"], r["recorded"][:12] or "none", r["found"][:12] or "none") for r in rows]
        terminal.table(("ref", "recorded", "found"), cells, empty="every ref is as recorded")
    if rows and not yes:
        terminal.confirm("Record these as they are now?")
    refs = {row["ref"]: row["found"] for row in rows}
    said = {"repository": repo, "freeze": shown["freeze"], "remediation": remediation, "refs": refs}
    answer = acting.act("thaw", f"/repositories/{repo}/thaw", said)
    terminal.emit(answer) if as_json else terminal.done(f"{repo} is thawed (entry {answer['entry']})")
