"""What the service does so that others can testify to its ledger: heartbeats, cosignatures, copies in repositories.

None of it delays a decision. What fails is logged and tried again; what a witness says that must not be is an alarm.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from audit import heartbeat, merkle, tree, trust_text
from audit.errors import AuditError
from audit.note import Key
from audit.trust import Policy
from audit.witness_client import Outcome, cosigned
from governance.adapters import checkpoint_ref, processes
from governance.adapters.settings import Settings
from governance.entrypoints.machine import CHECKPOINT
from governance.errors import GovernanceError, SettingsError
from governance.record import SERVICE
from governance.service import Service
from governance.severity import CRITICAL
from governance.state import read
from governance.tell import alerts

ROUND_S = 1.0
WITNESS_EVERY = 10
"""Rounds between two checkpoints that witnesses are asked about."""
REF_EVERY = 5
"""Rounds between two looks at whether a repository has a checkpoint."""
REF_MS = 10 * 60 * 1000
"""Milliseconds between two checkpoints in one repository: each is a commit that stays."""
ALARM_MS = 60 * 60 * 1000

log = structlog.get_logger()


class Evidence:
    """The clockwork. Remembers which sizes each witness has cosigned."""

    def __init__(self, service: Service, policy: Policy | None, underway: set[str]) -> None:
        self._service = service
        self._policy = policy
        self._underway = underway
        self._known: dict[Key, int] = {}
        self._shown: dict[str, int] = {}
        """When each repository was last given a checkpoint."""
        self._cosigned = ""
        self._alarmed: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        """Run until cancelled."""
        rounds = 0
        while True:
            for every, deed in ((WITNESS_EVERY, self.ask), (REF_EVERY, self.show)):
                if rounds % every == 0:
                    try:
                        await asyncio.to_thread(deed)
                    except Exception:
                        log.exception("evidence.failed", deed=deed.__name__)
            rounds += 1
            await asyncio.sleep(ROUND_S)

    def beat(self) -> None:
        """Say that nothing happened, where nothing did; and that the clock stepped back, where it did."""
        clock = self._service.clock()
        if heartbeat.due(self._service.ledger.head.ts, clock):
            self._service.ledger.run(lambda tx: heartbeat.beat(tx, clock, SERVICE))

    def ask(self) -> None:
        """Have the newest checkpoint cosigned, and keep what was signed."""
        with self._service.read() as tx:
            signed = tree.note(tx)
        if self._policy is None or signed is None or signed == self._cosigned:
            return
        found = cosigned(signed.encode(), self._policy, self._prove, known=self._known)
        size = int(signed.split("\n")[1])
        for answer in found.answers:
            if answer.outcome is Outcome.COSIGNED:
                self._known[self._policy.witnesses[answer.name].key] = size
            else:
                alarming = answer.outcome in {Outcome.AHEAD, Outcome.FORGOT, Outcome.REFUSED}
                if alarming:
                    self._alarm(answer.name, answer.outcome.value)
                told = log.error if alarming else log.warning
                told("witness.not_cosigned", witness=answer.name, outcome=answer.outcome.value, said=answer.said)
        if not found.reached:
            log.warning("witness.quorum_not_reached", size=size)
        self._service.ledger.run(lambda tx: tx.cosign(found.note.decode(), enough=found.reached))
        self._cosigned = found.note.decode() if found.reached else ""

    def _alarm(self, witness: str, outcome: str) -> None:
        """Have it told, once an hour: each alert is an entry, and asks for a checkpoint that this witness sees."""
        now = self._service.clock()
        if now - self._alarmed.get((witness, outcome), 0) >= ALARM_MS:
            self._alarmed[witness, outcome] = now
            said = f"witness {witness} says of our ledger: {outcome}"
            code, do = f"witness.{outcome}", "twinseal ledger verify; then ask who keeps the witness"
            self._service.ledger.run(lambda tx: alerts.raised(tx, CRITICAL, code, said, do=do))

    def show(self) -> None:
        """Put the newest checkpoint into every governed repository: every clone that fetches it is a witness.

        A frozen one lets nothing in; it has its turn as soon as it is thawed.
        """
        now = self._service.clock()
        with self._service.read() as tx:
            signed, repositories = tree.note(tx), read.repositories(tx)
        for repository in repositories:
            name = repository["name"]
            if signed is not None and now - self._shown.get(name, 0) >= REF_MS and not self._frozen(name):
                self._show(name, Path(repository["path"]), signed)
                if not self._frozen(name):  # While it was tried, perhaps.
                    self._shown[name] = now  # Also where it failed: a repository that is not ours stays that.

    def _frozen(self, name: str) -> bool:
        with self._service.read() as tx:
            return any(freeze.whole for freeze in read.freezes(tx, name, at=self._service.now(tx)))

    def _show(self, name: str, path: Path, signed: str) -> None:
        handle = CHECKPOINT + "{}-{}".format(*processes.this())
        self._underway.add(handle)
        try:
            checkpoint_ref.publish(path, signed, at=self._service.clock() // 1000, handle=handle)
        except (GovernanceError, OSError) as exc:
            log.warning("checkpoint.not_shown", repository=name, error=str(exc))
        finally:
            self._underway.discard(handle)

    def _prove(self, old: int, new: int) -> list[bytes]:
        with self._service.read() as tx:
            return merkle.consistency_proof(old, new, tree.nodes(tx, new))


def witnesses(settings: Settings) -> Policy | None:
    """Return whom to ask, as the settings name a policy file; None where they name none.

    Raises:
        SettingsError: The file cannot be read, or is no policy.
    """
    if not settings.witnesses:
        return None
    try:
        return trust_text.parse(Path(settings.witnesses).read_bytes())
    except (OSError, AuditError) as exc:
        raise SettingsError(f"witnesses: {settings.witnesses}: {exc}") from exc
