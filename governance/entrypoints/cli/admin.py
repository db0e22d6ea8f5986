"""`init`, `serve`, `doctor`, `status`, `demo`, `policy`: begin, run, and look after the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group
from governance.entrypoints.cli.repositories import standing

if TYPE_CHECKING:
    from governance.policy import Policy

PolicyFile = Annotated[
    Path | None, typer.Argument(help="A policy file; roles.yaml lies beside it. The shipped one if not named.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("init")(init)
    app.command("serve")(serve)
    app.command("status")(status)
    app.command("doctor")(doctor)
    app.command("demo")(demo)
    policy = group(app, "policy", "Check and show policy.")
    policy.command("check")(check)
    policy.command("show")(show)


def _load(file: Path | None) -> Policy:
    from governance.adapters import resources
    from governance.errors import PolicyError
    from governance.policy_text import load

    policy = file or resources.folder("policies") / "policy.yaml"
    roles = policy.parent / "roles.yaml"
    try:
        texts = policy.read_bytes(), roles.read_bytes()
    except OSError as exc:
        mend = "A policy is two files in one folder: policy.yaml and roles.yaml."
        raise PolicyError(f"{exc.filename}: {exc.strerror}", mend=mend) from exc
    return load(*texts, policy_name=str(policy), roles_name=str(roles))


def init(
    origin: Annotated[str, typer.Option(help="The log's name, unique to this service: example.org/twinseal.")] = "",
    policy: Annotated[Path | None, typer.Option(help="The policy to begin with; the shipped one if not named.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Another secret, where no owner enrolled in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin: make the ledger, its keys, the recovery key and the first owner's enrolment secret."""
    from governance.adapters import settings
    from governance.entrypoints import terminal
    from governance.entrypoints.beginning import begin, invite_again

    found = settings.load()
    if again:
        file = invite_again(found)
        terminal.emit({"secret_file": str(file)}) if as_json else terminal.done(f"a new secret is in {file}")
        return
    if not origin:
        raise typer.BadParameter("name the log: --origin example.org/twinseal")
    begun = begin(found, _load(policy), origin=origin)
    if as_json:
        terminal.emit(
            {
                "log": begun.log,
                "ledger_key": begun.vkey,
                "recovery_key": begun.recovery_key,
                "secret_file": str(begun.secret_file),
            }
        )
        return
    terminal.done(f"{begun.log} has begun; entry 0 binds its keys and policy")
    terminal.pairs(
        {
            "data": found.data,
            "state": f"{found.state}   (high-water mark and key-encryption key)",
            "ledger key": begun.vkey,
        }
    )
    terminal.say("\nThe recovery key. It is printed now and kept nowhere; write it down and lock it away:")
    terminal.say(f"\n    {begun.recovery_key}\n", style="bold")
    terminal.say("Next, within 15 minutes:")
    terminal.say("  twinseal serve &")
    terminal.say("  twinseal key generate --as owner --email you@example.org")
    terminal.say(f"  twinseal key enroll --secret-file {begun.secret_file}")


def serve() -> None:
    """Run the service until it is told to stop. Logs go to standard error, one JSON object a line."""
    from governance.adapters import settings
    from governance.entrypoints.serve import serve as run

    run(settings.load())


def status(as_json: AsJson = False) -> None:
    """Show what a person wants to know first."""
    from governance.entrypoints import acting, terminal

    found = acting.client().get("/status")
    if as_json:
        terminal.emit(found)
        return
    pushes = found["pushes"]
    terminal.pairs(
        {
            "log": found["log"],
            "ledger": f"{found['entries']} entries, last {terminal.when(found['last_entry_at'])} UTC",
            "policy": found["policy"],
            "principals": f"{found['principals']}, {found['humans']} of them people"
            + (" (single person)" if found["single_person"] else ""),
            "pushes": f"{pushes.get('allowed', 0)} allowed, {pushes.get('refused', 0)} refused"
            + (f", {pushes['let_through']} let through" if "let_through" in pushes else "")
            + " (of the last 1000)",
        }
    )
    rows = [
        (r["name"], r["open_changes"], r["reserved"], r["host"], _state(r), r["path"]) for r in found["repositories"]
    ]
    terminal.table(
        ("repository", "open changes", "under way", "host", "state", "path"),
        rows,
        empty="no repository is governed yet",
    )
    for frozen in found["freezes"]:
        name = " ".join(filter(None, (frozen["scope"], frozen["value"] or frozen["repository"])))
        terminal.say(f"{name} is frozen since entry {frozen['seq']}: {frozen['reason']}", style="yellow")


