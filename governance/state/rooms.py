"""The rooms that bring tables of their own: each has `TABLES`, `SCHEMA` and `FOLDS`."""

from __future__ import annotations

from governance.state import (
    accounts,
    attempts,
    canaries,
    confirmations,
    debts,
    decisions,
    draws,
    factors,
    folded,
    gating,
    leases,
    notices,
    overrides,
    prompts,
    registry,
    reports,
    scopes,
    stops,
    tenure,
)

ROOMS = (
    debts,
    stops,
    leases,
    attempts,
    draws,
    overrides,
    gating,
    registry,
    decisions,
    canaries,
    tenure,
    factors,
    prompts,
    confirmations,
    accounts,
    scopes,
    notices,
    reports,
    folded,
)
