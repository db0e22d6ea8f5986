"""`decision`: ask for one, answer one, see who may decide what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    decision = group(app, "decision", "Ask for decisions, and answer them.")
    decision.command("raise")(raise_)
    decision.command("sign")(sign)
    decision.command("list")(list_)
    decision.command("show")(show)
    decision.command("confirm")(confirm)
    decision.command("close")(close)
    decision.command("table")(table)


def raise_(
    question: str,
    kind: Annotated[str, typer.Option(help="What is decided, as in `decision table`.")],
    option: Annotated[list[str] | None, typer.Option(help="A possible answer; may be given several times.")] = None,
    change: Annotated[int, typer.Option(help="The change that is disagreed about.")] = 0,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a decision. What nobody completes in 72 hours is on hold."""
    from governance.entrypoints import terminal

    said = {"kind": kind, "question": question, "options": option or [], "change": change}
    answer = _act("decision.raise", repo, said)
    text = f"decision {answer['decision']} asks for {answer['asks']}, until {terminal.when(answer['expires_at'])} UTC"
    terminal.emit(answer) if as_json else terminal.done(text)


def sign(
    decision: int,
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    approve: Annotated[bool, typer.Option("--approve", help="Yes.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="No.")] = False,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Answer a decision, once."""
    from governance.entrypoints import terminal

    if approve == reject:
        raise typer.BadParameter("say one of --approve, --reject")
    verdict = "approve" if approve else "reject"
    answer = _act("decision.sign", repo, {"decision": decision, "verdict": verdict, "reason": reason})
    terminal.emit(answer) if as_json else terminal.done(f"{answer['by']} answered decision {decision}; {_end(answer)}")


def _end(answer: dict[str, Any]) -> str:
    """Say what came of an answer, and what is still to do."""
    from governance.entrypoints import terminal

    if answer["outcome"] != "awaits":
        return f"it is {answer['outcome']}" if answer["outcome"] else "others have still to answer"
    awaits = answer["awaits"]
    until = f"until {terminal.when(awaits['expires_at'])} UTC"
    if not awaits["sent"]:
        return f"it awaits a confirmation {until}. {answer['next']}"
    ways = " and ".join(awaits["sent"])
    said = f"a code was sent to {awaits['to']} by {ways}: it confirms this {until}, else it is on hold"
    return f"{said}. To type it: twinseal decision confirm YES-<code>"


def confirm(
    word: Annotated[str, typer.Argument(help="YES- or FRAUD- and the code that was sent, as in YES-MFRGGZDF.")],
    decision: Annotated[int, typer.Option(help="The decision, where several await your word.")] = 0,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Confirm a critical decision with the code that came by mail or SMS; or say FRAUD, which freezes everything."""
    from governance import two_channels
    from governance.entrypoints import acting, terminal

    read = two_channels.read(word)
    if read is None:
        raise typer.BadParameter("say YES- or FRAUD- and the eight characters that were sent")
    name = acting.chosen(repo)
    number = decision or _waiting(name, fraud=read[0] is two_channels.Word.FRAUD)
    said = {"repository": name, "decision": number, "word": read[0].value}
    path = f"/repositories/{name}/decisions/confirm"
    answer = acting.act("decision.confirm", path, said, repository=name, code=read[1])
    frozen = f"; everything is frozen (entry {answer['freeze']})" if answer.get("freeze") else ""
    text = f"decision {answer['decision']} is {answer['outcome']}{frozen}"
    terminal.emit(answer) if as_json else terminal.done(text)


def _waiting(name: str, *, fraud: bool) -> int:
    """Return the one decision that awaits this seat's word; of a fraud, the newest that ever did.

    Raises:
        NotFoundError: None does.
    """
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    me = acting.seat().need("principal")
    asked = [d for d in _get(name, "decisions")["items"] if d["awaited"] and d["awaited"]["to"] == me]
    found = [d["decision"] for d in asked if d["state"] == "awaits confirmation"] or (
        [asked[0]["decision"]] if fraud and asked else []
    )
    if not found:
        said = f"no decision of {name} awaits your word"
        raise NotFoundError(said, code="two_channels.none", mend="twinseal decision list; or name one: --decision N")
    if len(found) > 1:
        raise typer.BadParameter(f"several await your word; say --decision {' or '.join(map(str, sorted(found)))}")
    return int(found[0])


def close(
    decision: int,
    reason: Annotated[str, typer.Option(help="Why it is asked no more; recorded.")],
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Take a question back."""
    from governance.entrypoints import terminal

    answer = _act("decision.close", repo, {"decision": decision, "reason": reason})
    terminal.emit(answer) if as_json else terminal.done(f"decision {decision} is taken back")


def list_(repo: Repo = "", as_json: AsJson = False) -> None:
    """List the newest decisions, and whose word is missing."""
    from governance.entrypoints import terminal

    items = _get(repo, "decisions")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(d["decision"], d["kind"], d["by"], d["state"], _missing(d), d["question"]) for d in items]
    terminal.table(("#", "kind", "asked by", "state", "missing", "question"), rows, empty="nothing was asked yet")


def show(decision: int, repo: Repo = "", as_json: AsJson = False) -> None:
    """Show one decision with every answer."""
    from governance.entrypoints import terminal

    found = _get(repo, f"decisions/{decision}")
    if as_json:
        terminal.emit(found)
        return
    terminal.pairs(
        {
            "question": found["question"],
            "options": "\n".join(found["options"]) or "none named",
            "kind": f"{found['kind']}, decided by the row {found['row']}",
            "asked by": f"{found['by']} ({found['role']})",
            "change": str(found["change"] or "none"),
            "state": found["state"],
            "missing": _missing(found) or "nobody",
            **_awaited(found),
        }
    )
    rows = [(a["by"], a["verdict"], a["reason"], a["entry"]) for a in found["answers"]]
    terminal.table(("answer by", "", "reason", "entry"), rows, empty="no answer yet")


def _awaited(found: dict[str, Any]) -> dict[str, str]:
    """Say where the confirmation of a critical decision stands, and what to do."""
    from governance.entrypoints import terminal

    awaited = found["awaited"]
    if awaited is None:
        return {"next": found["next"]} if found["next"] else {}
    ways = " and ".join(awaited["sent"]) or "no channel: none is set up"
    said = {
        "approved in": " and ".join(awaited["approved_in"]),
        "code sent": f"to {awaited['to']} by {ways}; good until {terminal.when(awaited['expires_at'])} UTC",
    }
    fraud = {"fraud": f"entry {awaited['disowned']}"} if awaited["disowned"] else {}
    return {**said, **fraud, **({"next": found["next"]} if found["next"] else {})}


def table(repo: Repo = "", as_json: AsJson = False) -> None:
    """Show who may decide what, who must agree, and what is critical: confirmed in a second channel."""
    from governance.entrypoints import terminal

    items = _get(repo, "authority")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(_row(r), _some(r["by"]), _places(r), "critical" if r.get("reaches") else "") for r in items]
    terminal.table(("row", "by", "agreed by", ""), rows, empty="the policy lets nobody decide anything")


def _row(row: dict[str, Any]) -> str:
    """Return what a row is called, and its action where that is called otherwise."""
    return str(row["name"]) if row["name"] == row["action"] else f"{row['name']} ({row['action']})"


def _places(row: dict[str, Any]) -> str:
    if row.get("forbid"):
        return "forbidden"
    places = [*row.get("with", []), *(row[key] for key in ("cosign", "reaches") if key in row)]
    return " and ".join(_some(place) for place in places)


def _some(roles: list[str]) -> str:
    return " or ".join(roles)


def _missing(decision: dict[str, Any]) -> str:
    return "" if decision["outcome"] else " and ".join(_some(place) for place in decision["missing"])


def _get(repo: str, what: str) -> dict[str, Any]:
    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return acting.client(name).get(f"/repositories/{name}/{what}")


def _act(type_: str, repo: str, said: dict[str, Any]) -> dict[str, Any]:
    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return acting.act(type_, f"/repositories/{name}/decisions", {"repository": name, **said}, repository=name)
