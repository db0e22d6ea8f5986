"""`witness`: run one for other people's ledgers; it cosigns checkpoints that continue what it has seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from governance.entrypoints.cli.options import AsJson, group


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    witness = group(app, "witness", "Witness ledgers: cosign checkpoints that continue what was seen.")
    witness.command("serve")(serve)
    witness.command("key")(key)


State = Annotated[Path, typer.Option("--state", help="The witness's own folder: its key, and what it has cosigned.")]


def serve(
    state: State,
    logs: Annotated[Path, typer.Option("--logs", help="A file with a line `log <vkey>` for each log.")],
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT.")],
    name: Annotated[str, typer.Option("--name", help="Its name; given once, at its first start.")] = "",
    as_json: AsJson = False,
) -> None:
    """Cosign for these logs until told to stop; the first start makes the key."""
    from governance.entrypoints import binding, terminal, witnessing

    address = binding.address(listen)
    ready = witnessing.prepared(state, logs, name)

    def begun(url: str) -> None:
        line = f"witness {ready.signer.name} {ready.signer.key} {url}"
        origins = sorted({each.name for each in ready.logs})
        if as_json:
            about = {"name": ready.signer.name, "vkey": str(ready.signer.key), "url": url}
            terminal.emit({**about, "policy_line": line, "logs": origins, "new": ready.new})
        else:
            terminal.done(f"witness {ready.signer.name} {'made its key and ' if ready.new else ''}answers at {url}")
            terminal.say(f"It cosigns for: {', '.join(origins)}")
            _next(line)
        # Whoever waits for this line has it now, also through a pipe.
        sys.stdout.flush()

    witnessing.serve(ready, address, tell=_told, begun=begun)


def key(state: State, as_json: AsJson = False) -> None:
    """Print the witness's public key again."""
    from governance.entrypoints import terminal, witnessing

    signer = witnessing.key_of(state)
    if as_json:
        line = f"witness {signer.name} {signer.key}"
        terminal.emit({"name": signer.name, "vkey": str(signer.key), "policy_line": line})
        return
    terminal.say(str(signer.key))
    _next(f"witness {signer.name} {signer.key} URL")


def _next(line: str) -> None:
    from governance.entrypoints import terminal

    terminal.say("Next: whoever trusts it has this line in the policy file, above `quorum`:")
    terminal.say(f"  {line}")


def _told(text: str) -> None:
    from governance.entrypoints import terminal

    mend = "Nothing was cosigned. See to the disk under --state, then start it again."
    terminal.failed(text, code="witness.store", mend=mend, as_json=False)
