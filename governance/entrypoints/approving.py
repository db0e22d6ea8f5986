"""How a person approves what a command wants: shown here whole, answered here, or waited for from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from governance.adapters.client import Client
from governance.errors import DeniedError

EVERY_S = 0.5
TRIES = 3
"""Codes that are asked for before a command gives up; the service counts them too."""

AGAIN = frozenset({"factor.wrong", "factor.used", "prompt.digest"})
OPEN = "open"
NO_CODE = "-"


class OverError(DeniedError):
    """A prompt that was denied, or ran out."""


def approve(client: Client, items: Sequence[Mapping[str, str]]) -> None:
    """Open a prompt for these statements and return once it is approved.

    Raises:
        DeniedError: It was denied, or ran out.
        GovernanceError: As the service refused.
    """
    from governance.entrypoints import terminal

    prompt = client.post("/prompts", {"items": list(items)})["done"]
    number = prompt["prompt"]
    show(prompt, where=terminal.tell)
    try:
        if terminal.interactive():
            prompt = answered(client, prompt)
        if prompt["state"] == OPEN:
            who = f"{prompt['needs']} persons" if prompt["needs"] > 1 else prompt["for"]
            terminal.tell(f"Waits for {who}. There:  twinseal otp verify {number}")
        wait(client, number)
    except BaseException as exc:
        if not isinstance(exc, OverError):
            terminal.tell(
                f"\nGiven up: what prompt {number} approves is handed in by nobody now. It runs out by itself;"
            )
            terminal.tell(f"at once:  twinseal otp verify {number} --deny   Then run the command again.")
        raise


def show(prompt: Mapping[str, Any], *, where: Any) -> None:  # noqa: ANN401 - how to print a line
    """Print everything that is asked, and its digest."""
    from governance.entrypoints import terminal

    where(f"\nPrompt {prompt['prompt']} needs a second factor, until {terminal.when(prompt['expires_at'])} UTC")
    where("\n".join(f"  {line}" for line in prompt["shown"].split("\n")))
    if prompt["approved_by"]:
        where(f"  approved by: {', '.join(prompt['approved_by'])}")
    where(f"  digest: {prompt['digest']}\n")


def answered(client: Client, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for digest and code until they are good; return the prompt as it then stands.

    Raises:
        GovernanceError: As the service refused, after three tries or at once.
    """
    from governance.entrypoints import terminal
    from governance.people.prompts import normal

    for left in reversed(range(TRIES)):
        digest = terminal.asked("Type the digest, if that is what you want")
        # No code is spent on another digest: the service looks at that first, and says what is wrong.
        code = terminal.asked("Code") if normal(digest) == prompt["digest"] else NO_CODE
        try:
            return handed_in(client, prompt["prompt"], digest, code)
        except DeniedError as exc:
            if exc.code not in AGAIN or not left:
                raise
            mend = "" if exc.code == "prompt.digest" else exc.mend
            terminal.failed(str(exc), code=exc.code, mend=mend, as_json=False)
            terminal.tell("once more" if left == 1 else f"{left} more tries")
    raise AssertionError


def handed_in(client: Client, number: int, digest: str, code: str) -> dict[str, Any]:
    """Answer a prompt; return it as it then stands."""
    return dict(client.post(f"/prompts/{number}/answer", {"digest": digest, "code": code})["done"])


def wait(client: Client, number: int) -> None:
    """Wait until a prompt is approved.

    Raises:
        OverError: It was denied, or ran out.
    """
    while True:
        state = client.get(f"/prompts/{number}")["state"]
        if state == "approved":
            return
        if state != OPEN:
            raise OverError(f"prompt {number} is {state}", code=f"prompt.{state}", mend="Nothing was done.")
        time.sleep(EVERY_S)
