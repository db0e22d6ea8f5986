"""A service whose policy asks persons for second factors, with apps that show codes; for tests of factors."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from builders import a_policy
from governance.errors import UnavailableError
from governance.parameters import ACTS, SecondFactor
from governance.people import having, prompts, totp
from governance.people.factors import Code
from governance.policy_text import describe, from_meaning
from service_world import FAR_OFF, LOG, ServiceWorld

if TYPE_CHECKING:
    from governance.people.statements import Statement
    from governance.policy import Policy

STEP = totp.STEP_MS
MINUTE = 60_000
HOUR = 60 * MINUTE


def asking(*acts: str, **numbers: int) -> Policy:
    """Return a policy that asks for these acts, or for all, loosened otherwise."""
    section = SecondFactor(acts=tuple(sorted(acts)) or ACTS, **numbers)
    plain = a_policy()
    controls = replace(plain.controls, second_factor=section)
    return from_meaning(describe(replace(plain, controls=controls)))


class ProcessVault:
    """A vault whose key is this test's own."""

    def __init__(self) -> None:
        self._key = AESGCM(hashlib.sha256(b"a test's vault").digest())

    def seal(self, named: str, secret: bytes) -> str:
        return base64.b64encode(self._key.encrypt(b"\0" * 12, secret, named.encode())).decode()

    def open(self, named: str, text: str) -> bytes:
        try:
            return self._key.decrypt(b"\0" * 12, base64.b64decode(text), named.encode())
        except InvalidTag as exc:
            raise UnavailableError(f"{named} was not sealed here") from exc


class FactorWorld(ServiceWorld):
    """People with authenticator apps: `self.apps` holds their secrets."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as the world takes them
        super().__init__(*args, **{"policy": asking(), **more})
        self.service.vault = ProcessVault()
        self.apps: dict[str, bytes] = {}
        self.codes: dict[str, list[str]] = {}
        """Their first recovery codes."""

    def secret(self, name: str, *, number: int = 0) -> bytes:
        return hashlib.sha256(f"{name} {number}".encode()).digest()[: totp.SECRET_BYTES]

    def code(self, name: str, drift: int = 0) -> str:
        """Return what a person's app shows now, or some steps off."""
        return totp.at(self.apps[name], self.now // STEP + drift)

    def enroll(self, name: str, *, number: int = 0, type_: str = "factor.enroll", **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """Enrol an app of this person by a statement; the code that proves it is of the step before."""
        secret = self.secret(name, number=number)
        body = {"kind": "totp", "label": "phone", "factor": having.factors.identifier(secret)}
        return self.enroll_as(name, secret, self.said(type_, name, body), **more)

    def enroll_as(self, name: str, secret: bytes, said: Statement | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        text = base64.b32encode(secret).decode()
        code = more.pop("code", totp.at(secret, self.now // STEP - 1))
        seeds = (f"{secret.hex()} {number}".encode() for number in range(having.CODES))
        codes = [having.recovery_code(hashlib.sha256(seed).digest()) for seed in seeds]
        done = having.enroll(
            self.service,
            self.caller(name),
            lambda now: having.app(text, code, label="phone", now=now),
            codes=codes,
            statement=said,
            **more,
        )
        self.apps[name] = secret
        self.codes.setdefault(name, done["recovery_codes"])
        return done

    def ask(self, *statements: Statement) -> dict[str, Any]:
        """Open a prompt for statements of one person."""
        return prompts.open_prompt(self.service, self.caller(statements[0].by), statements)

    def approve(self, prompt: dict[str, Any], by: str, *, code: str = "", typed: str = "") -> dict[str, Any]:
        """Answer a prompt with the code of now."""
        proof = Code(code or self.code(by))
        typed = typed or prompt["digest"]
        return prompts.answer(
            self.service, self.caller(by), prompt["prompt"], typed=typed, proof=proof, channel="terminal"
        )

    def later(self, ms: int = STEP) -> None:
        self.now += ms


__all__ = ["FAR_OFF", "HOUR", "LOG", "MINUTE", "STEP", "FactorWorld", "asking"]
