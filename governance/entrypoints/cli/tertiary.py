"""`review`, `override`: third parties, and breaking the glass."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group

Reason = Annotated[str, typer.Option(help="Why, in ten characters or more; recorded.")]


class Verdict(StrEnum):
    """What one who looks afterwards may say."""

    fine = "fine"
    wrong = "wrong"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    review = group(app, "review", "Third reviews of what was drawn, and how it was drawn.")
    review.command("queue")(queue)
    review.command("tertiary")(tertiary)
    review.command("audit")(audit)
    override = group(app, "override", "Break the glass: land one change without its review, signed by three.")
    override.command("ask")(ask)
    override.command("sign")(sign)
    override.command("list")(list_)
    override.command("review")(after)


def queue(repo: Repo = "", as_json: AsJson = False) -> None:
    """Show what waits for a third review or for the reviews after an override, and for whom."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    client = acting.client(name)
    items = client.get(f"/repositories/{name}/third-reviews")["items"]
    broken = [o for o in client.get(f"/repositories/{name}/overrides")["items"] if _owes(o)]
    if as_json:
        terminal.emit({"third_reviews": items, "overrides": broken})
        return
    rows = [
        (i["change"], i["state"], i["author"], " or ".join(i["waits_for"]) or "anybody free", _late(i), i["title"])
        for i in items
    ]
    empty = f"nothing in {name} waits for a third review"
    terminal.table(("#", "state", "author", "waits for", "since", "title"), rows, empty=empty)
    for found in broken:
        said = f"OVERRIDE {found['seq']} landed change {found['number']}: {2 - len(found['reviews'])} reviews owed"
        terminal.marked("!", "red", said + (", OVERDUE" if found["overdue"] else ""))


def _owes(found: dict[str, Any]) -> bool:
    return found["landed_at"] is not None and found["reviewed_seq"] is None


def _late(item: dict[str, Any]) -> str:
    from governance.entrypoints import terminal

    return terminal.when(item["since"]) + (" OVERDUE" if item["overdue"] else "")


