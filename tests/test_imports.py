"""The arrows between the rooms, read from the source: every import counts, also those only for type checkers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
CORE = {
    "errors", "verdict", "facts", "standing", "decision", "approvers", "authority", "controls", "explain", "gathered",
    "completing", "baseline", "carry", "channels", "debt", "draws", "foreseen", "gating", "hosts", "kinds", "leases",
    "limits", "observing", "options", "parameters", "patterns", "policy", "policy_alerts", "policy_authority",
    "policy_controls", "policy_reading", "policy_reports", "policy_text", "record", "ref_names", "refusals", "severity",
    "strict_yaml", "objects", "replies", "second_factor", "signatures", "ports", "stops", "timetable", "two_channels",
    "unreviewed", "zones",
}  # fmt: skip
ROOMS = {"people", "review", "state", "coordinate", "detect", "tell", "play"}
MIDDLE = {
    "consequences", "continuity", "identify", "lander", "loading", "moves", "noting", "receive", "reconcile", "service",
    "undecided",
}  # fmt: skip
IMPURE = {
    "asyncio", "ctypes", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random",
    "secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib",
    "uuid",
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str = "", *, package: bool = False) -> set[str]:
    """Return the full dotted names that a source imports, at any depth; of `from a import b` both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                inside = parts[: len(parts) - node.level + package]
                base = ".".join([*inside, *([base] if base else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


SOURCES = sorted(
    path for top in ("governance", "audit", "hooks") for path in (TOP / top).rglob("*.py") if "data" not in path.parts
)
MODULES = {
    module_name(path): imported(path.read_text("utf-8"), module_name(path), package=path.stem == "__init__")
    for path in SOURCES
}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def place(module: str) -> str:
    """Return the room, or the module at the top of `governance`, that a module is in."""
    return [*module.split("."), ""][1]


def forbidden(module: str) -> set[str]:
    """Return what a module may not import."""
    if within(module, "audit"):
        return {"governance", "twinseal_hook"}
    if within(module, "hooks"):
        return {"governance", "audit"}
    if place(module) in CORE:
        return {
            f"governance.{room}"
            for room in ROOMS | {"adapters", "entrypoints", "continuity", "receive", "reconcile", "service"}
        }
    if place(module) == "adapters":
        return {
            f"governance.{room}" for room in ROOMS | {"entrypoints", "continuity", "receive", "reconcile", "service"}
        }
    if place(module) == "state":
        above = (ROOMS - {"state"}) | MIDDLE | {"adapters", "entrypoints"}
        return {f"governance.{room}" for room in above}
    if place(module) in ROOMS:
        return {f"governance.{room}" for room in ("adapters", "entrypoints", "receive", "reconcile")}
    if place(module) in MIDDLE:
        return {"governance.adapters", "governance.entrypoints"}
    return set()


def test_the_reader_of_imports_sees_every_spelling() -> None:
    source = (
        "import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\n"
        "if TYPE_CHECKING:\n    from h.i import j\ndef late():\n    import k\n"
    )
    assert imported(source, "x.y.z") == {"a.b", "c", "c.d", "x.y", "x.y.e", "x.f", "x.f.g", "h.i", "h.i.j", "k"}
    assert imported("from . import e", "x.y", package=True) == {"x.y", "x.y.e"}


def test_every_module_is_in_a_place_that_the_rules_know() -> None:
    known = CORE | ROOMS | MIDDLE | {"", "adapters", "entrypoints", "__main__"}
    assert {place(module) for module in MODULES if within(module, "governance")} <= known
    assert {"audit", "governance"} <= set(MODULES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down_only(module: str) -> None:
    broken = {name for name in MODULES[module] for room in forbidden(module) if within(name, room)}

    assert broken == set()


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, "governance") and place(m) in CORE])
def test_the_core_touches_no_machine_and_no_clock(module: str) -> None:
    assert {name for name in MODULES[module] if name.split(".")[0] in IMPURE} == set()
    tree = ast.parse(next(path for path in SOURCES if module_name(path) == module).read_text("utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not named & {"now", "utcnow", "today", "environ", "getenv", "urandom"} | called & {"open", "print", "input"}


@pytest.mark.parametrize("module", [m for m in MODULES if place(m) == "controls"])
def test_controls_know_only_values(module: str) -> None:
    allowed = (
        "controls", "approvers", "carry", "debt", "draws", "facts", "gating", "leases", "limits", "options",
        "parameters", "patterns", "policy", "ref_names", "standing", "stops", "unreviewed", "verdict",
    )  # fmt: skip
    known = {name for name in MODULES[module] if within(name, "governance") and name != "governance"}

    assert {name for name in known if place(name) not in allowed} == set()


def test_the_hook_needs_nothing_that_is_not_in_the_standard_library() -> None:
    import sys  # noqa: PLC0415 - its list is the only thing wanted

    outside = {name.split(".")[0] for m, names in MODULES.items() if within(m, "hooks") for name in names} - set(
        sys.stdlib_module_names
    )
    assert outside <= {"hooks", "twinseal_hook", ""}


def test_no_module_imports_itself_round_a_circle() -> None:
    """Every module below another can be understood first; what only type checkers need counts as well."""
    graph = {m: {name for name in names if name in MODULES and name != m} for m, names in MODULES.items()}
    packages = {m for m in MODULES if any(within(other, m) and other != m for other in MODULES)}
    graph = {m: {n for n in names if n not in packages or not within(m, n)} for m, names in graph.items()}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for below in sorted(graph[module]):
                walk(below, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())
