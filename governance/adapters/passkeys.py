"""Passkeys (WebAuthn level 3) of one relying party: what a browser is asked for, and what it may answer.

py_webauthn checks what section 7 of the standard lists. Beside it we refuse what it lets pass: answers made within
another site's frame, a user handle or a credential of somebody else, and whatever is larger than any real answer.
Attestation is not asked for: which make of authenticator a person has is theirs to choose.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, options_to_json_dict, structs

from governance.refusals import FactorRefused

SIZE_LIMIT = 16 * 1024
"""Characters of an answer, as JSON."""
TIMEOUT_MS = 5 * 60 * 1000
"""How long a browser waits for its person: as long as a prompt lives."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for. `id` is empty where there can be none: that takes a name, and TLS beyond loopback."""

    id: str
    origins: tuple[str, ...]

    @classmethod
    def of(cls, url: str) -> RelyingParty:
        """Return the relying party at a public address; a loopback address counts as `localhost`."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
        if _loopback(host):
            return cls("localhost", (f"{parts.scheme}://localhost{port}",))
        if parts.scheme != "https" or not host or _address(host):
            return cls("", ())
        return cls(host, (f"https://{host}{port}",))


def _address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _loopback(host: str) -> bool:
    return host == "localhost" or (_address(host) and ipaddress.ip_address(host).is_loopback)


class Passkeys:
    """Makes and checks passkeys of one log at one address. Keeps nothing."""

    def __init__(self, log: str, url: str) -> None:
        self._log = log
        self._party = RelyingParty.of(url)

    @property
    def party(self) -> str:
        """The name that passkeys are made for; empty where there can be none."""
        return self._party.id

    def wanted(self, name: str, *, challenge: bytes, known: Iterable[str]) -> dict[str, Any]:
        """Return what a browser is to make a passkey with. `known` are those this person has.

        Raises:
            FactorRefused: There can be none at this address.
        """
        self._possible()

        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=f"Twinseal · {self._log}",
            user_id=self._handle(name),
            user_name=name,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(base64url_to_bytes(each)) for each in known],
        )
        return dict(options_to_json_dict(options))

    def asked(self, *, challenge: bytes, known: Iterable[str] = ()) -> dict[str, Any]:
        """Return what a browser is to sign; with one of `known`, or with whichever its person picks.

        Raises:
            FactorRefused: There can be none at this address.
        """
        self._possible()

        options = generate_authentication_options(
            rp_id=self._party.id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=[structs.PublicKeyCredentialDescriptor(base64url_to_bytes(each)) for each in known],
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return dict(options_to_json_dict(options))

    def made(self, name: str, credential: Mapping[str, Any], *, challenge: bytes) -> tuple[dict[str, Any], int]:
        """Return what is kept of a new passkey, and its sign count.

        Raises:
            FactorRefused: It was not made for this challenge, here, by a person whom the authenticator verified.
        """
        self._possible()

        answer = _plain(credential)
        try:
            found = verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=list(self._party.origins),
                require_user_verification=True,
            )
            _not_framed(answer)
        except FactorRefused:
            raise
        except Exception as exc:  # Whatever a stranger's bytes make a parser of CBOR, JSON or keys say.
            raise FactorRefused(f"this is no passkey for {self._party.id}: {exc}") from exc
        public = {
            "id": bytes_to_base64url(found.credential_id),
            "key": bytes_to_base64url(found.credential_public_key),
            "user": bytes_to_base64url(self._handle(name)),
            "synced": found.credential_backed_up,
            "aaguid": found.aaguid,
        }
        return public, found.sign_count

    def verify(self, public: Mapping[str, Any], credential: Mapping[str, Any], *, challenge: bytes, count: int) -> int:
        """Return the new sign count of a passkey that signed this challenge, here, its person verified.

        Raises:
            FactorRefused: It did not; or its count did not rise, as that of a copy would not.
        """
        self._possible()

        answer = _plain(credential)
        try:
            found = verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=list(self._party.origins),
                credential_public_key=base64url_to_bytes(public["key"]),
                credential_current_sign_count=count,
                require_user_verification=True,
            )
            _theirs(public, answer, found.credential_id)
            _not_framed(answer)
        except FactorRefused:
            raise
        except Exception as exc:  # As above.
            raise FactorRefused(f"the passkey did not sign this: {exc}") from exc
        return found.new_sign_count

    def _possible(self) -> None:
        if not self._party.id:
            raise FactorRefused("passkeys take a public address with a name, over https (TWINSEAL_URL)")

    def _handle(self, name: str) -> bytes:
        """Return what an authenticator knows a person by: no name, as the standard wants it."""
        return hashlib.sha256(f"twinseal passkey\n{self._log}\n{name}".encode()).digest()


def _plain(credential: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer as the plain JSON it came as, if it has a size that real ones have."""
    try:
        text = json.dumps(credential)
    except (TypeError, ValueError, RecursionError) as exc:
        raise FactorRefused("this is no answer of a passkey") from exc
    if len(text) > SIZE_LIMIT:
        raise FactorRefused(f"an answer of a passkey has at most {SIZE_LIMIT} characters")
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("response"), dict):
        raise FactorRefused("this is no answer of a passkey")
    return found


def _theirs(public: Mapping[str, Any], answer: Mapping[str, Any], credential: bytes) -> None:
    """Refuse the answer of another passkey, or of one that was made for somebody else."""
    if credential != base64url_to_bytes(public["id"]):
        raise FactorRefused("this is the answer of another passkey")
    handle = answer["response"].get("userHandle")
    if handle and base64url_to_bytes(handle) != base64url_to_bytes(public["user"]):
        raise FactorRefused("this passkey was made for somebody else")


def _not_framed(answer: Mapping[str, Any]) -> None:
    """Refuse what was made within another site's frame (WebAuthn 7.2, steps 11 and 12), which the library lets pass."""
    client = json.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))
    if client.get("crossOrigin") or "topOrigin" in client:
        raise FactorRefused("this passkey was used within another site's page")
