"""Everything this package may raise, sorted by what the caller can do about it.

Each message says what was expected, what was found, and where. `code` is stable and meant for machines.
"""

from __future__ import annotations


class AuditError(Exception):
    """The root."""

    code = "audit.internal"


class EntryError(AuditError):
    """What was handed in (or read) is not an entry. Nothing was written; the caller can mend it."""

    code = "audit.entry"


class CanonicalError(EntryError):
    """Not in the subset of JSON that has exactly one spelling."""

    code = "audit.canonical"


class StoreError(AuditError):
    """The store did not take the command. Nothing was written, unless a subclass says otherwise."""

    code = "audit.store"


class LockedError(StoreError):
    """Another writer holds this ledger."""

    code = "audit.locked"


class BusyError(StoreError):
    """Too many commands are waiting. Nothing was written; ask again later."""

    code = "audit.busy"


class OutcomeUnknownError(StoreError):
    """The commit itself failed: the command took effect wholly or not at all. Read before asking again."""

    code = "audit.outcome_unknown"


class BrokenError(StoreError):
    """The writer has stopped for good. A person must look before it starts again."""

    code = "audit.broken"


class UnmarkedError(AuditError):
    """A ledger with entries but without its high-water mark: roll-back cannot be excluded."""

    code = "audit.unmarked"


class RollbackError(AuditError):
    """The ledger is shorter than it is known to have been."""

    code = "audit.rollback"


class ForkedError(AuditError):
    """The ledger is not a continuation of what it is known to have been."""

    code = "audit.forked"


class ProofError(AuditError):
    """A proof that does not prove what it is for, or is none."""

    code = "audit.proof"


class NoteError(AuditError):
    """A signed note, or a key for one, that is malformed or does not verify."""

    code = "audit.note"


class TrustError(AuditError):
    """A policy of logs and witnesses that cannot be read, or that a checkpoint does not satisfy."""

    code = "audit.trust"
