"""`gate`: features and the gates that they pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group

NOT_ENOUGH = 1


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    gate = group(app, "gate", "Take a feature through RED, GREEN, PEER, QA and DEPLOY.")
    gate.command("start")(start)
    gate.command("list")(list_)
    gate.command("status")(status)
    gate.command("evidence")(evidence)
    gate.command("advance")(advance)
    gate.command("check")(check)


def start(feature: str, repo: Repo = "", as_json: AsJson = False) -> None:
    """Begin a feature."""
    from governance.entrypoints import terminal

    answer = _act("gate.start", repo, {"feature": feature})
    terminal.emit(answer) if as_json else terminal.done(f"{feature} stands at {answer['stage']}")


def list_(repo: Repo = "", as_json: AsJson = False) -> None:
    """List features, with the gate at which each stands."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/features")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(f["name"], f["stage"] or "passed all", f["commit"][:12], f["started_by"]) for f in items]
    terminal.table(("feature", "next gate", "commit", "started by"), rows, empty=f"no feature in {name} yet")


def status(feature: str, repo: Repo = "", as_json: AsJson = False) -> None:
    """Show what a feature has passed, what its next gate lacks, and all its evidence."""
    from governance.entrypoints import terminal

    shown = _shown(feature, repo)
    if as_json:
        terminal.emit(shown)
        return
    asked = shown["asked"]
    terminal.pairs(
        {
            "feature": feature,
            "passed": "\n".join(f"{p['stage']} for {p['commit'][:12]}" for p in shown["passed"]) or "nothing yet",
            "next gate": shown["stage"] or "none: all are passed",
            "lacks": shown["lacks"] or "nothing",
            "waits": f"for a co-signature of entry {asked['entry']}, asked by {asked['by']}"
            if asked
            else "for nothing",
        }
    )
    rows = [
        (e["stage"], e["by"], e["commit"][:12], "stale" if e["stale"] else "", e["note"], e["entry"])
        for e in shown["evidence"]
    ]
    terminal.table(("gate", "by", "commit", "", "note", "entry"), rows, empty="no evidence yet")


def evidence(
    feature: str,
    stage: Annotated[str, typer.Argument(help="RED, GREEN, PEER, QA or DEPLOY.")],
    commit: Annotated[str, typer.Option(help="The whole name of the commit it is about.")],
    note: Annotated[str, typer.Option(help="What was seen; recorded.")],
    digest: Annotated[str, typer.Option(help="SHA-256 of what shows it.")] = "",
    file: Annotated[Path | None, typer.Option(help="What shows it, to be hashed here.")] = None,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Sign that a gate is reached for one commit."""
    from governance.entrypoints import terminal
    from governance.entrypoints.cli import files

    if (file is None) == (not digest):
        raise typer.BadParameter("say one of --digest and --file")
    known = digest if file is None else files.digest(files.read(file))
    said = {"feature": feature, "stage": stage, "commit": commit, "digest": known, "note": note}
    answer = _act("gate.evidence", repo, said)
    lacks = f"; {stage} still lacks {answer['lacks']}" if answer.get("lacks") else f"; {stage} can be advanced"
    terminal.emit(answer) if as_json else terminal.done(f"recorded as entry {answer['entry']}{lacks}")


def advance(
    feature: str,
    cosign: Annotated[bool, typer.Option("--cosign", help="Co-sign what was asked for, as the librarian.")] = False,
    commit: Annotated[str, typer.Option(help="Pass RED or GREEN again, for this commit; later gates are undone.")] = "",
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask that a feature passes its next gate, on all the evidence shown; or co-sign that."""
    from governance.entrypoints import terminal
    from governance.errors import ConflictError

    shown = _shown(feature, repo)
    asked: dict[str, Any] | None = shown["asked"]
    if not cosign:
        chosen = _of(shown, commit) if commit else shown
        said = {"stage": chosen["stage"], "commit": chosen["commit"], "evidence": chosen["counts"]}
        answer = _act("gate.advance", repo, {"feature": feature, **said})
        text = f"asked that {feature} passes {answer['stage']}; {answer['asked']} co-signs (entry {answer['entry']})"
    elif asked is None:
        raise ConflictError(f"nobody has asked that {feature} advances", code="gates.moved")
    else:
        said = {"asked": asked["entry"], "stage": asked["stage"], "commit": asked["commit"]}
        answer = _act("gate.cosign", repo, {"feature": feature, **said})
        text = f"{feature} has passed {answer['stage']} (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(text)


def _of(shown: dict[str, Any], commit: str) -> dict[str, Any]:
    """Return what could be asked for about one commit: the latest gate that there is evidence of.

    Raises:
        ConflictError: There is none.
    """
    from governance.errors import ConflictError

    found: list[dict[str, Any]] = [each for each in shown["could"] if each["commit"] == commit]
    if not found:
        mend = f"twinseal gate evidence {shown['feature']} GREEN --commit {commit} ..."
        raise ConflictError(f"there is no evidence about {commit:.12} that counts", code="gates.evidence", mend=mend)
    return found[-1]


def check(
    feature: str,
    stage: Annotated[str, typer.Argument(help="The gate it must have passed.")],
    commit: Annotated[str, typer.Option(help="For this commit; left out, for whichever it was.")] = "",
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a feature has passed a gate; exit 1 if not. For scripts and client hooks."""
    from governance.entrypoints import terminal
    from governance.parameters import STAGES

    if stage not in STAGES:
        raise typer.BadParameter(f"a gate is one of {', '.join(STAGES)}")
    passed = {p["stage"]: p["commit"] for p in _shown(feature, repo)["passed"]}
    good = stage in passed and commit in {"", passed[stage]}
    said = f"{feature} has {'' if good else 'not '}passed {stage}" + (f" for {commit[:12]}" if commit else "")
    if as_json:
        terminal.emit({"feature": feature, "stage": stage, "passed": good})
    elif good:
        terminal.done(said)
    else:
        terminal.failed(said, code="gates.missing", mend=f"twinseal gate status {feature}", as_json=False)
    raise typer.Exit(0 if good else NOT_ENOUGH)


def _shown(feature: str, repo: str) -> dict[str, Any]:
    from urllib.parse import quote

    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return acting.client(name).get(f"/repositories/{name}/features/{quote(feature, safe='')}")


def _act(type_: str, repo: str, said: dict[str, Any]) -> dict[str, Any]:
    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return acting.act(type_, f"/repositories/{name}/gates", {"repository": name, **said}, repository=name)
