"""Verifies OpenPGP signatures in this process, with Sequoia: some fifty times quicker than a gpg for each commit.

Sequoia judges a key at the time that the signature claims, so it accepts a signature dated back to before a key
expired or was retired; and it reads the first packet of the first armor only. Hence the order here: framing, then
our own judgement at receive time, then the mathematics, with exactly one certificate and one packet.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from threading import Lock
from typing import Any

import pysequoia

from governance.adapters.openpgp import Signature, admit
from governance.errors import SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Item, Purpose, Registry, Verified

IN_PROCESS = 300
"""Signatures verified here; more go to a worker process, since the library holds the interpreter lock throughout."""

CERTIFICATES_KEPT = 512
"""Parsed certificates kept in memory, a few KiB each."""


class SequoiaVerifier:
    """A `SignatureVerifier`. Threads may share one."""

    def __init__(self, *, in_process: int = IN_PROCESS) -> None:
        self._in_process = in_process
        self._certificates: OrderedDict[bytes, pysequoia.Cert] = OrderedDict()
        self._pool: ProcessPoolExecutor | None = None
        self._starting = Lock()

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
        del purpose  # An OpenPGP signature names none: what it is over must say what it is.
        framed, key = admit(payload, signature, registry, at=at)
        primary, signer = _signed_by(payload, framed, self._certificate(key))
        if primary != key.fingerprint or signer != framed.issuer:
            raise SignatureRefused("signature.other_key", f"Expected {framed.issuer}, got {signer}.")
        return Verified(primary, signer, framed.created)

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each item, in order; see `SignatureVerifier.verify_many`."""
        if len(items) <= self._in_process:
            return [self._answer(payload, signature, registry, at) for payload, signature in items]
        try:
            return self._worker_pool().submit(_verify_in_worker, list(items), dict(registry), at).result()
        except BrokenProcessPool:
            self.close()
            raise SignatureToolError(f"the verifying process died over {len(items)} signatures") from None

    def close(self) -> None:
        """End the worker process if there is one."""
        with self._starting:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _worker_pool(self) -> ProcessPoolExecutor:
        with self._starting:
            if self._pool is None:
                # Spawned, because a fork would copy the locks of threads that are not in it.
                self._pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
            return self._pool

    def _answer(
        self, payload: bytes, signature: bytes | None, registry: Registry, at: int
    ) -> Verified | SignatureRefused:
        try:
            return self.verify(payload, signature, registry, at=at)
        except SignatureRefused as refused:
            return refused.with_traceback(None)  # Which would keep every payload alive.

    def _certificate(self, key: EnrolledKey) -> pysequoia.Cert:
        digest = hashlib.sha256(key.certificate).digest()
        certificate = self._certificates.pop(digest, None) or _parse(key)
        self._certificates[digest] = certificate
        if len(self._certificates) > CERTIFICATES_KEPT:
            self._certificates.popitem(last=False)
        return certificate


@cache
def _worker() -> SequoiaVerifier:
    return SequoiaVerifier()


def _verify_in_worker(items: list[Item], registry: Registry, at: int) -> list[Verified | SignatureRefused]:
    worker = _worker()
    return [worker._answer(payload, signature, registry, at) for payload, signature in items]  # noqa: SLF001 - our own


def _parse(key: EnrolledKey) -> pysequoia.Cert:
    try:
        certificate = pysequoia.Cert.from_bytes(key.certificate)
    except RuntimeError:
        raise SignatureToolError(f"key {key.fingerprint} of {key.principal}: its certificate is unreadable") from None
    if certificate.fingerprint.upper() != key.fingerprint:
        raise SignatureToolError(
            f"key of {key.principal}: expected certificate {key.fingerprint}, got {certificate.fingerprint.upper()}"
        )
    return certificate


def _signed_by(payload: bytes, framed: Signature, certificate: pysequoia.Cert) -> tuple[str, str]:
    """Return the primary and the signing fingerprint of the one valid signature."""
    found = _valid_signatures(payload, framed, certificate)
    if found is None:
        raise SignatureRefused("signature.bad")
    if len(found) != 1:
        raise SignatureRefused("signature.not_one", f"Got {len(found)} valid signatures.")
    return found[0].certificate.upper(), found[0].signing_key.upper()


def _valid_signatures(payload: bytes, framed: Signature, certificate: pysequoia.Cert) -> list[Any] | None:
    """Return what verified, or None where nothing did; the library says no more than a backtrace, kept in here."""
    try:
        signature = pysequoia.Sig.from_bytes(framed.packet)
        return pysequoia.verify(bytes=payload, store=lambda _ids: [certificate], signature=signature).valid_sigs
    except RuntimeError:
        return None
    except BaseException as error:
        # A Rust panic is no Exception, and must not end the thread that serves everybody.
        if type(error).__name__ == "PanicException":
            raise SignatureToolError("the signature library panicked") from None
        raise
