"""OpenPGP or SSH: each signature goes to the verifier of its kind, each key to its reader, by its first line alone.

What begins like neither goes to OpenPGP's framing, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from governance.adapters import gnupg_verifier
from governance.adapters.ssh_keys import inspect_ssh, is_ssh
from governance.adapters.ssh_verifier import SshVerifier
from governance.adapters.sshsig import BEGIN
from governance.refusals import SignatureRefused
from governance.signatures import CertificateInfo, Item, Purpose, Registry, SignatureVerifier, Verified


class EitherVerifier:
    """A `SignatureVerifier` for both kinds. Threads may share one."""

    def __init__(self, openpgp: SignatureVerifier) -> None:
        self._openpgp = openpgp
        self._ssh: SignatureVerifier = SshVerifier()

    def verify(
        self,
        payload: bytes,
        signature: bytes | None,
        registry: Registry,
        *,
        at: int,
        purpose: Purpose = Purpose.OBJECT,
    ) -> Verified:
        """Return who signed `payload`, judged at `at`; see `SignatureVerifier.verify`."""
        verifier = self._ssh if _by_ssh(signature) else self._openpgp
        return verifier.verify(payload, signature, registry, at=at, purpose=purpose)

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each item, in order; see `SignatureVerifier.verify_many`."""
        kinds = [_by_ssh(signature) for _, signature in items]
        answers = {
            kind: iter(
                verifier.verify_many([i for i, k in zip(items, kinds, strict=True) if k is kind], registry, at=at)
            )
            for kind, verifier in ((True, self._ssh), (False, self._openpgp))
        }
        return [next(answers[kind]) for kind in kinds]

    def close(self) -> None:
        """Let go of whatever runs on our behalf."""
        self._ssh.close()
        self._openpgp.close()


def inspect(data: bytes, *, at: int) -> CertificateInfo:
    """Return what a key of either kind holds, if it is one that we enrol; a `CertificateReader`.

    Raises:
        EnrolmentError: It is not.
    """
    return inspect_ssh(data, at=at) if is_ssh(data) else gnupg_verifier.inspect(data, at=at)


def _by_ssh(signature: bytes | None) -> bool:
    return signature is not None and signature.startswith(BEGIN)
