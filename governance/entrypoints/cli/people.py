"""`principal`, `token`: who may act, and by which token they show it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group

SecretTo = Annotated[Path | None, typer.Option(help="Write the secret to this file instead of the screen.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    principal = group(app, "principal", "Enrol, list and retire principals.")
    principal.command("add")(add)
    principal.command("invite")(invite)
    principal.command("list")(list_)
    principal.command("show")(show)
    principal.command("retire")(retire)
    token = group(app, "token", "Issue, list and revoke tokens.")
    token.command("issue")(issue)
    token.command("list")(list_tokens)
    token.command("revoke")(revoke_token)


def add(
    name: str,
    role: Annotated[str, typer.Option(help="A role of the policy, such as dev-a.")],
    email: Annotated[list[str], typer.Option(help="An address it commits with; may be repeated.")],
    operator: Annotated[str, typer.Option(help="The person who runs an agent; you, if not named.")] = "",
    model_family: Annotated[str, typer.Option(help="For agents: which family of models.")] = "",
    delegate: Annotated[list[str] | None, typer.Option(help="Who may sign what it wrote.")] = None,
    uid: Annotated[int | None, typer.Option(help="Its uid on the git host, for the file transport.")] = None,
    secret_to: SecretTo = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a principal; prints the secret by which it brings its key."""
    from governance.entrypoints import acting, terminal

    body: dict[str, Any] = {
        "name": name,
        "role": role,
        "operator": operator,
        "model_family": model_family,
        "emails": email,
        "delegates": delegate or [],
        "uid": uid,
    }
    answer = acting.act("principal.add", "/principals", body)
    _hand_over(answer, secret_to)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{name} is enrolled as {role} (entry {answer['entry']})")
    _show_secret(name, answer)


def _hand_over(answer: dict[str, Any], secret_to: Path | None) -> None:
    """Put the secret into a file of the owner's alone, instead of on the screen."""
    if secret_to is None:
        return
    from governance.adapters.seat import private_file

    private_file(secret_to, answer.pop("secret") + "\n")
    answer["secret_file"] = str(secret_to)


def _show_secret(name: str, answer: dict[str, Any]) -> None:
    from governance.entrypoints import terminal

    until = terminal.when(answer["expires_at"])
    if "secret_file" in answer:
        terminal.say(f"The secret for {name} is in {answer['secret_file']}; it works once, until {until} UTC.")
    else:
        terminal.say(f"Give {name} this secret; it works once, until {until} UTC:")
        terminal.say(f"\n    {answer['secret']}\n", style="bold")
    terminal.say(f"At its own seat:  twinseal key generate --as {name} --email ADDRESS")
    terminal.say("                  twinseal key enroll   (asks for the secret)")


def invite(name: str, secret_to: SecretTo = None, as_json: AsJson = False) -> None:
    """Give a principal another enrolment secret, for a lost or a first key."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("principal.invite", "/principals/invitation", {"name": name})
    _hand_over(answer, secret_to)
    if as_json:
        terminal.emit(answer)
    else:
        _show_secret(name, answer)


def list_(as_json: AsJson = False) -> None:
    """List everyone enrolled."""
    from governance.entrypoints import acting, terminal

    items = acting.client().get("/principals")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (p["name"], p["kind"], p["role"], p["operator"], _key(p), "retired" if p["retired_seq"] else "") for p in items
    ]
    terminal.table(("name", "kind", "role", "operator", "key", ""), rows, empty="nobody is enrolled yet")


def _key(person: dict[str, Any]) -> str:
    good = [k["fingerprint"] for k in person["keys"] if k["revoked_at"] is None]
    return f"…{good[-1][-16:]}" if good else "none"


def show(name: str, as_json: AsJson = False) -> None:
    """Show one principal with its keys, and what they have landed."""
    from governance.entrypoints import acting, landed, terminal
    from governance.errors import NotFoundError

    client = acting.client()
    items = client.get("/principals")["items"]
    found = next((p for p in items if p["name"] == name), None)
    if found is None:
        raise NotFoundError(f"{name!r} is not enrolled here", mend="twinseal principal list")
    updates = list(landed.fetched(client, principal=name))
    if as_json:
        terminal.emit({**found, "landings": updates})
        return
    keys = [f"{k['fingerprint']} since {terminal.when(k['enrolled_at'])}" + _revoked(k) for k in found["keys"]]
    rows = {k: found[k] for k in ("name", "kind", "role", "operator", "model_family", "uid")}
    rows["emails"], rows["keys"] = ", ".join(found["emails"]), "\n".join(keys) or "none"
    terminal.pairs(rows)
    landed.shown(updates)


def _revoked(key: dict[str, Any]) -> str:
    from governance.entrypoints import terminal

    return f", revoked {terminal.when(key['revoked_at'])}" if key["revoked_at"] is not None else ""


def retire(name: str, as_json: AsJson = False) -> None:
    """Retire a principal; its keys and tokens end at once."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("principal.retire", "/principals/retirement", {"name": name})
    terminal.emit(answer) if as_json else terminal.done(f"{name} is retired (entry {answer['entry']})")


def issue(
    principal: str,
    repo: Repo = "",
    days: Annotated[int, typer.Option(help="How long it is good for.")] = 30,
    keep: Annotated[
        Path | None, typer.Option(help="Keep it in the seat in this folder instead of printing it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a token for a principal, bound to one repository. It is shown once."""
    from governance.adapters.seat import Seat
    from governance.entrypoints import acting, terminal

    body = {"principal": principal, "repository": repo, "days": days}
    answer = acting.act("token.issue", "/tokens", body)
    if keep is not None:
        file = Seat(keep).keep_token(answer.pop("token"), repository=repo)
        answer["file"] = str(file)
    if as_json:
        terminal.emit(answer)
        return
    until = terminal.when(answer["expires_at"])
    terminal.done(f"token {answer['id']} for {principal}, good for {repo or 'no repository'} until {until} UTC")
    terminal.say(f"kept in {answer['file']}" if keep else f"\n    {answer['token']}\n", style="" if keep else "bold")


def list_tokens(as_json: AsJson = False) -> None:
    """List tokens by their public id."""
    from governance.entrypoints import acting, terminal

    items = acting.client().get("/tokens")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (t["id"], t["principal"], t["repository"] or "none", terminal.when(t["expires_at"]), _token_state(t))
        for t in items
    ]
    terminal.table(("id", "principal", "repository", "expires (UTC)", ""), rows, empty="no tokens yet")


def _token_state(token: dict[str, Any]) -> str:
    return f"revoked, entry {token['revoked_seq']}" if token["revoked_seq"] is not None else ""


def revoke_token(token_id: str, as_json: AsJson = False) -> None:
    """End a token at once: one's own, or any for the owner."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("token.revoke", "/tokens/revocation", {"id": token_id})
    said = f"token {token_id} of {answer['principal']} is revoked (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(said)
