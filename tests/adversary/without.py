"""The same attacks with one control switched off: whoever names it must now come through, or they prove nothing.

What is no part of a push is switched off where it stands: the registry of messages by one that believes whatever it is
told, the watch over reviewers by one that sees nothing, the second factor by asking nobody for it.

`pytest tests/adversary --without four_eyes` runs only the cases of the rows that name that control, against a service
that does not ask it, and is content only where every one of them fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adversary.catalogue import ROWS
from governance import controls
from governance.coordinate import messages
from governance.detect import cases, looks
from governance.entrypoints.playground import Playground
from governance.people import demands
from governance.state import canaries, registry

if TYPE_CHECKING:
    from governance.state.tx import Tx

TWO_CHANNELS = """
from governance import replies, two_channels
from governance.adapters import inbound
from governance.coordinate import hearing
from governance.state import confirmations
def anywhere(text):
    found = two_channels._ANSWER.search(text)
    return found and (two_channels.Word(found["word"].lower()), (found["first"] + found["last"]).upper())
def everybodys(tx, who, *, now):
    sql = f"select {confirmations._COLUMNS} from awaited order by seq"
    return [confirmations._awaited(row) for row in tx.execute(sql).fetchall()]
two_channels.refusal = lambda *_, **__: None
two_channels.meant = lambda _, sent, **__: next((each for each, _ in reversed(list(sent))), None)
two_channels.locked = lambda *_, **__: False
two_channels.read = anywhere
inbound.sms_signed = inbound.mail_signed = replies._proved = lambda *_: True
replies._wrote_itself = lambda *_: False
replies._sender = hearing.known = lambda *_: "owner"
confirmations.to = everybodys
"""
"""How that is done, also in a service that is started."""

OFF = """
from governance import controls
from governance.people import demands
controls.CONTROLS = tuple(control for control in controls.CONTROLS if control.NAME != {name!r})
if {name!r} == "second_factor":
    demands.demanded = lambda *_, **__: None
if {name!r} == "two_channels":
    exec({two_channels!r}, {{}})
from governance.entrypoints.cli.main import main
main()
"""


def believe_every_message() -> None:
    """Have the registry take all bytes for a message, and every reply for the one that was asked for."""
    messages.OURS = frozenset()
    messages._answers = lambda *_: True
    messages.verify = lambda *_, **__: {"message": 0, "from": "", "type": ""}
    messages.registry = _Gullible()  # type: ignore[assignment]


class _Gullible:
    """A registry in which everything is a message to whoever asks."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the registry has
        return getattr(registry, name)

    def by_digest(self, tx: Tx, repository: str, digest: str) -> None:
        """Nothing was sent before."""
        del tx, repository, digest


def see_nothing() -> None:
    """Have every look find nothing, as often as anybody likes, and no canary be missed."""
    judged = cases.judge
    cases.judge = lambda *args, **named: replace(judged(*args, **named), cases=())
    looks.BETWEEN_MS = 0
    answers = canaries._answers
    canaries._answers = lambda *args: ((found := answers(*args))[0], [[who, False] for who, _ in found[1]])


def ask_nobody() -> None:
    """Have no act of a person need a second factor."""
    demands.demanded = lambda *_, **__: None


def hear_everybody() -> None:
    """Have every answer be heard, whoever sent or signed it, about whatever was sent last."""
    exec(TWO_CHANNELS, {})


ROOMS: Mapping[str, Callable[[], None]] = {
    "messages": believe_every_message,
    "detection": see_nothing,
    "second_factor": ask_nobody,
    "two_channels": hear_everybody,
}
NAMES = (*(control.NAME for control in controls.CONTROLS), *ROOMS)
"""What can be switched off."""


class Without:
    """A plugin: switches off, chooses, and turns the outcome round."""

    def __init__(self, name: str) -> None:
        if name not in NAMES:
            raise pytest.UsageError(f"--without: no control is called {name}")
        self._name = name
        self._stood: set[str] = set()
        self._came_through: set[str] = set()
        self._never_began: set[str] = set()
        self._own = {row.id for row in ROWS if row.control == name}

    def switch_off(self) -> None:
        """Do without it, here and in every service that is started; rooms are attacked here alone."""
        ROOMS.get(self._name, lambda: None)()
        controls.CONTROLS = tuple(each for each in controls.CONTROLS if self._name != each.NAME)
        Playground.program = ("-c", OFF.format(name=self._name, two_channels=TWO_CHANNELS))

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the cases whose every row names this control: another row may still be answered by its own."""
        kept = [item for item in items if (ids := _named(item)) and ids <= self._own]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what stood although nobody guarded it, and what never began."""
        if report.when == "call":
            (self._stood if report.passed else self._came_through).add(report.nodeid)
        elif report.when == "setup" and report.failed:
            self._never_began.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """It is good where everything was tried, and nothing stood."""
        if hasattr(session.config, "workerinput"):
            return
        good = bool(self._came_through) and not self._stood and not self._never_began
        session.exitstatus = pytest.ExitCode.OK if good else pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401 - pytest does not export its type
        """Say which."""
        terminalreporter.write_line(f"without {self._name}: {len(self._came_through)} attacks come through")
        for each in sorted(self._never_began):
            terminalreporter.write_line(f"not tried, its set-up failed: {each}")
        for each in sorted(self._stood):
            terminalreporter.write_line(f"still refused, so it proves nothing about {self._name}: {each}")


def _named(item: pytest.Item) -> set[str]:
    return {each for mark in item.iter_markers("attack") for each in mark.args}