def _state(repository: dict[str, Any]) -> str:
    if repository["frozen"]:
        return f"FROZEN since entry {repository['frozen'][0]['seq']}"
    how = standing(repository)
    return f"{how}; {repository['unreviewed']} refs unreviewed" if repository["unreviewed"] else how


def doctor(as_json: AsJson = False) -> None:
    """Check everything that must be right for the rules to hold; exit 1 if anything is not."""
    from governance.adapters import settings
    from governance.entrypoints import terminal
    from governance.entrypoints.doctor import examine

    findings = examine(settings.load())
    bad = any(f.level == "bad" for f in findings)
    if as_json:
        terminal.emit([{"level": f.level, "what": f.what, "said": f.said, "mend": f.mend} for f in findings])
        raise typer.Exit(1 if bad else 0)
    marks = {"good": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red")}
    for finding in findings:
        mark, colour = marks[finding.level]
        terminal.marked(mark, colour, f"{finding.what}: {finding.said}")
        if finding.level != "good" and finding.mend:
            terminal.say(f"    → {finding.mend}")
    raise typer.Exit(1 if bad else 0)


def demo(
    serving: Annotated[bool, typer.Option("--serve", help="Keep serving when the story is told.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where to play; a new folder under /tmp if not named.")] = None,
) -> None:
    """Tell the whole story on a real repository with real keys: one push lands, several bad ones are refused."""
    from governance.entrypoints.demo import tell

    raise typer.Exit(tell(folder, serving=serving))


def check(file: PolicyFile = None, as_json: AsJson = False) -> None:
    """Check a policy: exit 0 and its digest, or 1 and every fault with file, line and mending."""
    from governance.entrypoints import terminal
    from governance.errors import PolicyError

    try:
        found = _load(file)
    except PolicyError as exc:
        problems = getattr(exc, "problems", (str(exc),))
        if as_json:
            terminal.emit({"valid": False, "problems": list(problems)})
        for problem in () if as_json else problems:
            terminal.failed(problem, code=exc.code, mend="", as_json=False)
        if exc.mend and not as_json:
            terminal.say(f"  → {exc.mend}")
        raise typer.Exit(1) from exc
    if as_json:
        terminal.emit({"valid": True, "digest": found.digest, "profile": found.profile.value})
    else:
        terminal.done(f"the policy is good: profile {found.profile.value}, digest {found.digest}")


def show(
    file: Annotated[Path | None, typer.Option("--file", help="A policy file, instead of the policy in force.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the policy in force, or what a file would mean."""
    from governance.entrypoints import acting, terminal
    from governance.policy_text import describe

    if file is not None:
        policy = _load(file)
        found: dict[str, Any] = {"digest": policy.digest, "meaning": describe(policy)}
    else:
        found = acting.client().get("/policy")
    if as_json:
        terminal.emit(found)
        return
    meaning = found["meaning"]
    eyes = meaning["four_eyes"]
    terminal.pairs(
        {
            "digest": found["digest"],
            "profile": meaning["profile"],
            "target": meaning["refs"]["target"],
            "protected": ", ".join(meaning["refs"]["protected"]),
            "four eyes": f"above {eyes['lines']} lines or {eyes['files']} files, or on a risk path",
            "risk paths": f"{len(eyes['risk_paths'])} patterns; see --json",
            "sign-offs": f"good for {eyes['expires_hours']} hours",
        }
    )
    rows = [
        (_names(row, "authors"), _first(row), _names(row, "second"), _names(row, "fallback"))
        for row in meaning["approvers"]
    ]
    terminal.table(("author", "first", "second", "if none is free"), rows, empty="no rows")


def _names(row: dict[str, Any], place: str) -> str:
    return ", ".join(row.get(place, ())) or "nobody: it waits"


def _first(row: dict[str, Any]) -> str:
    together = " and ".join(" or ".join(group) for group in row.get("first_together", ()))
    return _names(row, "first") + (f"; or {together}" if together else "")
