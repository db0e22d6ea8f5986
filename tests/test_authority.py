"""Who may decide what: default deny, forbidding wins, rows add up, and nobody fills two places."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_policy, loosened
from governance.authority import NO_ROW, SHIPPED, AuthorityRow, Signer, empty, judge, known_to
from governance.errors import PolicyContentError
from governance.policy_text import describe, from_meaning, load


def roles(*names: str) -> frozenset[str]:
    return frozenset(names)


def a_row(name: str = "plain", **changed: object) -> AuthorityRow:
    fields: dict[str, object] = {"name": name, "action": "paint", "by": roles("dev-a")} | changed
    return AuthorityRow(**fields)  # type: ignore[arg-type]


TWO = a_row("two", with_=(roles("qa-a", "qa-b"), roles("qa-a", "librarian")))


def test_what_no_row_speaks_of_nobody_may_do() -> None:
    assert judge([TWO], "burn", "owner").row == NO_ROW
    assert not judge([], "paint", "owner").allowed
    assert not judge([TWO], "burn", "owner").asks


def test_who_is_not_named_may_not_ask() -> None:
    ruling = judge([TWO], "paint", "dev-b")
    assert (ruling.allowed, ruling.asks, ruling.row) == (False, False, "two")


def test_a_28_one_principal_fills_one_place() -> None:
    alone = judge([TWO], "paint", "dev-a", [Signer("x", "qa-a")])
    assert (alone.allowed, len(alone.missing)) == (False, 1)
    assert not judge([TWO], "paint", "dev-a", [Signer("x", "qa-a"), Signer("x", "qa-a")]).allowed
    assert judge([TWO], "paint", "dev-a", [Signer("x", "qa-a"), Signer("y", "librarian")]).allowed


def test_people_are_seated_as_well_as_they_fit() -> None:
    """Whoever fits both places makes room for whoever fits one."""
    assert empty(TWO.places, [Signer("a", "qa-a"), Signer("b", "qa-b")]) == ()
    assert empty(TWO.places, [Signer("a", "qa-a"), Signer("b", "librarian")]) == ()
    assert len(empty(TWO.places, [Signer("a", "qa-b"), Signer("b", "qa-b")])) == 1


def test_a_place_that_names_nobody_is_never_filled() -> None:
    assert not judge([a_row(with_=(frozenset(),))], "paint", "dev-a", [Signer("x", "qa-a")]).allowed


@pytest.mark.parametrize("order", [1, -1])
def test_a_31_to_a_33_a_weak_row_beside_a_strict_one_relaxes_nothing(order: int) -> None:
    for weak in (a_row("a-weak"), a_row("z-weak"), a_row("z-wide", by=roles("dev-a", "dev-b", "orchestrator"))):
        rows = [TWO, weak][::order]
        assert judge(rows, "paint", "dev-a").row == "two"
        assert not judge(rows, "paint", "dev-a", [Signer("x", "qa-a")]).allowed
        assert judge(rows, "paint", "dev-a", [Signer("x", "qa-a"), Signer("y", "qa-b")]).allowed
        assert not judge(rows, "paint", "dev-b", [Signer("x", "qa-a"), Signer("y", "qa-b")]).allowed


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_forbidden_no_row_allows(order: int) -> None:
    rows = [a_row("no", forbid=True), a_row("all", by=roles("dev-a", "owner"))][::order]
    assert (judge(rows, "paint", "dev-a").row, judge(rows, "paint", "dev-a").allowed) == ("no", False)
    assert judge(rows, "paint", "owner").allowed


NAMES = st.sampled_from(["dev-a", "qa-a", "qa-b", "librarian", "owner"])
SETS = st.frozensets(NAMES, min_size=1)
ROWS = st.lists(
    st.builds(
        AuthorityRow,
        name=st.sampled_from("abcdef"), action=st.just("paint"), by=SETS, with_=st.lists(SETS, max_size=2).map(tuple),
        cosign=st.frozensets(NAMES), reaches=st.frozensets(NAMES),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
SIGNERS = st.lists(st.builds(Signer, name=st.sampled_from("uvwxyz"), role=NAMES), max_size=5)


@given(rows=ROWS, more=ROWS, signers=SIGNERS, by=NAMES)
def test_adding_a_row_never_allows_what_was_not(
    rows: list[AuthorityRow], more: list[AuthorityRow], signers: list[Signer], by: str
) -> None:
    if not judge(rows, "paint", by, signers).allowed:
        assert not judge([*rows, *more], "paint", by, signers).allowed
        assert not judge([*more, *rows], "paint", by, signers).allowed


def test_what_ships_is_what_the_file_says_and_comes_back() -> None:
    assert a_policy().authority == SHIPPED
    assert from_meaning(describe(a_policy())) == a_policy()


@pytest.mark.parametrize(
    ("action", "by", "signers", "allowed"),
    [
        ("implementation-detail", "orchestrator", ("dev-b", "qa-a"), True),
        ("implementation-detail", "orchestrator", ("dev-a", "dev-b"), False),
        ("gate-reading", "orchestrator", ("qa-a", "architect-b"), True),
        ("gate-reading", "orchestrator", ("qa-a", "qa-b"), False),
        ("priorities", "orchestrator", ("planner-a", "qa-a"), True),
        ("tools", "docs", ("librarian", "orchestrator"), True),
        ("tools", "docs", ("librarian",), False),
        ("architecture", "architect-a", ("architect-b", "architect-c"), False),
        ("architecture", "architect-a", ("owner",), True),
        ("new-dependency", "dev-a", ("orchestrator", "librarian"), False),
        ("gate-advance", "orchestrator", (), False),
        ("gate-advance", "orchestrator", ("librarian",), True),
        ("gate-advance", "orchestrator", ("orchestrator",), False),
        ("override", "orchestrator", ("librarian",), False),
        ("override", "orchestrator", ("librarian", "owner"), True),
        ("lock-steal", "orchestrator", ("librarian",), True),
        *((deed, "orchestrator", ("librarian", "owner"), False) for deed in ("freeze", "thaw", "veto")),
    ],
)
def test_what_the_requirements_say_of_authority(
    action: str,
    by: str,
    signers: tuple[str, ...],
    allowed: bool,  # noqa: FBT001 - a cell of a table
) -> None:
    signed = [Signer(name, name) for name in signers]
    assert judge(SHIPPED, action, by, signed).allowed == allowed


def test_a_policy_with_few_roles_lets_nobody_rather_than_fewer() -> None:
    rows = known_to(["owner", "dev-a", "orchestrator"])
    assert judge(rows, "architecture", "dev-a", [Signer("o", "owner")]).allowed
    assert judge(rows, "gate-advance", "orchestrator").row == NO_ROW
    assert judge(rows, "implementation-detail", "orchestrator", [Signer("d", "dev-a")]).row == NO_ROW


def read(authority: str) -> object:
    text = loosened("policy.yaml").split(b"\nauthority:\n")
    rest = text[1].split(b"\n# Which refs take only", 1)
    said = text[0] + b"\n" + authority.encode() + b"\n# Which" + rest[1]
    return load(said, loosened("roles.yaml"), policy_name="p", roles_name="r").authority


GOOD = "authority:\n  - {name: one, action: paint, by: [dev-a], with: [[qa-a], [qa-b]], cosign: [librarian]}\n"


def test_a_row_is_read_as_it_is_written() -> None:
    assert read(GOOD) == (
        a_row("one", with_=(roles("qa-a"), roles("qa-b")), cosign=roles("librarian")),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("[dev-a]", "[]"),
        GOOD.replace("[dev-a]", '["dеv-a"]'),  # noqa: RUF001 - a Cyrillic e
        GOOD.replace("[dev-a]", "dev-a"),
        GOOD.replace("[[qa-a], [qa-b]]", "[[], [qa-b]]"),
        GOOD.replace("[[qa-a], [qa-b]]", "[]"),
        GOOD.replace("[[qa-a], [qa-b]]", "2"),
        GOOD.replace("[librarian]", "[nobody]"),
        GOOD.replace("paint", '"paint "'),
        GOOD.replace("one", "One"),
        GOOD.replace("by: [dev-a], ", ""),
        GOOD.replace("cosign: [librarian]", "forbid: true"),
        GOOD.replace("cosign: [librarian]", "forbid: 1"),
        GOOD.replace("cosign:", "threshold: 0, cosign:"),
        GOOD + "  - {name: one, action: burn, by: [dev-a]}\n",
        "authority: []\n",
    ],
)
def test_a_29_what_would_ask_for_less_than_it_looks_is_not_read(text: str) -> None:
    assert text != GOOD
    with pytest.raises(PolicyContentError):
        read(text)


def test_a_policy_from_before_the_table_keeps_its_digest_and_gets_the_shipped_rows() -> None:
    meaning = describe(a_policy())
    del meaning["authority"]
    old = from_meaning(meaning)
    assert old.authority == SHIPPED
    assert old.digest != a_policy().digest
    assert from_meaning(describe(replace(old, digest=""))).authority == SHIPPED
