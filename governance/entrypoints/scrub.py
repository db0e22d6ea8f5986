"""The deep check: ledger and state verified behind the running service, soon after it starts and once a day.

A start looks at the end only, so that it takes no longer with a million entries than with a thousand. This looks at all
of them, and folds them again beside the state tables, in processes of their own and at the lowest priority. What was
tampered with, an entry or a row (a message, a freeze, a draw), stops the writer: nothing is decided on a record that is
known to be broken.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Sequence

import structlog

from audit.entry import Draft
from audit.errors import AuditError
from audit.ledger import Ledger
from governance.record import SERVICE, Kind

FIRST_S = 30.0
"""After the start, whose own work comes first."""
VERIFY = ("-m", "governance", "ledger", "verify", "--json")
REBUILD = ("-m", "governance", "ledger", "rebuild", "--check", "--json")
BROKEN = 1
"""What `ledger verify` ends with where an entry is bad or the mark knows better; `rebuild --check`, where a row is."""

log = structlog.get_logger()


class Scrub:
    """The deep check of one ledger. `stop` ends one that is under way."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def first(self) -> None:
        """Check once, soon after the start: what was edited while nobody ran is found."""
        if not self._stopped.wait(FIRST_S):
            try:
                self.check()
            except Exception:
                log.exception("scrub.failed")  # The daily one tells of it; nothing here may disturb the end.

    def check(self) -> str:
        """Check all of it now; return what is to be said of it.

        Raises:
            OSError: It could not be looked at. Not having looked is no fault of the ledger.
        """
        said = []
        for command in (VERIFY, REBUILD):
            found = self._verified(command)
            if self._stopped.is_set():
                return "ended with the service"
            said.append(self._judge(*found))
        return "; ".join(said)

    def stop(self) -> None:
        """End a check that is under way, and begin none."""
        self._stopped.set()
        if self._process is not None:
            self._process.kill()

    def _verified(self, command: Sequence[str]) -> tuple[int, str]:
        with subprocess.Popen(
            ["nice", "-n", "19", sys.executable, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            self._process = process
            if self._stopped.is_set():
                process.kill()
            said, _ = process.communicate()
        return process.returncode, said.decode("utf-8", "replace")

    def _judge(self, status: int, said: str) -> str:
        if status < 0:  # For want of memory, most likely: a check that never ends must not pass for one that did.
            raise OSError(f"the deep check was killed by signal {-status}")
        report = json.loads(said or "{}")
        if status == BROKEN and "status" in report:
            log.error("scrub.broken", status=report["status"], reason=report["reason"], first_bad=report["first_bad"])
            self._ledger.stop(f"the deep check found it {report['status']}: {report['reason']}")
            return f"{report['status']}: {report['reason']}"
        if status == BROKEN and report.get("difference"):
            log.error("scrub.edited", difference=report["difference"])
            self._ledger.stop(f"the deep check found state that no entry made: {report['difference']}")
            return str(report["difference"])
        if status:
            log.error("scrub.unverified", status=status, said=said[:400])
            return f"could not be verified: it ended with {status}"
        entries = report.get("size", report.get("entries"))
        log.info("scrub.good", entries=entries)
        self._passed("entries" if "status" in report else "state", entries)
        return f"{entries} entries are good"

    def _passed(self, what: str, size: object) -> None:
        """Write down that a check has passed, for reports. One that failed stops the writer, and everybody hears."""
        draft = Draft(Kind.INTEGRITY_CHECKED.value, SERVICE, "", what, {"what": what, "size": size})
        with contextlib.suppress(AuditError):  # It is closing, or busy; tomorrow again.
            self._ledger.submit(lambda tx: tx.append(draft))
