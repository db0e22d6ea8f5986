"""What goes over HTTP, in and out, with examples for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64, examples=["dev-a"])]
Armored = Annotated[str, Field(max_length=16384, examples=["-----BEGIN PGP SIGNATURE-----\n..."])]


class Strict(BaseModel):
    """Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class SignedStatement(Strict):
    """A canonical statement and its detached signature: OpenPGP, or SSH in the namespace `twinseal`."""

    statement: Annotated[
        str,
        Field(
            max_length=16384,
            examples=['{"at":1793000000000,"body":{},"by":"owner","log":"example.org","nonce":"00","type":"..."}'],
        ),
    ]
    signature: Armored


class KeyRequest(Strict):
    """A public key that someone wants to enrol."""

    certificate: Annotated[
        str,
        Field(max_length=90000, description="The public key: OpenPGP armored, or binary in base64; or an SSH line."),
    ]
    ends: Annotated[
        int | None, Field(ge=0, lt=2**53, description="When an SSH key shall end, in seconds since the epoch.")
    ] = None


class ChallengeRequest(KeyRequest):
    """A public key, with the enrolment secret; for a rotation, a token in the header instead."""

    secret: Annotated[str, Field(max_length=200)] = ""


class Challenge(Strict):
    """What to sign with the new key, and for whom."""

    log: Annotated[str, Field(examples=["localhost/twinseal"])]
    nonce: str
    fingerprint: Annotated[str, Field(examples=["9F2C..."])]


class EnrolRequest(KeyRequest):
    """An invitation redeemed: the secret, the key, and the proof that it is held."""

    secret: Annotated[str, Field(min_length=20, max_length=200)]
    nonce: Annotated[str, Field(max_length=64)]
    proof: Armored
    name: Annotated[str, Field(max_length=64, description="For the first owner only.")] = ""
    emails: Annotated[list[str], Field(max_length=10, description="For the first owner only.")] = []


class Enrolled(Strict):
    """Who was enrolled, and the seat's own token: shown once."""

    principal: Name
    fingerprint: str
    token: str
    entry: int


class RotateRequest(SignedStatement, KeyRequest):
    """A statement by the old key, a proof by the new one."""

    nonce: Annotated[str, Field(max_length=64)]
    proof: Armored


class FactorRequest(SignedStatement):
    """A new authenticator app: its secret, a code of it, and a recovery code where no other factor is left."""

    secret: Annotated[str, Field(min_length=32, max_length=64, description="In base32, 160 bits.")]
    code: Annotated[str, Field(max_length=16, description="What the app shows now.")]
    recovery: Annotated[str, Field(max_length=64)] = ""


class PromptRequest(Strict):
    """Statements that need a second factor, to be shown and approved together."""

    items: Annotated[
        list[SignedStatement], Field(min_length=1, max_length=20, description="As they will be handed in.")
    ]


class AnswerRequest(Strict):
    """An approval: the digest that was shown, typed back, and a code or a passkey's assertion."""

    digest: Annotated[str, Field(max_length=16, examples=["7k3m9x"])]
    code: Annotated[str, Field(max_length=16, examples=["123456"])] = ""
    assertion: Annotated[dict[str, Any] | None, Field(max_length=20, description="As a browser gives it.")] = None


class DenyRequest(Strict):
    """Why not; may be empty."""

    reason: Annotated[str, Field(max_length=200, description="In a few words.")] = ""


class Done(Strict):
    """What was recorded, and under which entry. `done` names what the act was about; some answers hold a secret."""

    entry: Annotated[int, Field(description="The ledger entry that records it.", examples=[57])]
    done: dict[str, Any]


class Listing(Strict):
    """Rows of one kind."""

    items: list[dict[str, Any]]


class Problem(BaseModel):
    """RFC 9457, with a stable code."""

    type: Annotated[str, Field(examples=["urn:twinseal:sign_off.not_eligible"])]
    title: str
    status: int
    detail: Annotated[str, Field(examples=["dev-a contributed to the change"])]
    code: Annotated[str, Field(examples=["sign_off.not_eligible"])]
    mend: str = ""
