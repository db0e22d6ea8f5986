"""`lock`, `limit`: leases to write, and limits of attempts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group

Scope = Annotated[str, typer.Option(help="What the lease is for: write is what the policy's refs move under.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    lock = group(app, "lock", "Hold what only one may write at a time.")
    lock.command("request")(request)
    lock.command("release")(release)
    lock.command("status")(status)
    lock.command("extend")(extend)
    lock.command("prefer")(prefer)
    lock.command("steal")(steal)
    lock.command("cosign")(cosign)
    limit = group(app, "limit", "See how often a role may try what, and raise it.")
    limit.command("raise")(raise_)
    limit.command("show")(show)


def request(
    file: Annotated[list[str], typer.Option(help="A path, or a pattern of paths, that will be written; repeated.")],
    lines: Annotated[int, typer.Option(help="The most units (lines, or 80 bytes of them) that will be pushed.")],
    minutes: Annotated[int, typer.Option(help="How long it is needed; no longer than the policy says.")] = 5,
    scope: Scope = "write",
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a lease with its intent: granted at once where it is free, else queued."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    said = {"repository": name, "scope": scope, "files": file, "lines": lines, "minutes": minutes}
    answer = acting.act("lock.request", f"/repositories/{name}/locks", said, repository=name)
    if as_json:
        terminal.emit(answer)
    elif answer["state"] == "held":
        until = terminal.when(answer["ends_at"])
        terminal.done(f"{scope} is yours until {until} UTC, token {answer['token']} (entry {answer['entry']})")
        terminal.say(f"Push with it:  git push -o twinseal.lock={answer['token']} ...")
        terminal.say(f"Then give it back:  twinseal lock release {answer['token']}")
    else:
        terminal.done(f"request {answer['request']} waits for {scope}, place {answer['place']} in line")
        terminal.say("See when it is your turn:  twinseal lock status")


def release(
    token: Annotated[int, typer.Argument(help="The token of the lease; while you wait, the number of your request.")],
    scope: Scope = "write",
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Give a lease back, or leave the queue; the next in line is granted."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    said = {"repository": name, "scope": scope, "token": token}
    answer = acting.act("lock.release", f"/repositories/{name}/locks", said, repository=name)
    terminal.emit(answer) if as_json else terminal.done(f"{scope} {token} is released (entry {answer['entry']})")


def status(repo: Repo = "", as_json: AsJson = False) -> None:
    """Show who holds what with which intent, for how long, and who waits."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    items = acting.client(name).get(f"/repositories/{name}/locks")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [row for item in items for row in _rows(item)]
    columns = ("scope", "who", "number", "intent", "")
    terminal.table(columns, rows, empty=f"nobody holds or waits for a lock of {name}")


Why = Annotated[str, typer.Option(help="Why; recorded, and read by who co-signs.")]