def tertiary(
    change: int,
    reason: Reason,
    approve: Annotated[bool, typer.Option("--approve", help="It may land.")] = False,
    block: Annotated[bool, typer.Option("--block", help="It may not, as it is.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="It was given up: nobody need look. Owner only.")] = False,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Review, as a third party, exactly the patch set shown."""
    from governance.entrypoints import acting, terminal

    if approve + block + dismiss != 1:
        raise typer.BadParameter("say one of --approve, --block, --dismiss")
    name = acting.chosen(repo)
    shown = acting.client(name).get(f"/repositories/{name}/changes/{change}")
    said = {"repository": name, "change": change, "reason": reason}
    said |= {field: shown[field] for field in ("patch_set", "diff_digest")}
    said["verdict"] = "approve" if approve else "block" if block else "dismiss"
    answer = acting.act("tertiary", f"/repositories/{name}/third-reviews", said, repository=name)
    word = {"approve": "approved", "block": "blocked", "dismiss": "dismissed the third review of"}[answer["verdict"]]
    text = f"{answer['by']} {word} change {change} (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(text)


def audit(
    epoch: Annotated[int, typer.Option(help="Which epoch; its key must be revealed.")],
    ledger: Annotated[
        Path | None, typer.Option(help="Read an export's entries.jsonl instead of asking the service.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute every draw of an epoch again, from entries alone; exit 1 where one is not as its key says."""
    from governance.detect import draw_audit
    from governance.entrypoints import acting, terminal

    if ledger is None:
        entries = acting.client().get(f"/draws/{epoch}")["items"]
        report = draw_audit.audit(entries, epoch)
    else:
        with ledger.open(encoding="utf-8") as file:
            report = draw_audit.audit(map(json.loads, file), epoch)
    if as_json:
        terminal.emit(_plain(report))
    else:
        _show(report)
    raise typer.Exit(0 if report.good else 1 if report.checkable else 3)


def _plain(report: Any) -> dict[str, Any]:  # noqa: ANN401 - what the audit found
    import dataclasses

    return {**dataclasses.asdict(report), "good": report.good}


def _show(report: Any) -> None:  # noqa: ANN401 - what the audit found
    from governance.entrypoints import terminal

    rows = [
        (r.entry, r.change, r.operator, r.slot, "drawn" if r.selected else "", ", ".join(r.reviewers[:3]),
         "; ".join(r.faults) or "as the key says")
        for r in report.lines
    ]  # fmt: skip
    columns = ("entry", "change", "operator", "slot", "", "reviewers", "computed again")
    terminal.table(columns, rows if report.checkable else (), empty=f"no draws of epoch {report.epoch} to check")
    for fault in report.faults:
        terminal.marked("✗", "red", fault)
    if report.checkable:
        terminal.say(
            f"values in 16 parts: chi-squared {report.chi_squared:.1f}; chance alone gives more {report.chance:.0%}"
        )
    if report.good:
        terminal.done(f"epoch {report.epoch}: {len(report.lines)} draws are as its key says")


def ask(change: int, reason: Reason, repo: Repo = "", as_json: AsJson = False) -> None:
    """Ask that a change may land without its review. The orchestrator's alone."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    shown = acting.client(name).get(f"/repositories/{name}/changes/{change}")
    said = {"repository": name, "change": change, "patch_set": shown["patch_set"], "head": shown["head"]}
    path = f"/repositories/{name}/overrides"
    answer = acting.act("override.ask", path, said | {"reason": reason}, repository=name)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"override {answer['override']} of change {change} is asked for, until {_until(answer)} UTC")
    terminal.say(f"  Librarian and owner: twinseal override sign {answer['override']} --repo {name}")


def _until(answer: dict[str, Any]) -> str:
    from governance.entrypoints import terminal

    return terminal.when(answer["expires_at"])


def sign(number: int, repo: Repo = "", as_json: AsJson = False) -> None:
    """Sign an override that was asked for, as the librarian or as an owner."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    found = _one(name, number)
    said = {"repository": name, "override": number, "change": found["number"]}
    said |= {field: found[field] for field in ("patch_set", "head")}
    answer = acting.act("override.sign", f"/repositories/{name}/overrides", said, repository=name)
    text = f"{answer['by']} signed override {number}" + (": IT STANDS" if answer["stands"] else "; one more must")
    terminal.emit(answer) if as_json else terminal.done(text)


def _one(name: str, number: int) -> dict[str, Any]:
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    items = acting.client(name).get(f"/repositories/{name}/overrides")["items"]
    found = next((item for item in items if item["seq"] == number), None)
    if found is None:
        mend = f"twinseal override list --repo {name}"
        raise NotFoundError(f"{name} has no override {number}", code="override.unknown", mend=mend)
    return dict(found)


def list_(repo: Repo = "", as_json: AsJson = False) -> None:
    """List overrides: asked for, standing, used, and whether they are reviewed."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/overrides")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(i["seq"], i["number"], _state(i), terminal.when(i["expires_at"]), i["reason"]) for i in items]
    terminal.table(("override", "change", "state", "until", "reason"), rows, empty=f"no overrides in {name}")


def _state(item: dict[str, Any]) -> str:
    if item["reviewed_seq"] is not None:
        return "reviewed"
    if item["landed_at"] is not None:
        return "REVIEW OVERDUE" if item["overdue"] else "landed, review owed"
    if item["used_seq"] is not None:
        return "landing"
    missing = [place for place in ("librarian", "owner") if not item[place]]
    return f"waits for {' and '.join(missing)}" if missing else "signed"


def after(
    number: int,
    verdict: Annotated[Verdict, typer.Option(help="What you found.")],
    reason: Reason,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Say afterwards whether what an override landed is fine. Two must, one of them a person."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    said = {"repository": name, "override": number, "verdict": verdict.value, "reason": reason}
    answer = acting.act("override.review", f"/repositories/{name}/overrides", said, repository=name)
    rest = "its reviews are complete" if answer["complete"] else "another must look, one of both a person"
    text = f"override {number} is {answer['verdict']} (entry {answer['entry']}); {rest}"
    terminal.emit(answer) if as_json else terminal.done(text)
