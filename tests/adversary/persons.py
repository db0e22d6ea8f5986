"""Persons with authenticator apps, before a real service whose policy asks them for codes."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

from builders import loose_policy
from governance.adapters import clock
from governance.parameters import ACTS
from governance.people import factors, having, totp
from playing import Answer, Ground, Member

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SET_UP = {"roster", "repository"}
"""What this service asks no factor for, so that a test can begin."""


def asking_ground(folder: Path) -> Ground:
    """Return a running service that asks for everything but what sets it up."""
    policy = loose_policy(folder / "policy")
    acts = ", ".join(sorted(set(ACTS) - SET_UP))
    policy.write_text(re.sub(r"(?m)^second_factor: .*$", f"second_factor: {{acts: [{acts}]}}", policy.read_text()))
    return Ground(folder, policy=policy)


class Person(Member):
    """An owner with an app. Their codes: one enrols it, the next is for the test."""

    def __init__(self, ground: Ground, name: str) -> None:
        super().__init__(ground, name)
        self.secret = hashlib.sha256(f"{name} {clock.nonce()}".encode()).digest()[: totp.SECRET_BYTES]
        self._step = 0

    @classmethod
    def enrolled(cls, ground: Ground, name: str, *, role: str = "owner") -> Person:
        """Invite somebody, who brings a key and an app at once."""
        person = cls(ground, name)
        answer = person.enroll(ground.add(name, role=role).done["secret"])
        assert answer.status == 201, answer.raw
        ground.members[name] = person
        done = person.enroll_app()
        assert done.status == 201, done.raw
        return person

    def enroll_app(self, type_: str = "factor.enroll", **more: Any) -> Answer:  # noqa: ANN401 - JSON
        """Enrol the app with the code of now."""
        self._step = clock.now() // totp.STEP_MS
        body = {"kind": "totp", "label": "phone", "factor": factors.identifier(self.secret)}
        text = base64.b32encode(self.secret).decode()
        said = self.signed(type_, body) | {"secret": text, "code": self.code(0)} | more
        return self.ground.ask("POST", "/factors", said, token=self.tokens[""])

    def code(self, ahead: int = 1) -> str:
        """Return the code of the step after the one that enrolled the app: good once, for about a minute."""
        return totp.at(self.secret, self._step + ahead)

    def raising(self, sooner: int = 0) -> dict[str, str]:
        """Return a statement that needs a code: a limit raised for some twenty minutes."""
        until = clock.now() + 20 * 60_000 - sooner
        return self.signed(
            "limit.raise", {"role": "dev-a", "action": "push", "hour": 10_000, "day": 100_000, "until": until}
        )

    def raises(self, said: Mapping[str, str]) -> Answer:
        """Hand it in."""
        return self.ground.ask("POST", "/limits", said, token=self.tokens[""])

    def asks(self, *items: Mapping[str, str]) -> Answer:
        """Open a prompt."""
        return self.ground.ask("POST", "/prompts", {"items": list(items)}, token=self.tokens[""])

    def answers(self, prompt: Mapping[str, Any], code: str, *, digest: str = "", token: str = "") -> Answer:
        """Answer one."""
        body = {"digest": digest or prompt["digest"], "code": code}
        path = f"/prompts/{prompt['prompt']}/answer"
        return self.ground.ask("POST", path, body, token=token or self.tokens[""])

    def wrong(self) -> str:
        """Return a code that no app shows about now."""
        shown = {totp.at(self.secret, clock.now() // totp.STEP_MS + drift) for drift in range(-3, 6)}
        return next(code for code in (f"{n:06d}" for n in range(100)) if code not in shown)


def codes_of(answers: Sequence[Answer]) -> list[str]:
    """Return what each was refused with, sorted; empty for what was not."""
    return sorted(answer.code for answer in answers)


__all__ = ["Person", "asking_ground", "codes_of", "having"]
