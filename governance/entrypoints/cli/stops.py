"""`veto`, `freeze`: stop something, with a reason; see what is stopped. `thaw` is the owner's way back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo

Reason = Annotated[str, typer.Option(help="Why, in ten characters or more; recorded.")]
LIST = "list"
KINDS = "change; gate: WHAT is a feature or feature/STAGE; lock: the number of a lease; decision: its number."


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("veto")(veto)
    app.command("freeze")(freeze)


def veto(
    what: Annotated[str, typer.Argument(help="The number of a change, or: list.")],
    reason: Reason = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take your own veto back.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Lift another's veto. Owner only.")] = False,
    by: Annotated[str, typer.Option(help="Whose veto to lift, where several stand.")] = "",
    kind: Annotated[str, typer.Option(help=KINDS)] = "change",
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Stop one change whatever its sign-offs; withdraw that, or lift it; or list what is vetoed."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    path = f"/repositories/{name}/vetoes"
    if what == LIST:
        _listed(acting.client(name).get(path)["items"], name, as_json=as_json)
        return
    if withdraw and lift:
        raise typer.BadParameter("say one of --withdraw, --lift")
    _why(reason)
    if withdraw or lift:
        number = _one(acting.client(name).get(path)["items"], kind, what, by=by, mine=withdraw)
        how = "withdraw" if withdraw else "lift"
        said: dict[str, Any] = {"repository": name, "veto": number, "how": how, "reason": reason}
        answer = acting.act("veto.lift", f"{path}/{number}/lift", said, repository=name)
        word = "withdrawn" if withdraw else "lifted"
        text = f"the veto of {kind} {what} by {answer['by']} is {word} (entry {answer['entry']})"
    else:
        change = kind == "change"
        head = (
            acting.client(name).get(f"/repositories/{name}/changes/{int(what)}")["head"]
            if _number(what, change)
            else ""
        )
        said = {"repository": name, "kind": kind, "name": what, "head": head, "reason": reason}
        answer = acting.act("veto.cast", path, said, repository=name)
        text = f"{kind} {what} is vetoed by {answer['by']} (entry {answer['entry']}); no sign-off outvotes it"
    terminal.emit(answer) if as_json else terminal.done(text)


def _number(what: str, change: bool) -> bool:
    if change and not what.isdecimal():
        raise typer.BadParameter("name the number of a change, or --kind")
    return change


def _one(items: list[dict[str, Any]], kind: str, name: str, *, by: str, mine: bool) -> int:
    """Return the entry of the one veto that is meant.

    Raises:
        NotFoundError: There is none.
    """
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    whose = acting.seat().need("principal") if mine else by
    found = [v for v in items if (v["kind"], v["name"]) == (kind, name) and whose in {"", v["by"]}]
    if not found:
        raise NotFoundError(f"no such veto of {kind} {name} stands", code="veto.none", mend="twinseal veto list")
    if len(found) > 1:
        raise typer.BadParameter(f"several vetoes stand; say --by {' or '.join(sorted({v['by'] for v in found}))}")
    return int(found[0]["seq"])


def _listed(items: list[dict[str, Any]], name: str, *, as_json: bool) -> None:
    from governance.entrypoints import terminal

    if as_json:
        terminal.emit(items)
        return
    rows = [(v["seq"], v["kind"], v["name"], v["by"], v["reason"]) for v in items]
    terminal.table(("entry", "kind", "what", "by", "reason"), rows, empty=f"nothing is vetoed in {name}")


def _why(reason: str) -> None:
    """Refuse what has no reason as typer refuses an option that is missing."""
    if not reason:
        raise typer.BadParameter("say why, it is recorded", param_hint="--reason")


def freeze(
    what: Annotated[str, typer.Argument(help="list, to see what is frozen.")] = "",
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--everything", help="Every repository.")] = False,
    repo: Annotated[str, typer.Option("--repo", "-r", help="A repository; with --ref, the ref's.")] = "",
    ref: Annotated[str, typer.Option(help="A ref by its full name or a pattern, and nothing but that.")] = "",
    role: Annotated[str, typer.Option(help="What a role has a hand in, everywhere.")] = "",
    operator: Annotated[str, typer.Option(help="What an operator, or an agent of theirs, has a hand in.")] = "",
    hours: Annotated[int, typer.Option(help="How long; 0 until it is thawed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Freeze something at once, pushes under way too; or list what is frozen. Librarian and owner only."""
    from governance.entrypoints import acting, terminal

    if what == LIST:
        _frozen(acting.client().get("/freezes")["items"], as_json=as_json)
        return
    named = {"everything": everything, "ref": ref, "role": role, "operator": operator}
    scopes = [scope for scope, given in named.items() if given] or ([] if not repo else ["repository"])
    if what or len(scopes) != 1 or (repo and scopes[0] not in {"repository", "ref"}):
        raise typer.BadParameter("say list, or one of --everything, --repo, --ref, --role, --operator")
    _why(reason)
    scope = scopes[0]
    place = acting.chosen(repo) if scope == "ref" else repo
    value = ref or role or operator
    said = {"scope": scope, "value": value, "repository": place, "reason": reason, "hours": hours}
    answer = acting.act("freeze.impose", "/freezes", said)
    if as_json:
        terminal.emit(answer)
        return
    until = f" until {terminal.when(answer['expires_at'])} UTC" if answer["expires_at"] else ""
    name = " ".join(filter(None, (scope, value or place, f"of {place}" if scope == "ref" else "")))
    terminal.done(f"{name} is frozen{until} (entry {answer['entry']})")


def _frozen(items: list[dict[str, Any]], *, as_json: bool) -> None:
    from governance.entrypoints import terminal

    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            f["seq"],
            f["scope"],
            f["value"],
            f["repository"] or "all",
            f["by"],
            terminal.when(f["expires_at"]) if f["expires_at"] else "until thawed",
            f["reason"],
        )
        for f in items
    ]
    names = ("entry", "scope", "what", "repository", "by", "until (UTC)", "reason")
    terminal.table(names, rows, empty="nothing is frozen")


def thaw_by_number(number: int, remediation: str) -> dict[str, Any]:
    """Lift a freeze by its number, as it stands; return the answer.

    Raises:
        NotFoundError: None of that number stands.
    """
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    found = next((f for f in acting.client().get("/freezes")["items"] if f["seq"] == number), None)
    if found is None:
        raise NotFoundError(f"no freeze {number} stands", code="freeze.none", mend="twinseal freeze list")
    said = {"freeze": number, "repository": found["repository"], "remediation": remediation}
    return acting.act("freeze.lift", f"/freezes/{number}/thaw", said)
