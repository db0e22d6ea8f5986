"""Reads the sections of a policy that hold the numbers of the controls, and writes them out again.

One reader for all of them: a section is a dataclass of `parameters`, its keys are the fields, its defaults theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, TypeVar

from governance import policy_alerts, policy_reports
from governance.parameters import ACTS, STAGES, Alerts, GatedRef, Gates, Parameters
from governance.policy_reading import Reading
from governance.strict_yaml import Found

SECTIONS: tuple[str, ...] = tuple(each.name for each in fields(Parameters))

Section = TypeVar("Section")


def read(reading: Reading, found: Mapping[str, Found]) -> Parameters:
    """Return the parameters that these sections say; what they leave out has its default."""
    plain = Parameters()
    said: dict[str, Any] = {}
    for name in SECTIONS:
        if name in found:
            at, default = found[name], getattr(plain, name)
            own = _OWN_READERS.get(name)
            said[name] = own(reading, at) if own else _section(reading, at, default)
    return replace(plain, **said)


def described(parameters: Parameters) -> dict[str, Any]:
    """Return every section as plain JSON, defaults included; one that says nothing is left out."""
    said = {name: _plain(getattr(parameters, name)) for name in SECTIONS}
    return {name: section for name, section in said.items() if section}


def said(described: object, meaning: object) -> object:
    """Return of a described section what its meaning said: without the numbers that came later."""
    if not isinstance(described, dict) or not isinstance(meaning, Mapping):
        return described
    return {name: said(value, meaning[name]) for name, value in described.items() if name in meaning}


def _section(reading: Reading, at: Found, plain: Section) -> Section:
    """Read one section; each field is read by the type of its default."""
    known = {each.name: each for each in fields(plain)}  # type: ignore[arg-type]
    required = tuple(name for name, each in known.items() if each.default is MISSING)
    found = reading.fields(at, required, tuple(name for name in known if name not in required))
    return type(plain)(**{name: _value(reading, found.get(name), getattr(plain, name)) for name in known})


def _value(reading: Reading, at: Found | None, default: Any) -> Any:  # noqa: ANN401 - by its type
    if at is None:
        return default
    if is_dataclass(default):
        return _section(reading, at, default)
    if isinstance(default, bool):
        return reading.flag(at, default=default)
    if default == ACTS:
        return tuple(sorted(reading.names(at, "acts", ACTS))) or default
    return reading.patterns(at) if isinstance(default, tuple) else reading.whole(at, default)


def _gates(reading: Reading, at: Found) -> Gates:
    found: list[GatedRef] = []
    for item in reading.items(reading.fields(at, ("required",)).get("required"), "gated refs"):
        entry = reading.fields(item, ("ref", "stages"))
        if "ref" in entry:
            stages = reading.names(entry.get("stages"), "stages", STAGES)
            refs = reading.patterns(replace(entry["ref"], value=[entry["ref"]]))
            found += [GatedRef(ref=ref, stages=tuple(s for s in STAGES if s in stages)) for ref in refs]
    return Gates(required=tuple(sorted(found, key=lambda gated: gated.ref.text)))


_OWN_READERS: Mapping[str, Callable[[Reading, Found], Any]] = {
    "gates": _gates,
    "alerts": policy_alerts.read,
    "reports": policy_reports.read,
}
"""Sections that are not numbers by name."""


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a section
    if isinstance(value, Gates):
        rows = [{"ref": gated.ref.text, "stages": list(gated.stages)} for gated in value.required]
        return {"required": rows} if rows else {}
    if isinstance(value, Alerts):
        return policy_alerts.described(value)
    if is_dataclass(value):
        said = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {name: one for name, one in said.items() if one != []}  # An empty list may not be written.
    if not isinstance(value, tuple):
        return value
    return [one if isinstance(one, str) else one.text for one in value]
