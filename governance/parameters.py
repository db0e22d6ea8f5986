"""The numbers of the controls, as policy data: what each means, and what holds where a policy does not say.

Values only; `policy_controls` reads them. Only a percentage may be 0, and then nobody is drawn: a small team may have
no third party to draw from.
"""

from __future__ import annotations

from dataclasses import dataclass

from governance.patterns import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """How much may land unreviewed before somebody must look at all of it.

    A path group is the first `group_depth` folders of a path; its budget is `group_times` the four-eyes threshold. An
    operator's is `operator_times` that threshold, whatever the paths.
    """

    group_depth: int = 2
    group_times: int = 1
    operator_times: int = 3
    total_lines: int = 500
    total_files: int = 20
    age_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallChanges:
    """What one role may land below the threshold within `window_hours`, and the burst that starts a cool-down."""

    window_hours: int = 24
    landings: int = 10
    lines: int = 500
    files: int = 20
    burst: int = 5
    burst_hours: int = 2
    cool_down_hours: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLock:
    """Which refs move only under a lease, how long one lasts, and what counts as abuse. No `refs`, none needs one."""

    refs: tuple[Pattern, ...] = ()
    lease_minutes: int = 5
    requests: int = 5
    request_minutes: int = 10
    holds_in_row: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Attempts of one kind that a role may make in any hour and in any day."""

    hour: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The limits of each action, by role and operator. Attempts count, not successes."""

    push: RateLimit = RateLimit(hour=60, day=500)
    sign_off_request: RateLimit = RateLimit(hour=20, day=100)
    peer_review: RateLimit = RateLimit(hour=15, day=75)
    lock_request: RateLimit = RateLimit(hour=10, day=50)
    critical_decision: RateLimit = RateLimit(hour=2, day=10)
    message: RateLimit = RateLimit(hour=600, day=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """What freezes a role or an operator by itself, within `window_hours`."""

    window_hours: int = 24
    gate_bypasses: int = 3
    intent_failures: int = 5
    override_percent: int = 5
    override_least: int = 3
    """Overrides below which their share says nothing."""
    pair_blocks: int = 2
    """Tertiary blocks of one author and approver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tertiary:
    """How many of the changes that are signed off a third party reviews, and how long it has for it."""

    percent: int = 10
    floor_slots: int = 10
    """Among an operator's first so many landings of an epoch, one is always drawn."""
    epoch_days: int = 7
    overdue_hours: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Collusion:
    """When a pair of author and approver is looked at, and how often an honest fleet may be named by mistake."""

    rate_percent: int = 90
    last_reviews: int = 5
    third_party_percent: int = 30
    window_days: int = 30
    false_alarm_percent: int = 5
    third_reviewer_days: int = 14
    """How long a finding asks for a third reviewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """How many known-bad changes a reviewer is shown, of a hundred reviews."""

    percent: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """How long a break-glass lasts, and how soon two people must have reviewed what it landed."""

    hours: int = 4
    review_hours: int = 24


STAGES = ("RED", "GREEN", "PEER", "QA", "DEPLOY")
"""The gates of one feature, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedRef:
    """Refs that take only what belongs to a feature which has passed these gates."""

    ref: Pattern
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Which gates a change must have passed to land. No ref named, none asked for."""

    required: tuple[GatedRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """When an answer is overdue."""

    reply_hours: int = 4


SEVERITIES = ("critical", "high", "medium", "low")
"""How much something matters, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Who is told of what: the channels of each severity, and the severity of kinds and codes that ours do not suit."""

    routes: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("critical", ("mail", "sms", "tmux", "webhook")),
        ("high", ("mail", "webhook")),
        ("medium", ("webhook",)),
        ("low", ()),
    )
    severities: tuple[tuple[str, str], ...] = ()
    flood: int = 10
    """Messages of one severity to one recipient in an hour; what is beyond is gathered."""


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Where a day begins, from which hour on it is reported, and on which day the week is."""

    zone: str = "UTC"
    hour: int = 7
    weekday: str = "monday"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoChannels:
    """How long a critical decision that was approved waits to be confirmed in another channel."""

    minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who may count as an approver beyond the table."""

    probation_days: int = 14
    """How long a newcomer counts only beside somebody who is none."""
    distinct_families: bool = False
    """Whether two agents must be of different model families."""


ACTS = (
    "account", "decision", "deploy", "factor", "key", "limit", "override", "repository", "roster", "sign-off",
    "tertiary", "thaw", "veto-lift",
)  # fmt: skip
"""What a person may be asked a second factor for, in order of their names; `second_factor` says what each means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """Which acts of a person need a second factor, how many persons some of them need, and when guessing ends."""

    acts: tuple[str, ...] = ACTS
    quorum: int = 2
    """Persons who approve a thaw and every change of the roster, where so many hold a factor."""
    prompt_minutes: int = 5
    cool_down_hours: int = 24
    """How long a factor does not count that nobody vouched for."""
    failures: int = 5
    failure_minutes: int = 15
    failures_day: int = 10
    """Wrong codes of one person after which no more are looked at, in so many minutes and in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """All of them, a section of the policy each."""

    approval: Approval = Approval()
    debt: Debt = Debt()
    small_changes: SmallChanges = SmallChanges()
    write_lock: WriteLock = WriteLock()
    rate_limits: RateLimits = RateLimits()
    freezing: Freezing = Freezing()
    tertiary: Tertiary = Tertiary()
    collusion: Collusion = Collusion()
    canaries: Canaries = Canaries()
    override: Override = Override()
    gates: Gates = Gates()
    messages: Messages = Messages()
    two_channels: TwoChannels = TwoChannels()
    second_factor: SecondFactor = SecondFactor()
    alerts: Alerts = Alerts()
    reports: Reports = Reports()
