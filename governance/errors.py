"""Everything this package may raise, sorted by what the caller can do about it.

Refusing a push is not an error: it is a `Decision`. An error means that we could not find out,
could not decide, or were asked for something that cannot be; every one of them ends in refusal.
"""

from __future__ import annotations


class GovernanceError(Exception):
    """The root. `code` is stable and meant for machines; the message is meant for people.

    `mend` says what to do next, where we know it.
    """

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, mend: str = "") -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.mend = mend


class SettingsError(GovernanceError):
    """We cannot start; the message names the setting."""

    code = "settings.invalid"


class PolicyError(GovernanceError):
    """A policy that cannot be put in force. Carries where, and how to mend it."""

    code = "policy.invalid"

    def __init__(self, message: str, *, file: str = "", line: int = 0, mend: str = "") -> None:
        super().__init__(f"{file}:{line}: {message}" if file else message, mend=mend)
        self.file = file
        self.line = line


class PolicySyntaxError(PolicyError):
    """Not the YAML we read: anchors, duplicate keys, several documents, odd bytes."""

    code = "policy.syntax"


class PolicyContentError(PolicyError):
    """Readable, but it says something a policy must not say. `problems` lists every one found."""

    code = "policy.content"

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, mend: str = "", problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, file=file, line=line, mend=mend)
        self.problems = problems or (str(self),)


class FactsError(GovernanceError):
    """The world would not tell us what we must know: malformed, missing or contradictory facts."""

    code = "facts.malformed"


class ObjectError(FactsError):
    """Bytes that call themselves a commit or a tag and are not one."""

    code = "facts.object"


class SignatureToolError(FactsError):
    """A signature tool broke; this says nothing about the signature."""

    code = "facts.signature_tool"


class RequestError(GovernanceError):
    """What was asked cannot be done: unknown name, wrong state, stale statement. The caller can mend it."""

    code = "request.invalid"


class NotFoundError(RequestError):
    """Nothing by that name here (or nothing that the caller may see)."""

    code = "request.not_found"


class ConflictError(RequestError):
    """It exists already, was used already, or moved since it was shown."""

    code = "request.conflict"


class DeniedError(RequestError):
    """Who asks is not known, or may not."""

    code = "request.denied"


class UnauthenticatedError(DeniedError):
    """No identity was presented, or not a valid one."""

    code = "request.unauthenticated"


class FactorError(DeniedError):
    """A second factor that was shown, and does not count.

    It is recorded in the very transaction that looked at it, so that no number of guesses at once is looked at before
    the first of them is counted.
    """

    code = "factor.wrong"


class EnrolmentError(RequestError):
    """A key or a certificate that we will not enrol."""

    code = "key.refused"


class UnavailableError(GovernanceError):
    """The service cannot be reached or cannot answer now; nothing was changed."""

    code = "service.unavailable"


class RecordError(GovernanceError):
    """The decision could not be written down, so it does not stand."""

    code = "record.failed"
