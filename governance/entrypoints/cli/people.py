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
    token = group(app, "token", "Issue, rotate, list and revoke tokens.")
    token.command("issue")(issue)
    token.command("rotate")(rotate)
    token.command("list")(list_tokens)
    token.command("revoke")(revoke_token)


def add(  # noqa: PLR0913 - one for each option
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Who; several are approved together.")],
    role: Annotated[str, typer.Option(help="A role of the policy, such as dev-a; its own name, if not named.")] = "",
    email: Annotated[list[str] | None, typer.Option(help="An address it commits with; may be repeated.")] = None,
    email_domain: Annotated[str, typer.Option(help="Instead: each commits with NAME@ this domain.")] = "",
    operator: Annotated[str, typer.Option(help="The person who runs an agent; you, if not named.")] = "",
    model_family: Annotated[str, typer.Option(help="For agents: which family of models.")] = "",
    delegate: Annotated[list[str] | None, typer.Option(help="Who may sign what it wrote.")] = None,
    uid: Annotated[int | None, typer.Option(help="Its uid on the git host, for the file transport.")] = None,
    secret_to: SecretTo = None,
    secrets_to: Annotated[Path | None, typer.Option(help="Write each secret to NAME.secret in this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enrol principals; prints the secret by which each brings its key."""
    from governance.entrypoints import acting, terminal

    if len(names) > 1 and (email or secret_to or uid is not None):
        raise typer.BadParameter("of several, say --email-domain and --secrets-to")
    if bool(email) == bool(email_domain):
        raise typer.BadParameter("say --email or --email-domain")
    deeds = [
        acting.Deed(
            "principal.add",
            "/principals",
            {
                "name": name,
                "role": role or name,
                "operator": operator,
                "model_family": model_family,
                "emails": email or [f"{name}@{email_domain}"],
                "delegates": delegate or [],
                "uid": uid,
            },
        )
        for name in names
    ]
    answers = acting.together(deeds)
    if secrets_to is not None:
        secrets_to.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, answer in zip(names, answers, strict=True):
        _hand_over(answer, secrets_to / f"{name}.secret" if secrets_to else secret_to)
    if as_json:
        terminal.emit(answers[0] if len(names) == 1 else answers)
        return
    for name, answer in zip(names, answers, strict=True):
        terminal.done(f"{name} is enrolled as {answer['role']} (entry {answer['entry']})")
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
    plain = ("name", "kind", "role", "operator", "model_family", "uid")
    rows = {k.replace("_", " "): found[k] for k in plain if found[k] not in {"", None}}
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
    scope: Annotated[str, typer.Option(help="act, or read: good for looking and fetching alone.")] = "act",
    keep: Annotated[
        Path | None, typer.Option(help="Keep it in the seat in this folder instead of printing it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a token for a principal, bound to one repository. It is shown once."""
    from governance.adapters.seat import Seat
    from governance.entrypoints import acting, terminal

    body = {"principal": principal, "repository": repo, "days": days, "scope": scope}
    answer = acting.act("token.issue", "/tokens", body)
    if keep is not None:
        file = Seat(keep).keep_token(answer.pop("token"), repository=repo)
        answer["file"] = str(file)
    if as_json:
        terminal.emit(answer)
        return
    until = terminal.when(answer["expires_at"])
    what = f"{'good' if scope == 'act' else 'to read'} for {repo or 'no repository'}"
    terminal.done(f"token {answer['id']} for {principal}, {what} until {until} UTC")
    terminal.say(f"kept in {answer['file']}" if keep else f"\n    {answer['token']}\n", style="" if keep else "bold")


def rotate(
    repo: Repo = "",
    id_: Annotated[str, typer.Option("--id", help="Another token than this seat's own for that repository.")] = "",
    days: Annotated[int, typer.Option(help="Owners: how long the new one is good for; else as long as the old.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Replace this seat's token (for one repository with --repo): the old one ends at once."""
    from governance.entrypoints import acting, terminal
    from governance.people.principals import secret_digest

    here = acting.seat()
    old = id_ or secret_digest(here.token(repo))[:12]
    said = {"id": old, "days": days} if days else {"id": old}
    answer = acting.act("token.rotate", "/tokens/rotation", said)
    if not id_:
        answer["file"] = str(here.keep_token(answer.pop("token"), repository=repo))
    if as_json:
        terminal.emit(answer)
        return
    until = terminal.when(answer["expires_at"])
    terminal.done(f"token {answer['id']} replaces {old}, until {until} UTC (entry {answer['entry']})")
    terminal.say(
        f"kept in {answer['file']}" if not id_ else f"\n    {answer['token']}\n", style="" if not id_ else "bold"
    )


def list_tokens(as_json: AsJson = False) -> None:
    """List tokens by their public id."""
    from governance.entrypoints import acting, terminal

    items = acting.client().get("/tokens")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            t["id"],
            t["principal"],
            t["repository"] or "none",
            t["scope"],
            terminal.when(t["expires_at"]),
            _token_state(t),
        )
        for t in items
    ]
    terminal.table(("id", "principal", "repository", "scope", "expires (UTC)", ""), rows, empty="no tokens yet")


def _token_state(token: dict[str, Any]) -> str:
    return f"revoked, entry {token['revoked_seq']}" if token["revoked_seq"] is not None else ""


def revoke_token(token_id: str, as_json: AsJson = False) -> None:
    """End a token at once: one's own, or any for the owner."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("token.revoke", "/tokens/revocation", {"id": token_id})
    said = f"token {token_id} of {answer['principal']} is revoked (entry {answer['entry']})"
    terminal.emit(answer) if as_json else terminal.done(said)
