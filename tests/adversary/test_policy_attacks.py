"""Attacks by way of the policy: a slip that switches a control off, and a weak rule that outvotes a strict one.

Numbers are those of the list of attacks; each has its honest twin, so that a refusal is not mere deafness.
"""

from functools import cache
from itertools import permutations
from pathlib import Path

import pytest

from adversary.card import LedgerCase, attack
from governance.errors import PolicyContentError, PolicyError, PolicySyntaxError
from governance.policy import LONGEST_PATH, OWNER, FourEyes, Kind, Pattern, Policy
from governance.policy_text import describe, from_meaning, load

SHIPPED = Path(__file__).parents[2] / "policies"
POLICY = (SHIPPED / "policy.yaml").read_text()
ROLES = (SHIPPED / "roles.yaml").read_text()
AFTER = "\n# Which refs move only for whoever holds the write lock"
"""What follows the approver table."""


@cache
def read(policy: str = POLICY, roles: str = ROLES) -> Policy:
    return load(policy.encode(), roles.encode(), policy_name="policy.yaml", roles_name="roles.yaml")


def changed(old: str, new: str) -> str:
    assert POLICY.count(old) == 1, f"the shipped policy should say {old!r} once"
    return POLICY.replace(old, new)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> LedgerCase:
    made = LedgerCase()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


NUMBERS = ["lines: 50", "files: 3", "expires_hours: 72", "max_refs: 50", "signature_future_seconds: 300"]
NO_THRESHOLDS = ["0", "-1", '"2"', "'50'", ".nan", ".inf", "-.inf", "1e400", "2.0", "null", "~", "", "true", "[50]"]


