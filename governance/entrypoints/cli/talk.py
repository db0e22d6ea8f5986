"""`message`, `decision`: the registry of messages, and decisions that several sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli import decisions
from governance.entrypoints.cli.options import AsJson, Repo, group

DAMAGED = 1


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    message = group(app, "message", "Register messages, and check them before acting on them.")
    message.command("send")(send)
    message.command("verify")(verify)
    message.command("list")(list_)
    message.command("check")(check)
    decisions.add_to(app)


def send(
    file: Path,
    to: Annotated[list[str], typer.Option(help="A role or a principal; may be given several times.")],
    type_: Annotated[str, typer.Option("--type", help="What it is, such as sign-off-request.")],
    change: Annotated[int, typer.Option(help="The change it is about.")] = 0,
    expects: Annotated[str, typer.Option(help="The type of reply that is waited for.")] = "",
    reply_to: Annotated[int, typer.Option(help="The message it answers.")] = 0,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Register a message by the digest of its bytes. The bytes themselves travel elsewhere."""
    from governance.entrypoints import acting, terminal
    from governance.entrypoints.cli import files

    raw, name = files.read(file), acting.chosen(repo)
    said = {
        "repository": name, "to": to, "type": type_, "digest": files.digest(raw), "size": len(raw), "change": change,
        "expects": expects, "reply_to": reply_to,
    }  # fmt: skip
    answer = acting.act("message.send", f"/repositories/{name}/messages", said, repository=name)
    until = f"; an answer is due by {terminal.when(answer['due_at'])} UTC" if answer["due_at"] else ""
    terminal.emit(answer) if as_json else terminal.done(f"registered as message {answer['message']}{until}")


def verify(
    file: Path,
    message: Annotated[int, typer.Option(help="The message it is said to be.")] = 0,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Check a message before acting on it: who sent exactly these bytes, to whom, in this repository."""
    from governance.entrypoints import acting, terminal
    from governance.entrypoints.cli import files

    name = acting.chosen(repo)
    asked = {"digest": files.digest(files.read(file)), "message": message}
    found = acting.client(name).post(f"/repositories/{name}/messages/verify", asked)
    said = f"message {found['message']}: {found['type']} by {found['from']} to {', '.join(found['to'])}"
    terminal.emit(found) if as_json else terminal.done(said)


def list_(repo: Repo = "", as_json: AsJson = False) -> None:
    """List the newest messages to and from you; what is overdue says so."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/messages")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [(m["message"], m["type"], m["from"], ", ".join(m["to"]), _standing(m)) for m in items]
    terminal.table(("message", "type", "from", "to", "reply"), rows, empty=f"no message of yours in {name}")


def check(folder: Path, repo: Repo = "", as_json: AsJson = False) -> None:
    """Compare a folder of messages with the registry, and record it; exit 1 where one is missing or was changed."""
    from governance.coordinate.messages import NAMED, compare
    from governance.entrypoints import acting, terminal
    from governance.entrypoints.cli import files
    from governance.record import SERVICE

    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/messages")["items"]
    registered = {m["message"]: m["digest"] for m in items}
    # What the service says stands in its entry.
    mine = {m["message"] for m in items if not m["sent"] and m["from"] != SERVICE.id}
    held = files.digests(folder)
    found = compare(registered, held, mine)
    counts = {"registered": len(mine), "files": len(held), "unknown": len(found["unknown"])}
    few = {key: found[key][:NAMED] for key in ("missing", "changed")}
    said = {"repository": name, **counts, **few, "digest": found["digest"]}
    answer = acting.act("message.check", f"/repositories/{name}/messages", said, repository=name)
    if as_json:
        terminal.emit({**found, "entry": answer["entry"]})
    else:
        _told(found, len(held), answer["entry"])
    raise typer.Exit(DAMAGED if found["missing"] or found["changed"] or found["unknown"] else 0)


def _told(found: dict[str, Any], files: int, entry: int) -> None:
    from governance.entrypoints import terminal

    for what in ("missing", "changed", "unknown"):
        for each in found[what]:
            label = f"message {each} is {what}" if what != "unknown" else f"{each} is no registered message"
            terminal.failed(label, code=f"message.{what}", mend="", as_json=False)
    terminal.say(f"{files} files compared with the registry (entry {entry})")


def _standing(message: dict[str, Any]) -> str:
    if not message["expects"]:
        return ""
    if message["replied"]:
        return f"by message {message['replied']}" + (", late" if message["overdue"] else "")
    return f"OVERDUE: {message['expects']}" if message["overdue"] else f"waits for {message['expects']}"
