"""`repo adopt|check|maintain|remove`: the life of a repository that has a history."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson

if TYPE_CHECKING:
    from governance.baseline import Baseline


class Mode(StrEnum):
    """What becomes of a refusal."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


HOST = typer.Option("--host", help="Which server names the pushers: front, http, ssh, gitolite, gitea, forgejo, file.")
HostName = Annotated[str, HOST]
Advisory = Annotated[bool, typer.Option(help="Record, though a principal's own uid owns the files.")]
Wanted = Annotated[Mode | None, typer.Option("--mode", help="observe: decide and record, refuse nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(repo: typer.Typer) -> None:
    """Add these commands."""
    repo.command("adopt")(adopt)
    repo.command("check")(check)
    repo.command("maintain")(maintain)
    repo.command("remove")(remove)


def one(name: str) -> dict[str, Any]:
    """Return a governed repository by name."""
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    for found in acting.client().get("/repositories")["items"]:
        if found["name"] == name:
            return dict(found)
    raise NotFoundError(f"no repository is called {name!r} here", mend="twinseal repo list")


def standing(repository: dict[str, Any]) -> str:
    """Return how far the rules hold in a repository."""
    from governance.hosts import HOSTS

    if repository["mode"] == Mode.OBSERVE:
        return "observed, NOT ENFORCED"
    return "advisory, NOT ENFORCED" if repository["advisory"] else HOSTS[repository["host"]].level.value


def governed(answer: dict[str, Any], *, as_json: bool) -> None:
    """Install the hooks of what was just registered, have them checked, and say how it stands."""
    from governance.adapters import hook_files
    from governance.entrypoints import acting, terminal
    from governance.hosts import HOSTS, Level

    name, where, host = answer["name"], Path(answer["path"]), HOSTS[answer["host"]]
    hook_files.install(where, identifier=answer["id"], socket=Path(answer["socket"]), dispatched=host.dispatched)
    acting.client().post(f"/repositories/{name}/check", {})
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{name} is governed (entry {answer['entry']}); hooks installed in {where / 'hooks'}")
    if host.level is not Level.ENFORCED:
        terminal.say(f"  host {host.name}: decided and recorded, not enforced", style="yellow")
    if not answer["separated"]:
        terminal.say("  not separated: the service's own user owns its files", style="yellow")
    if answer["advisory"]:
        terminal.say("  advisory: recorded, not enforced", style="yellow")
    if answer["mode"] == Mode.OBSERVE:
        terminal.say(f"  observed: nothing is enforced until: twinseal repo add {name} --mode enforce", style="yellow")


def changed(answer: dict[str, Any]) -> None:
    """Say what a change of mode means."""
    from governance.entrypoints import terminal

    name = answer["name"]
    terminal.done(f"{name} is in mode {answer['mode']} (entry {answer['entry']})")
    if answer["unreviewed"]:
        said = f"  {answer['unreviewed']} refs moved before without being allowed to: twinseal repo check {name}"
        terminal.say(said, style="yellow")


def adopt(
    name: str,
    path: Path,
    host: Annotated[str | None, HOST] = None,
    also: Annotated[list[str] | None, typer.Option(help="Also take the refs below this, such as refs/notes/.")] = None,
    reason: Annotated[str, typer.Option(help="Why a governed repository is taken as it is now; recorded.")] = "",
    advisory: Advisory = False,
    mode: Wanted = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take over a repository with its history; its owner signs what it holds. Again, after an import past the hooks."""
    from governance import baseline
    from governance.adapters import as_owner, git, histories
    from governance.entrypoints import acting, terminal
    from governance.errors import RequestError

    where = path.resolve()
    if not git.is_bare(where):
        mend = f"git clone --mirror {path} {path}.git"
        raise RequestError(f"{path} is not a bare repository", code="repository.not_bare", mend=mend)
    found = histories.baseline(where)
    known = {tip.ref: tip.oid for tip in found.tips if tip.ref.startswith(baseline.OURS)}
    baseline.check(found, also=also or (), recorded=known)  # The service knows which pins are ours; here, any may be.
    histories.connected(where)
    as_owner.check(where)  # Before it is registered: a repository without hooks is worse than none.
    if not as_json:
        _show(found)
    if not yes:
        terminal.confirm("Take this as reviewed, without signatures or sign-offs?")
    said: dict[str, Any] = {
        "name": name,
        "path": str(where),
        "baseline": found.summary(),
        "also": also or [],
        "reason": reason,
    }
    said |= {"advisory": advisory} | ({"mode": mode.value} if mode else {}) | ({"host": host} if host else {})
    governed(acting.act("repository.adopt", "/repositories/adoption", said), as_json=as_json)


def _show(found: Baseline) -> None:
    from governance.entrypoints import terminal

    heads = sum(tip.ref.startswith("refs/heads/") for tip in found.tips)
    tags = sum(tip.ref.startswith("refs/tags/") for tip in found.tips)
    other = len(found.tips) - heads - tags
    terminal.pairs(
        {
            "commits": str(found.commits),
            "refs": f"{heads} branches, {tags} tags" + (f", {other} others" if other else ""),
            "HEAD": found.head,
            "digest": found.digest,
        }
    )


def check(name: str, as_json: AsJson = False) -> None:
    """Compare refs, hooks and configuration with what is recorded; exit 1 if anything is not right."""
    from governance.entrypoints import acting, terminal

    found = acting.client().post(f"/repositories/{name}/check", {})
    bad = bool(found["faults"] or found["drift"] or found["freezes"])
    if as_json:
        terminal.emit(found)
        raise typer.Exit(1 if bad else 0)
    for fault in found["faults"]:
        terminal.failed(fault, code="hooks.fault", mend=f"twinseal hooks install {name}", as_json=False)
    for line in found["drift"]:
        said = f"{line['ref']} is {line['found'][:12] or 'gone'}; recorded is {line['recorded'][:12] or 'nothing'}"
        terminal.failed(said, code="refs.drifted", mend="", as_json=False)
    for freeze in found["freezes"]:
        said = f"frozen since entry {freeze['seq']}: {freeze['reason']}"
        terminal.failed(said, code="freeze.in_force", mend=freeze["mend"], as_json=False)
    _unreviewed([line for line in found["lapses"] if line["state"] != "frozen"])
    if not bad:
        terminal.done(f"{name}: refs, hooks and configuration are as recorded")
    if found["mode"] == Mode.OBSERVE or found["advisory"]:
        terminal.say(f"  {standing(found)}", style="yellow")
    raise typer.Exit(1 if bad else 0)


def _unreviewed(lines: list[dict[str, Any]]) -> None:
    from governance.entrypoints import terminal

    if not lines:
        return
    terminal.say("moved without being allowed to, and unreviewed:", style="yellow")
    why = {"unreviewed": "behind our back", "observed": "let through"}
    rows = [
        (
            line["ref"],
            _short(line["recorded"]) or "none",
            _short(line["found"]) or "gone",
            why[line["state"]],
            line["seq"],
        )
        for line in lines
    ]
    terminal.table(("ref", "was", "became", "how", "entry"), rows, empty="")


def _short(oid: str) -> str:
    return oid[:12] if oid.strip("0") else ""


def maintain(
    target: Annotated[str, typer.Argument(help="A repository's name, or its path where no seat is at hand.")],
    as_json: AsJson = False,
) -> None:
    """Pack refs and objects under a reservation, and compare every ref afterwards. Run as the git user."""
    from governance.adapters import upkeep
    from governance.entrypoints import terminal

    where = Path(target).resolve()
    if "/" not in target:
        where = Path(one(target)["path"])
    found = upkeep.maintain(where)
    if as_json:
        terminal.emit(found)
    elif found["ok"]:
        sizes = f"{found['before'] // 1024} KiB, now {found['after'] // 1024} KiB"
        terminal.done(f"{target}: packed, every ref as before; {sizes} (entry {found['entry']})")
    else:
        said = found["said"] or f"{found['drifted']} refs are not as recorded"
        terminal.failed(said, code="maintain.failed", mend=f"twinseal repo check {target}", as_json=False)
    raise typer.Exit(0 if found["ok"] else 1)


def remove(
    name: str,
    reason: Annotated[str, typer.Option(help="Why it is governed no more; recorded.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End the governance of a repository: tokens end, hooks go, records stay; its name is not used again."""
    from governance.adapters import as_owner, hook_files
    from governance.entrypoints import acting, terminal
    from governance.hosts import HOSTS

    as_owner.check(Path(one(name)["path"]))
    if not yes:
        terminal.confirm(f"From now on nothing checks pushes to {name}. Go on?")
    said = {"repository": name, "reason": reason}
    answer = acting.act("repository.remove", f"/repositories/{name}/removal", said)
    dispatched = HOSTS[answer["host"]].dispatched
    answer["left"] = hook_files.remove(Path(answer["path"]), dispatched=dispatched)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{name} is governed no more (entry {answer['entry']}); {answer['tokens_ended']} tokens ended")
    for path in answer["left"]:
        terminal.say(f"  left, because it is not ours: {path}", style="yellow")