@attack("A-29")
@pytest.mark.parametrize("value", NO_THRESHOLDS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_29_a_threshold_that_is_no_threshold_is_refused_on_its_line(
    case: LedgerCase, number: str, value: str
) -> None:
    key = number.split(":", maxsplit=1)[0]
    line = POLICY[: POLICY.index(f"  {number}\n")].count("\n") + 1
    said = f"^policy.yaml:{line}: .*{key}: expected a whole number from 1 to "
    with case.refuses(PolicyContentError, match=said):
        read(changed(f"  {number}\n", f"  {key}: {value}\n"))
    assert read(changed(f"  {number}\n", f"  {key}: 1\n"))
    case.went_well()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_29_a_threshold_left_out_is_the_default_and_never_none(number: str) -> None:
    assert read(changed(f"  {number}\n", "")).digest == read().digest


@attack("A-29")
@pytest.mark.parametrize("number", NUMBERS)
def test_a_29_a_number_that_switches_the_control_off_is_refused(case: LedgerCase, number: str) -> None:
    assert read()
    case.went_well()
    with case.refuses(PolicyContentError, match="from 1 to"):
        read(changed(f"  {number}\n", f"  {number.split(':', maxsplit=1)[0]}: 999999999\n"))


def test_a_29_twin_the_smallest_threshold_loads() -> None:
    assert read(changed("  lines: 50\n", "  lines: 1\n")).four_eyes.lines == 1


@attack("A-31")
@pytest.mark.parametrize(
    "topic", ["refs/**", "refs/heads/**", "refs/heads/*", "refs/heads/main", "refs/heads/m*", "refs/heads/release/**"]
)
def test_a_31_a_wide_topic_does_not_open_what_is_protected(case: LedgerCase, topic: str) -> None:
    policy = read(changed("    - refs/heads/**\n", f'    - "{topic}"\n'))
    for ref in ("refs/heads/main", "refs/heads/release/1"):
        assert policy.is_protected(ref)
        assert not policy.is_topic(ref)
    case.answered("protected")
    assert read().is_topic("refs/heads/mainx")
    case.went_well()


@attack("A-32")
@pytest.mark.parametrize("order", list(permutations(["'refs/heads/*'", "refs/heads/main", "refs/heads/release/**"])))
def test_a_32_no_order_of_protected_patterns_hides_one_behind_another(case: LedgerCase, order: tuple[str, ...]) -> None:
    lists = "    - refs/heads/main\n    - refs/heads/release/**\n"
    policy = read(changed(lists, "".join(f"    - {pattern}\n" for pattern in order)))
    assert all(map(policy.is_protected, ("refs/heads/main", "refs/heads/x", "refs/heads/release/1/2")))
    case.answered("protected")
    assert not policy.is_protected("refs/heads/topic/x")
    case.went_well()
    assert policy.digest == read(changed(lists, "".join(f"    - {pattern}\n" for pattern in sorted(order)))).digest


@attack("A-32")
def test_a_32_a_risk_pattern_cannot_be_taken_back_by_a_later_one(case: LedgerCase) -> None:
    with case.refuses(PolicyContentError, match="more than"):
        read(changed('    - "**/auth/**"\n', '    - "**/auth/**"\n    - "!src/auth/**"\n'))
    assert read(changed('    - "**/auth/**"\n', '    - "**/auth/**"\n    - "src/**"\n')).high_risk("lib/auth/x")
    case.went_well()


TABLE, REST = POLICY.split("write_lock:\n", 1)
REST = f"write_lock:\n{REST}"
"""What follows the approver table, from the first section after it."""


def rows() -> list[str]:
    """Return the approver table in pieces: what stands before it, and each row, a whole line at its end."""
    head, *those = TABLE.split("\n  - authors: ")
    return [f"{head}\n", *(f"  - authors: {row.rstrip()}\n" for row in those)]


@attack("A-33")
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_33_a_second_weaker_row_for_a_role_is_refused_wherever_it_stands(
    case: LedgerCase,
    at_the_end: bool,  # noqa: FBT001 - a table's column
) -> None:
    weak = "  - authors: [dev-a]\n    first: [docs]\n    second: [docs, librarian]\n"
    text = "".join([*rows(), weak, REST]) if at_the_end else changed("approvers:\n", f"approvers:\n{weak}")
    with case.refuses(PolicyContentError, match="expected dev-a in one row, got a second"):
        read(text)
    head, *those = rows()
    again = read("".join([head, *reversed(those), REST]))
    assert again.digest == read().digest
    case.went_well()


@pytest.mark.parametrize("empty", ["approvers: []\n", "approvers:\n", "approvers: {}\n", "approvers: no\n", ""])
def test_an_empty_approver_table_is_refused(empty: str) -> None:
    with pytest.raises(PolicyContentError, match="approver"):
        read(POLICY[: POLICY.index("approvers:\n")] + empty + REST)


@pytest.mark.parametrize("place", ["first", "second", "fallback"])
def test_an_empty_place_is_refused_by_text_and_by_meaning(place: str) -> None:
    row = POLICY[POLICY.index("  - authors: [dev-a, dev-b]") :].split("\n\n")[0]
    lines = [f"    {place}: []" if line.strip().startswith(f"{place}:") else line for line in row.splitlines()]
    with pytest.raises(PolicyContentError, match=f"{place}: expected a list of roles.*got an empty list"):
        read(POLICY.replace(row, "\n".join(lines)))
    meaning = describe(read())
    rows = meaning["approvers"]
    assert isinstance(rows, list)
    rows[0][place] = []
    with pytest.raises(PolicyContentError, match="got an empty list"):
        from_meaning(meaning)


@pytest.mark.parametrize("role", ["nobody", "", "dev-A", "dev-a ", "\u0501ev-a", "lander"])
def test_an_unknown_role_asks_for_two_people_and_never_for_nothing(role: str) -> None:
    policy = read(roles=ROLES + "  lander:\n    kind: service\n    description: Lands.\n")
    row = policy.row_for(role)
    assert row.first == {OWNER}
    assert row.second
    assert all(policy.roles[name].kind is Kind.HUMAN for name in row.first | row.second)
    assert not row.first_together


def test_no_agent_ever_reviews_its_own_role() -> None:
    policy = read(POLICY.replace("fallback: [", "fallback: [dev-a, docs, librarian, "))
    for name, role in policy.roles.items():
        row = policy.row_for(name)
        assert row.first
        assert row.second
        if role.kind is Kind.AGENT:
            assert name not in row.first | row.second | row.fallback


def test_a_role_struck_from_a_set_leaves_the_set_to_be_filled() -> None:
    text = changed("first: [librarian]\n    second: [owner]", "first: [owner]\n    second: [owner]")
    together = "    first_together:\n      - [orchestrator]\n      - [qa-a]\n"
    at = text.index("    second: [owner]\n")
    row = read(text[:at] + together + text[at:]).row_for("orchestrator")
    assert row.first_together == (frozenset(), frozenset({"qa-a"}))


@pytest.mark.parametrize(
    "path",
    [
        "SRC/AUTH/LOGIN.PY",
        "src/\u212aeys.\u212aEY",
        "src/\uff41\uff55\uff54\uff48/login.py",
        "src/a\u200cuth/login.py",
        "src/auth /login.py",
        "src/auth.../login.py",
        "web/PACKAGE.JSON",
        ".GitHub/workflows/x.yml",
        ".git\u200battributes",
        ".gitmodules::$DATA",
        "x/" * 3000 + "auth",
    ],
)
def test_a_look_alike_path_is_as_risky_as_what_it_looks_like(path: str) -> None:
    assert read().high_risk(path)


@pytest.mark.parametrize("path", ["src/authx/y", "src/authority.py", "hooksx/y", "src/keys.keyx"])
def test_twin_a_path_that_only_begins_like_a_risk_is_none(path: str) -> None:
    assert read().high_risk(path) is None


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("/".join(["**", "a"] * 12 + ["**", "b"]), "a/" * 2000 + "c"),
        ("*a" * 12 + "*b", "a" * 4000 + "c"),
        ("**/" + "*a" * 6 + "*/**/x", ("a" * 60 + "/") * 60 + "c"),
    ],
)
def test_no_path_makes_a_pattern_try_for_ever(glob: str, path: str) -> None:
    # With backtracking these would outlast the universe; here they end at once, with either answer.
    pattern = Pattern(glob, paths=True)
    assert not pattern.matches(path)
    assert pattern.matches(path[:-1] + glob[-1])
    short = path[: -LONGEST_PATH // 2 : -1][::-1]
    assert FourEyes(risk_paths=(pattern, Pattern("**/zzz", paths=True))).risk(short) is None


def test_a_bomb_of_aliases_is_refused_before_it_opens() -> None:
    bomb = "a: &a [x, x, x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
    )
    with pytest.raises(PolicySyntaxError, match="got the anchor &a"):
        read(bomb)


@pytest.mark.parametrize(
    "code",
    ["!!python/object/apply:os.system [id]", "!!python/name:os.system", "!!binary aWQ=", "!!timestamp 2024-01-01"],
)
def test_a_tag_never_makes_an_object(code: str) -> None:
    with pytest.raises(PolicySyntaxError, match="got the tag"):
        read(changed("profile: solo", f"profile: {code}"))


def test_a_comment_that_reorders_what_a_reviewer_sees_is_refused() -> None:
    with pytest.raises(PolicySyntaxError, match=r"U\+202E"):
        read(changed("  files: 3\n", "  files: 3 # \u202e 000001 :senil\n"))


def test_an_open_target_is_refused_by_every_spelling_that_misses_it() -> None:
    for near in ("refs/heads/Main", "refs/heads/mainx", "refs/heads/main/**", "refs/heads/*/main", "refs/tags/main"):
        with pytest.raises(PolicyError, match="the target refs/heads/main among them"):
            read(changed("    - refs/heads/main\n", f'    - "{near}"\n'))
