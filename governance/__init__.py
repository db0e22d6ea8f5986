"""Governance of git pushes by fleets of agents and the people who run them: facts in, decision out, all recorded."""

from __future__ import annotations


def version() -> str:
    """Return the version of this package."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - costs what `--help` should not pay

    return installed("twinseal")