def extend(
    token: Annotated[int, typer.Argument(help="The token of your lease.")],
    reason: Why,
    minutes: Annotated[int, typer.Option(help="How much longer.")] = 5,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask for more time under your lease; it takes a co-signature."""
    _ask(repo, "extension", _by_token(repo, token)["request"], token, reason, as_json=as_json, minutes=minutes)


def prefer(
    request: Annotated[int, typer.Argument(help="The request that waits, and that shall be granted next.")],
    reason: Why,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a grant out of queue order; it takes a co-signature."""
    _ask(repo, "out-of-order", request, 0, reason, as_json=as_json)


def steal(
    token: Annotated[int, typer.Argument(help="The token of the lease that shall end.")],
    request: Annotated[int, typer.Option("--for", help="The request that waits, and that shall have it.")],
    reason: Why,
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Ask to end a lease for one who waits; it takes a co-signature."""
    _ask(repo, "steal", request, token, reason, as_json=as_json)


def cosign(
    asked: Annotated[int, typer.Argument(help="The entry that asked; lock status lists them.")],
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Co-sign what was asked for about a lease, exactly as it is shown; then it is done."""
    from governance.entrypoints import terminal
    from governance.errors import ConflictError

    found = next((each for item in _items(repo) for each in item["asked"] if each["asked"] == asked), None)
    if found is None:
        raise ConflictError(f"nothing of entry {asked} waits for a co-signature", code="lock.moved")
    said = {name: found[name] for name in ("asked", "deed", "request", "token", "minutes")}
    answer = _act("lock.cosign", repo, said)
    text = f"{answer['deed']} for {answer['for']}, asked for by {found['by']} (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(text)


def _ask(repo: str, deed: str, request: int, token: int, reason: str, *, as_json: bool, minutes: int = 0) -> None:
    from governance.entrypoints import terminal

    said = {"deed": deed, "request": request, "token": token, "minutes": minutes, "reason": reason}
    answer = _act("lock.ask", repo, said)
    text = f"asked; {answer['needs']} co-signs:  twinseal lock cosign {answer['asked']}"
    terminal.emit(answer) if as_json else terminal.done(text)


def _act(type_: str, repo: str, said: dict[str, Any]) -> dict[str, Any]:
    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return acting.act(type_, f"/repositories/{name}/locks", {"repository": name, **said}, repository=name)


def _items(repo: str) -> list[dict[str, Any]]:
    from governance.entrypoints import acting

    name = acting.chosen(repo)
    return list(acting.client(name).get(f"/repositories/{name}/locks")["items"])


def _by_token(repo: str, token: int) -> dict[str, Any]:
    """Return the lease of this token.

    Raises:
        NotFoundError: It is not in force.
    """
    from governance.errors import NotFoundError

    holders = [item["holder"] for item in _items(repo)]
    found: dict[str, Any] | None = next((each for each in holders if each and each["token"] == token), None)
    if found is None:
        raise NotFoundError(f"{token} is no lease in force", code="lock.stale", mend="twinseal lock status")
    return found


def _rows(item: dict[str, Any]) -> list[tuple[object, ...]]:
    """One line for the holder, one for each who waits."""
    holder = item["holder"]
    rows: list[tuple[object, ...]] = []
    if holder:
        left = f"{holder['left_ms'] // 1000} s left, {holder['used']} of {holder['lines']} units used"
        rows.append((item["scope"], holder["principal"], holder["token"], _intent(holder), left))
    for place, asked in enumerate(item["queue"], start=1):
        rows.append((item["scope"], asked["principal"], asked["request"], _intent(asked), f"waits, place {place}"))
    for asked in item["asked"]:
        about = f"{asked['deed']} for request {asked['request']}: {asked['reason']}"
        rows.append((item["scope"], asked["by"], asked["asked"], about, "waits for a co-signature"))
    return rows


def _intent(asked: dict[str, Any]) -> str:
    return f"{asked['lines']} in {', '.join(asked['files'])}"


def raise_(
    role: Annotated[str, typer.Argument(help="A role of the policy, such as dev-a.")],
    action: Annotated[str, typer.Argument(help="What is limited, such as push; limit show lists them.")],
    hour: Annotated[int, typer.Option(help="Attempts in any hour.")],
    day: Annotated[int, typer.Option(help="Attempts in any day.")],
    hours: Annotated[int, typer.Option("--for", help="How many hours it holds; at most 31 days.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Raise a limit of a role for a while. Owner only; recorded."""
    from governance.adapters import clock
    from governance.entrypoints import acting, terminal

    until = clock.now() + hours * 60 * 60 * 1000
    said = {"role": role, "action": action, "hour": hour, "day": day, "until": until}
    answer = acting.act("limit.raise", "/limits", said)
    when = terminal.when(until)
    text = f"{role}: {hour} an hour and {day} a day of {action}, until {when} UTC (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(text)


def show(
    principal: Annotated[str, typer.Option(help="Whose; yours if left out. Others' for an owner.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show how much of each limit is used."""
    from urllib.parse import quote

    from governance.entrypoints import acting, terminal

    items = acting.client().get(f"/limits?principal={quote(principal)}")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            each["action"],
            f"{each['used_hour']} of {each['hour']}",
            f"{each['used_day']} of {each['day']}",
            f"free again {terminal.when(each['free_at'])} UTC" if each["free_at"] else "",
        )
        for each in items
    ]
    terminal.table(("action", "this hour", "this day", ""), rows, empty="nothing is limited")
