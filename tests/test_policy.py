"""What a policy text may say, where it is wrong and how that is told, and what its values mean."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from audit.canonical import encode
from governance.errors import PolicyContentError, PolicyError, PolicySyntaxError
from governance.objects import parse_commit
from governance.policy import COMMIT_PROBLEMS, FourEyes, Kind, Pattern, Policy, Profile, SignedCommits
from governance.policy_text import describe, from_meaning, load

SHIPPED = Path(__file__).parent.parent / "policies"
SHIPPED_POLICY = (SHIPPED / "policy.yaml").read_text()
SHIPPED_ROLES = (SHIPPED / "roles.yaml").read_text()

POLICY = """\
version: 3
profile: team
refs:
  target: refs/heads/main
  protected: [refs/heads/main, refs/heads/release/**]
four_eyes:
  lines: 50
  risk_paths: ["**/auth/**"]
approvers:
  - authors: [dev-a, dev-b]
    first: [dev-a, dev-b]
    second: [qa]
    fallback: [owner]
  - authors: [qa, owner]
    first: [dev-a]
    second: [dev-b, owner]
"""
ROLES = """\
roles:
  dev-a: {kind: agent, description: Writes.}
  dev-b: {kind: agent, description: Writes.}
  qa: {kind: agent, description: Checks.}
  lander: {kind: service, description: Lands.}
  owner: {kind: human, description: Answers.}
"""


def read(policy: str | bytes = POLICY, roles: str | bytes = ROLES) -> Policy:
    """Both files, as text or as bytes."""
    policy, roles = (text.encode() if isinstance(text, str) else text for text in (policy, roles))
    return load(policy, roles, policy_name="policy.yaml", roles_name="roles.yaml")


@cache
def shipped() -> Policy:
    return read(SHIPPED_POLICY, SHIPPED_ROLES)


# Values.


def test_the_small_policy_loads_with_the_defaults_of_the_requirements() -> None:
    policy = read()
    assert (policy.version, policy.profile) == (3, Profile.TEAM)
    assert (policy.four_eyes.lines, policy.four_eyes.files, policy.four_eyes.expires_hours) == (50, 3, 72)
    assert policy.four_eyes.humans_stand_in
    assert policy.refs.max_refs == 50
    assert [pattern.text for pattern in policy.refs.topic + policy.refs.tags] == ["refs/heads/**", "refs/tags/**"]
    assert policy.signed_commits == SignedCommits(300, COMMIT_PROBLEMS - {"mergetag"})
    assert policy.roles["lander"].kind is Kind.SERVICE


def test_protected_refs_are_the_target_where_nothing_is_said() -> None:
    policy = read(POLICY.replace("  protected: [refs/heads/main, refs/heads/release/**]\n", ""))
    assert policy.refs.protected == (Pattern("refs/heads/main"),)


@pytest.mark.parametrize(
    ("ref", "means"),
    [
        ("refs/heads/main", "protected"),
        ("refs/heads/mainx", "topic"),
        ("refs/heads/main/x", "topic"),
        ("refs/heads/Main", "topic"),
        ("refs/heads/ma\uff49n", "topic"),
        ("refs/heads/release/1/2", "protected"),
        ("refs/heads/release", "topic"),
        ("refs/heads/topic/a", "topic"),
        ("refs/heads/topic/\udcff", "topic"),
        ("refs/heads", ""),
        ("refs/heads/", ""),
        ("heads/main", ""),
        ("refs/tags/v1", "tag"),
        ("refs/tags/heads/main", "tag"),
        ("refs/changes/1/1", ""),
        ("refs/ledger/head", ""),
        ("HEAD", ""),
        ("", ""),
    ],
)
def test_a_ref_is_what_its_whole_name_says(ref: str, means: str) -> None:
    policy = read()
    found = {"protected": policy.is_protected(ref), "topic": policy.is_topic(ref), "tag": policy.is_tag(ref)}
    assert [kind for kind, yes in found.items() if yes] == ([means] if means else [])


def test_a_protected_tag_is_both_and_no_topic() -> None:
    text = POLICY.replace("[refs/heads/main,", "[refs/heads/main, refs/tags/v*,")
    policy = read(text.replace("four_eyes:", "  topic: [refs/**]\nfour_eyes:"))
    assert policy.is_protected("refs/tags/v1")
    assert policy.is_tag("refs/tags/v1")
    assert not policy.is_topic("refs/tags/v1")
    assert not policy.is_topic("refs/tags/other")
    assert policy.is_topic("refs/heads/other")


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**/auth/**", "auth/x", True),
        ("**/auth/**", "src/auth/x", True),
        ("**/auth/**", "src/a/b/auth/c/d", True),
        ("**/auth/**", "auth", True),
        ("**/auth/**", "src/auth", True),
        ("**/auth/**", "AUTH/x", True),
        ("**/auth/**", "src/Auth/x", True),
        ("**/auth/**", "src/\uff41\uff55\uff54\uff48/x", True),
        ("**/auth/**", "src\uff0fauth\uff0fx", True),
        ("**/auth/**", "src/au\u200dth/x", True),
        ("**/auth/**", "src/au\u00adth/x", True),
        ("**/auth/**", "src/auth./x", True),
        ("**/auth/**", "src/auth . /x", True),
        ("**/auth/**", "src/auth::$INDEX_ALLOCATION/x", True),
        ("**/auth/**", "src/authx/y", False),
        ("**/auth/**", "src/xauth/y", False),
        ("**/auth/**", "src/auth.py", False),
        ("**/auth/**", "src/au/th/y", False),
        ("**/auth/**", "src/\u0430uth/x", False),  # A Cyrillic letter names another file everywhere.
        ("**/auth/**", "", False),
        ("**/kms/**", "\u212aMS/x", True),
        ("**/schema.sql", "db/\u017fchema.\u017fql", True),
        ("**/stra\u00dfe/**", "STRASSE/x", True),
        ("**/caf\u00e9/**", "cafe\u0301/x", True),
        ("hooks/**", "hooks/pre-receive", True),
        ("hooks/**", "hooks", True),
        ("hooks/**", "src/hooks/use.ts", False),
        ("hooks/**", "hooksx", False),
        ("**/Dockerfile*", "a/dockerfile.prod", True),
        ("**/Dockerfile*", "a/dockerfile/x", False),
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("*.py", "a.py\n", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("a/**/b/**/c", "a/b/b/x/c", True),
        ("a/**/b/**/c", "a/b/x/c/d", False),
        ("**", "anything/at\nall", True),
        ("**/x/**", "a\n/x/\n", True),
        ("**/x/**", "\udce9/x/\udcff", True),
    ],
)
def test_a_path_pattern_means_what_a_checkout_could_take_for_it(glob: str, path: str, matches: bool) -> None:  # noqa: FBT001 - a table's column
    assert Pattern(glob, paths=True).matches(path) is matches
    assert (FourEyes(risk_paths=(Pattern("zzz", paths=True), Pattern(glob, paths=True))).risk(path) is not None) is (
        matches
    )


def plainly(glob: list[str], path: list[str]) -> bool:
    """The meaning of a path pattern, name by name, in the shortest way to say it."""
    if not glob:
        return not path
    if glob[0] == "**":
        return len(glob) == 1 or any(plainly(glob[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and in_name(glob[0], path[0]) and plainly(glob[1:], path[1:])


def in_name(glob: str, name: str) -> bool:
    if not glob:
        return not name
    if glob[0] == "*":
        return any(in_name(glob[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and glob[0] in {"?", name[0]} and in_name(glob[1:], name[1:])


NAMES = st.text("ab*?", min_size=1, max_size=4).filter(lambda name: "**" not in name)
GLOBS = st.lists(st.one_of(NAMES, st.just("**")), min_size=1, max_size=6)
PATHS = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=7)


@settings(max_examples=600)
@given(GLOBS, PATHS)
def test_a_pattern_agrees_with_its_plain_meaning(glob: list[str], path: list[str]) -> None:
    text, name = "/".join(glob), "/".join(path)
    assume("**/**" not in text)
    expected = plainly(glob, path)
    assert Pattern(text, paths=True).matches(name) is expected
    assert (FourEyes(risk_paths=(Pattern(text, paths=True),)).risk(name) is not None) is expected
    # A ref pattern differs in one thing: its last ** wants something below.
    below = not (glob[-1] == "**" and plainly(glob[:-1], path) and not plainly([*glob[:-1], "?*", "**"], path))
    if len(path) > 1 or glob != ["**"]:
        assert Pattern(f"refs/{text}").matches(f"refs/{name}") is (expected and below)


@pytest.mark.parametrize(
    ("text", "paths", "words"),
    [
        ("", True, "empty name"),
        ("/etc/passwd", True, "empty name"),
        ("src/", True, "empty name"),
        ("a//b", True, "empty name"),
        ("a**", True, "** does not stand alone"),
        ("a/**/**/b", True, "** does not stand alone"),
        ("***", True, "** does not stand alone"),
        ("[ab]", True, "more than *, ? and **"),
        ("*.{js,ts}", True, "more than *, ? and **"),
        ("!src/**", True, "more than *, ? and **"),
        ("a\\*", True, "more than *, ? and **"),
        ("./src", True, "git never stores"),
        ("a/../b", True, "git never stores"),
        ("auth./**", True, "git never stores"),
        ("\uff41uth/**", True, "plain form"),
        ("cafe\u0301/**", True, "plain form"),
        ("au\u200bth/**", True, "plain form"),
        ("main", False, "start with refs/"),
        ("heads/main", False, "start with refs/"),
        ("**/main", False, "start with refs/"),
        ("refs", False, "start with refs/"),
        ("Refs/heads/main", False, "start with refs/"),
        ("refs/heads/main ", False, "no ref can be called"),
        ("refs/heads/a..b", False, "no ref can be called"),
        ("refs/heads/.a", False, "no ref can be called"),
        ("refs/heads/a.lock", False, "no ref can be called"),
        ("refs/heads/a.", False, "no ref can be called"),
        ("refs/heads/a@{1}", False, "more than *, ? and **"),
        ("refs/heads/a~1", False, "no ref can be called"),
        ("refs/heads/a\n", False, "no ref can be called"),
    ],
)
def test_a_pattern_that_could_match_nothing_is_refused(text: str, paths: bool, words: str) -> None:  # noqa: FBT001 - a table's column
    with pytest.raises(PolicyContentError, match="expected a pattern, got") as told:
        Pattern(text, paths=paths)
    assert words in str(told.value)
    assert told.value.mend


def test_a_path_too_long_to_check_out_is_risk_by_itself() -> None:
    policy = read()
    assert policy.high_risk("a" * 4096) is None
    assert "4096" in (policy.high_risk("a" * 4097) or "")
    assert policy.high_risk("src/Auth/x.py") == "**/auth/**"


def test_an_unknown_problem_refuses_a_commit() -> None:
    signed = SignedCommits(refuse_problems=frozenset({"not_utf8"}))
    said = {code: signed.refuses(code) for code in ("not_utf8", "mergetag", "unknown_header:x", "never_heard_of")}
    assert said == {"not_utf8": True, "mergetag": False, "unknown_header:x": False, "never_heard_of": True}
    assert SignedCommits().refuses("unknown_header:x")


def test_every_problem_that_the_parser_finds_is_known_here() -> None:
    raw = (
        b"tree " + b"1" * 40 + b"\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\nencoding latin-1\n"
        b"gpgsig-sha256 x\nmergetag object " + b"2" * 40 + b"\nodd header\ngpgsig -----BEGIN PGP SIGNATURE-----\n"
        b"gpgsig -----BEGIN PGP SIGNATURE-----\n\n\xff\0\nCo-authored-by: nobody\n"
    )
    found = {problem.partition(":")[0] for problem in parse_commit(raw).problems}
    assert found == COMMIT_PROBLEMS


# The approver table.

ARCHITECTS = {"architect-a", "architect-b", "architect-c"}
DEVS, QAS, PLANNERS = {"dev-a", "dev-b"}, {"qa-a", "qa-b"}, {"planner-a", "planner-b"}


@pytest.mark.parametrize(
    ("author", "first", "second", "fallback"),
    [
        ("dev-a", {"dev-b"}, QAS, ARCHITECTS),
        ("dev-b", {"dev-a"}, QAS, ARCHITECTS),
        ("qa-a", {"qa-b"}, DEVS, ARCHITECTS),
        ("qa-b", {"qa-a"}, DEVS, ARCHITECTS),
        ("planner-a", {"planner-b"}, ARCHITECTS, {"owner"}),
        ("planner-b", {"planner-a"}, ARCHITECTS, {"owner"}),
        ("architect-a", ARCHITECTS - {"architect-a"}, ARCHITECTS - {"architect-a"}, {"owner"}),
        ("architect-b", ARCHITECTS - {"architect-b"}, ARCHITECTS - {"architect-b"}, {"owner"}),
        ("architect-c", ARCHITECTS - {"architect-c"}, ARCHITECTS - {"architect-c"}, {"owner"}),
        ("docs", {"librarian"}, DEVS | QAS, ARCHITECTS),
        ("librarian", {"docs"}, DEVS, {"owner"}),
        ("orchestrator", {"librarian"}, {"owner"}, set()),
        ("human", {"human", "owner"}, ARCHITECTS, set()),
        ("owner", {"human", "owner"}, ARCHITECTS, set()),
    ],
)
def test_the_shipped_table_says_who_may_review_whom(
    author: str, first: set[str], second: set[str], fallback: set[str]
) -> None:
    row = shipped().row_for(author)
    assert (row.first, row.second, row.fallback) == (first, second, fallback)
    together = (frozenset(DEVS), frozenset(QAS)) if author in {"human", "owner"} else ()
    assert row.first_together == together


def test_the_shipped_roles_are_the_twelve_the_owner_and_people() -> None:
    roles = shipped().roles
    assert sum(role.kind is Kind.AGENT for role in roles.values()) == 12
    assert {name for name, role in roles.items() if role.kind is Kind.HUMAN} == {"owner", "human"}


def test_the_shipped_policy_is_solo_and_gives_every_default_as_it_is() -> None:
    policy = shipped()
    plain = FourEyes(risk_paths=policy.four_eyes.risk_paths)
    assert policy.profile is Profile.SOLO
    assert policy.four_eyes == plain
    assert policy.signed_commits == SignedCommits()


@pytest.mark.parametrize(
    "path",
    [
        "src/auth/login.py",
        "app/auth.py",
        "payments/charge.go",
        "billing/x",
        "db/migrations/0001.py",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        ".circleci/config.yml",
        "azure-pipelines.yml",
        "hooks/pre-receive",
        ".githooks/pre-push",
        ".husky/pre-commit",
        "policies/policy.yaml",
        "docs/CODEOWNERS",
        ".gitattributes",
        "sub/.gitattributes",
        ".gitmodules",
        ".lfsconfig",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements.lock",
        "pyproject.toml",
        "uv.lock",
        "web/package.json",
        "web/package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "Cargo.toml",
        "Cargo.lock",
        "go.mod",
        "go.sum",
        "pom.xml",
        "build.gradle.kts",
        "Gemfile.lock",
        "composer.lock",
        "App.csproj",
        "flake.lock",
        "Dockerfile",
        "deploy/twinseal.service",
        "config/production.yml",
        ".env",
        ".env.production",
        "infra/main.tf",
        ".claude/settings.json",
        ".mcp.json",
        "AGENTS.md",
        "web/CLAUDE.md",
        ".cursor/rules/a.mdc",
    ],
)
def test_the_shipped_policy_calls_this_path_high_risk(path: str) -> None:
    policy = shipped()
    assert policy.high_risk(path) is not None
    assert policy.high_risk(path.upper()) is not None


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "src/app/models/user.py",
        "src/author.py",
        "src/hooks/useState.ts",
        "docs/policies.md",
        "lib/reproduce.c",
    ],
)
def test_the_shipped_policy_leaves_ordinary_paths_alone(path: str) -> None:
    assert shipped().high_risk(path) is None


# Texts.

REFUSED = [
    # what is wrong, what is replaced, with what, where, words of the message
    ("an unknown key", "  lines:", "  linse:", 7, ["four_eyes.linse", "known key", "Did you mean lines?"]),
    ("an unknown key at the top", "version: 3", "version: 3\nbudget: 1", 2, ["budget", "known key"]),
    ("no version", "version: 3\n", "", 1, ["the key version, got none"]),
    ("no profile", "profile: team\n", "", 1, ["the key profile, got none"]),
    ("no target", "  target: refs/heads/main\n", "", 3, ["refs: expected the key target, got none"]),
    ("no risk paths", '  risk_paths: ["**/auth/**"]\n', "", 6, ["the key risk_paths, got none"]),
    ("no second", "    second: [qa]\n", "", 10, ["approvers[0]: expected the key second, got none"]),
    ("an unknown profile", "team", "crowd", 2, ["expected solo or team", '"crowd"']),
    ("a profile in capitals", "team", "Team", 2, ["expected solo or team", '"Team"']),
    ("a list for a profile", "profile: team", "profile: [team]", 2, ["expected solo or team", "got a list"]),
    ("yes for a number", "lines: 50", "lines: yes", 7, ["four_eyes.lines", "whole number", "yes, which YAML reads"]),
    ("true for a number", "lines: 50", "lines: true", 7, ["whole number from 1", "got true"]),
    ("hexadecimal", "lines: 50", "lines: 0x32", 7, ["whole number", "0x32, which YAML reads as int"]),
    ("sexagesimal", "lines: 50", "lines: 1:30", 7, ["1:30, which YAML reads as int"]),
    ("nothing", "lines: 50", "lines:", 7, ["whole number", "got nothing"]),
    ("too large", "lines: 50", "lines: 10001", 7, ["from 1 to 10000", "10001"]),
    ("a number of 5000 digits", "lines: 50", "lines: 1" + "0" * 5000, 7, ["which YAML reads as int"]),
    ("1 for true", "lines: 50", "humans_stand_in: 1", 7, ["expected true or false", "got 1"]),
    ("on for true", "lines: 50", "humans_stand_in: on", 7, ["expected true or false", "on, which YAML reads as bool"]),
    ("text for true", "lines: 50", 'humans_stand_in: "true"', 7, ["expected true or false", '"true"']),
    ("a word for a section", "four_eyes:\n  lines: 50\n", "four_eyes: off\nx:\n", 6, ["four_eyes", "a mapping"]),
    ("no risk", '["**/auth/**"]', "[]", 8, ["risk_paths", "a list of patterns", "an empty list"]),
    ("a word for a list", '["**/auth/**"]', '"**/auth/**"', 8, ["risk_paths", "a list of patterns", '"**/auth/**"']),
    ("risk named twice", '["**/auth/**"]', "[a, b, a]", 8, ["risk_paths[2]", "once", '"a" again']),
    ("a number for a pattern", '["**/auth/**"]', "[7]", 8, ["risk_paths[0]", "a pattern", "got 7"]),
    ("a class in a pattern", '["**/auth/**"]', '["[a]"]', 8, ["risk_paths[0]", "more than *, ? and **"]),
    ("nothing protected", "[refs/heads/main, refs/heads/release/**]", "[]", 5, ["refs.protected", "an empty list"]),
    ("the target is open", "[refs/heads/main, ", "[", 5, ["the target refs/heads/main among them"]),
    ("the target by suffix", "[refs/heads/main, ", "[refs/heads/mainx, ", 5, ["the target refs/heads/main among"]),
    ("a short pattern", "[refs/heads/main, ", "[refs/heads/main, main, ", 5, ["start with refs/", "refs/heads/main"]),
    ("a short target", "target: refs/heads/main", "target: main", 4, ["refs.target", "start with refs/"]),
    ("a target of many", "target: refs/heads/main", "target: refs/heads/*", 4, ["full name of one branch"]),
    ("a tag as target", "target: refs/heads/main", "target: refs/tags/main", 4, ["full name of one branch"]),
    ("tags elsewhere", "four_eyes:", "  tags: [refs/heads/v*]\nfour_eyes:", 6, ["refs.tags", "below refs/tags/"]),
    ("no topics", "four_eyes:", "  topic: []\nfour_eyes:", 6, ["refs.topic", "an empty list"]),
    ("too many refs", "four_eyes:", "  max_refs: 51\nfour_eyes:", 6, ["refs.max_refs", "from 1 to 50", "51"]),
    ("an unknown author", "authors: [dev-a,", "authors: [dev-z, dev-a,", 10, ["authors[0]", "roles", '"dev-z"']),
    ("an unknown approver", "second: [qa]", "second: [qa, QA]", 12, ["approvers[0].second[1]", "known", '"QA"']),
    ("a service that judges", "second: [qa]", "second: [lander]", 12, ["second[0]", "never judge", '"lander"']),
    ("an author in two rows", "authors: [qa,", "authors: [qa, dev-a,", 14, ["dev-a in one row", "on line 10"]),
    ("an author in no row", "authors: [dev-a, dev-b]", "authors: [dev-a]", 9, ["a row for dev-b, got none"]),
    ("nobody first", "first: [dev-a]", "first: []", 15, ["approvers[1].first", "an empty list"]),
    ("nobody second", "second: [qa]", "second: []", 12, ["approvers[0].second", "an empty list"]),
    ("a fallback of none", "fallback: [owner]", "fallback: []", 13, ["approvers[0].fallback", "an empty list"]),
    ("only oneself first", "first: [dev-a, dev-b]", "first: [dev-b]", 10, ["two approvers for dev-b"]),
    ("one for both places", "second: [qa]", "second: [dev-b]", 10, ["two approvers for dev-a"]),
    ("one list together", "second: [qa]", "second: [qa]\n    first_together: [[qa, owner]]", 10, ["share no role"]),
    (
        "lists that share",
        "second: [qa]",
        "second: [qa]\n    first_together: [[qa], [qa, owner]]",
        10,
        ["share no role"],
    ),
    ("no approvers", POLICY[POLICY.index("approvers:") :], "approvers: []\n", 9, ["approver rows", "an empty list"]),
    ("an unknown problem", "four_eyes:", "signed_commits: {refuse_problems: [x]}\nfour_eyes:", 6, ["problems", '"x"']),
    ("an empty section", "four_eyes:", "signed_commits: {}\nfour_eyes:", 6, ["signed_commits", "an empty mapping"]),
    ("refusing nothing", "four_eyes:", "signed_commits: {refuse_problems: []}\nfour_eyes:", 6, ["an empty list"]),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_policy_that_says_what_it_must_not_is_refused_where_it_says_it(
    old: str, new: str, line: int, words: list[str]
) -> None:
    assert POLICY.count(old) == 1 or old in {"four_eyes:", "team"}
    with pytest.raises(PolicyContentError) as told:
        read(POLICY.replace(old, new, 1))
    [problem] = [one for one in told.value.problems if all(word in one for word in words)]
    assert problem.startswith(f"policy.yaml:{line}: ")
    assert problem.endswith((".", "?"))
    assert told.value.mend
    assert str(told.value) in told.value.problems[0]


SYNTAX = [
    ("nothing at all", "", 1, "expected one document, got none"),
    ("only a comment", "# later\n", 1, "expected one document, got none"),
    ("two documents", POLICY + "---\nversion: 1\n", 17, "expected one document, got a second one"),
    ("a key twice", POLICY + "version: 4\n", 17, 'each key once, got "version" again (first on line 1)'),
    ("a deep key twice", POLICY.replace("  lines: 50", "  lines: 50\n  lines: 5000"), 8, 'got "lines" again'),
    ("an anchor", POLICY.replace("[qa]", "&q [qa]"), 12, "got the anchor &q"),
    ("an alias", POLICY.replace("[qa]", "*q"), 12, "got the alias *q"),
    ("a tag", POLICY.replace("50", "!!int 50"), 7, "got the tag tag:yaml.org,2002:int"),
    ("a private tag", POLICY.replace("50", "!x 50"), 7, "got the tag !x"),
    ("a Python tag", POLICY.replace("team", "!!python/object/apply:os.system [id]"), 2, "got the tag"),
    ("a merge key", POLICY.replace("  lines: 50", "  <<: {lines: 5000}"), 7, 'a name before the colon, got "<<"'),
    ("a number for a key", POLICY + "7: x\n", 17, 'a name before the colon, got "7"'),
    ("no for a key", POLICY + "no: x\n", 17, 'a name before the colon, got "no"'),
    ("a list for a key", POLICY + "? [a]\n: x\n", 17, "a name before the colon, got a list or mapping"),
    ("a directive", "%YAML 1.1\n---\n" + POLICY, 1, "got a % directive"),
    ("an absurd directive", "%YAML 1." + "9" * 5000 + "\n---\n" + POLICY, 1, "number out of range"),
    ("an absurd escape", POLICY.replace("team", '"\\UFFFFFFFF"'), 2, "number out of range"),
    ("a surrogate by escape", POLICY.replace("team", '"\\uD800"'), 2, "text on one line, got U+D800"),
    ("a NUL by escape", POLICY.replace("team", '"team\\0"'), 2, "text on one line, got U+0000"),
    ("text over lines", POLICY.replace("team", "|\n  team"), 2, "text on one line, got U+000A"),
    ("a tab", POLICY.replace("  lines", "\tlines"), 7, "got U+0009"),
    ("a lone CR", POLICY.replace("team", "team # \r lines: 1"), 2, "got U+000D"),
    ("a reordering comment", POLICY.replace("team", "team # \u202e olos"), 2, "got U+202E"),
    ("an invisible letter", POLICY.replace("team", "te\u200bam"), 2, "got U+200B"),
    ("a line separator", POLICY.replace("team", "team # \u2028version: 9"), 2, "got U+2028"),
    ("a byte order mark", "\ufeff" + POLICY, 1, "got U+FEFF"),
    ("a noncharacter", POLICY.replace("team", "te\ufffeam"), 2, "got U+FFFE"),
    ("not UTF-8", POLICY.encode().replace(b"team", b"t\xe9am"), 2, "expected UTF-8, got byte 0xe9"),
    ("UTF-16", POLICY.encode("utf-16"), 1, "expected UTF-8, got byte 0xff"),
    ("too large", POLICY + "#" * 256 * 1024, 1, "expected at most 262144 bytes"),
    ("too deep", POLICY + "x: " + "[" * 50 + "]" * 50, 17, "expected at most 8 levels"),
    ("far too deep", "[" * 200_000, 1, "expected at most 8 levels"),
    ("half a list", POLICY + "x: [a\n", 18, "expected YAML"),
    ("a second colon", POLICY.replace("profile: team", "profile: team: x"), 2, "expected YAML"),
]


@pytest.mark.parametrize(("text", "line", "words"), [row[1:] for row in SYNTAX], ids=[row[0] for row in SYNTAX])
def test_a_text_outside_the_yaml_that_is_read_is_refused_with_its_line(
    text: str | bytes, line: int, words: str
) -> None:
    with pytest.raises(PolicySyntaxError) as told:
        read(text)
    assert str(told.value).startswith(f"policy.yaml:{line}: ")
    assert words in str(told.value)
    assert told.value.mend


ROLE_ROWS = [
    ("a bad name", "  qa:", "  Qa:", 4, ["a-z, 0-9", '"Qa"']),
    ("a name in two cases", "  lander:", "  Dev-a:", 5, ["told apart", "Dev-a beside dev-a"]),
    ("1 for l", "  lander:", "  1ander: {kind: agent, description: x}\n  lander:", 6, ["lander beside 1ander"]),
    ("rn for m", "  lander:", "  mom: {kind: service, description: x}\n  rnom:", 6, ["rnom beside mom"]),
    ("a hyphen more", "  lander:", "  deva:", 5, ["told apart", "deva beside dev-a"]),
    ("a fullwidth name", "  lander:", "  \uff44ev-a:", 5, ["told apart", "beside dev-a"]),
    ("a long name", "  lander:", f"  {'l' * 41}:", 5, ["expected a role name"]),
    ("no kind", "kind: service, ", "", 5, ["roles.lander", "the key kind, got none"]),
    ("an unknown kind", "service", "daemon", 5, ["agent or human or service", '"daemon"']),
    ("no words", "Lands.", '" "', 5, ["roles.lander.description", "text of 1 to 400"]),
    ("too many words", "Lands.", "x" * 401, 5, ["roles.lander.description", "text of 1 to 400"]),
    ("no owner", "  owner:", "  boss:", 1, ["human role owner"]),
    ("an owner that is a program", "kind: human", "kind: agent", 1, ["human role owner"]),
    ("no roles", ROLES, "roles: {}\n", 1, ["a mapping of role names"]),
    ("a list", ROLES, "[roles]\n", 1, ["a mapping with roles"]),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"), [row[1:] for row in ROLE_ROWS], ids=[row[0] for row in ROLE_ROWS]
)
def test_a_bad_role_is_refused_in_its_own_file(old: str, new: str, line: int, words: list[str]) -> None:
    with pytest.raises(PolicyContentError) as told:
        read(POLICY, ROLES.replace(old, new, 1))
    found = [one for one in told.value.problems if all(word in one for word in words)]
    assert found
    assert all(one.startswith(f"roles.yaml:{line}: ") for one in found)


def test_all_problems_are_told_at_once_and_the_first_by_line_is_raised() -> None:
    text = POLICY.replace("lines: 50", "lines: 0").replace("version: 3", 'version: "3"').replace("[qa]", "[nobody]")
    with pytest.raises(PolicyContentError) as told:
        read(text, ROLES.replace("Lands.", "7"))
    assert [problem.split(": ")[0] for problem in told.value.problems] == [
        "policy.yaml:1",
        "policy.yaml:7",
        "policy.yaml:12",
        "roles.yaml:5",
    ]
    assert (told.value.file, told.value.line) == ("policy.yaml", 1)


# The digest, and the meaning.


def reordered(text: str) -> str:
    """The same YAML with every mapping and list turned round, spelt by another writer."""

    def turn(value: object) -> object:
        if isinstance(value, dict):
            return {key: turn(value[key]) for key in reversed(value)}
        return [turn(item) for item in reversed(value)] if isinstance(value, list) else value

    return yaml.safe_dump(turn(yaml.safe_load(text)), sort_keys=False)


@pytest.mark.parametrize(
    "again",
    [
        lambda text: text,
        lambda text: f"# said before\n\n{text}\n# said after\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"---\n{text}",
        reordered,
        lambda text: json.dumps(yaml.safe_load(text)),
    ],
    ids=["itself", "comments", "CRLF", "a document mark", "another order", "JSON"],
)
def test_the_digest_does_not_see_how_the_meaning_is_spelt(again: Callable[[str], str]) -> None:
    one = shipped()
    other = read(again(SHIPPED_POLICY), again(SHIPPED_ROLES))
    assert (other.digest, other) == (one.digest, one)
    assert len(one.digest) == 64


def test_the_digest_sees_a_default_as_it_sees_the_same_value_written_out() -> None:
    one = read(POLICY.replace("  lines: 50\n", ""))
    assert one.digest == read().digest
    assert one.digest != read(POLICY.replace("lines: 50", "lines: 49")).digest


@pytest.mark.parametrize("policy", [read(), shipped()], ids=["small", "shipped"])
def test_a_policy_comes_back_from_its_meaning_as_it_was(policy: Policy) -> None:
    meaning = json.loads(json.dumps(describe(policy)))
    assert from_meaning(meaning) == policy
    assert from_meaning(meaning).digest == policy.digest
    assert "digest" not in meaning


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("four_eyes", "lines"), 0, "four_eyes.lines: expected a whole number from 1 to 10000, got 0"),
        (("four_eyes", "lines"), True, "got true"),
        (("four_eyes", "lines"), float("nan"), "got a value of type float"),
        (("four_eyes", "lines"), 2**60, "got a value of type int"),
        (("four_eyes", "risk_paths"), [], "four_eyes.risk_paths: expected a list of patterns, got an empty list"),
        (("four_eyes", "risk_paths"), ["a\nb"], "four_eyes.risk_paths[0]: expected a pattern"),
        (("approvers", 0, "first"), [], "approvers[0].first: expected a list of roles"),
        (("refs", "target"), None, "refs.target: expected text of 1 to 400 characters, got nothing"),
        (("roles", "qa", "description"), "\udc80", "roles.qa.description: expected text"),
        (("roles",), None, "roles: expected a mapping of role names, got nothing"),
        (("surprise",), 1, "surprise: expected a known key"),
        (("digest",), "0" * 64, "digest: expected a known key"),
    ],
)
def test_a_meaning_is_checked_as_the_text_is(place: tuple[Any, ...], value: object, words: str) -> None:
    meaning = json.loads(json.dumps(describe(read())))
    at = meaning
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(PolicyContentError) as told:
        from_meaning(meaning)
    assert any(words in problem for problem in told.value.problems)


@pytest.mark.parametrize("meaning", [{}, [], None, "policy", {"roles": {}}, {1: 2}])
def test_what_is_no_meaning_is_refused(meaning: object) -> None:
    with pytest.raises(PolicyContentError):
        from_meaning(meaning)  # type: ignore[arg-type]  # that is the point


# Whatever happens to the text, the answer is another policy or an error of ours.


def scalars(text: str) -> list[tuple[int, int]]:
    """Where every scalar of a text begins and ends, keys included."""
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return [(e.start_mark.index, e.end_mark.index) for e in events if isinstance(e, yaml.ScalarEvent)]


PLACES = {"policy": scalars(SHIPPED_POLICY), "roles": scalars(SHIPPED_ROLES)}


def read_or_error(policy: str, roles: str) -> Policy | PolicyError:
    try:
        return read(policy, roles)
    except PolicyError as error:
        return error


def error_is_useful(error: PolicyError) -> bool:
    return error.file in {"policy.yaml", "roles.yaml"} and error.line > 0 and bool(error.mend)


INSTEAD = st.one_of(
    st.sampled_from(["0", "-1", "2", "1.5", ".nan", ".inf", '"2"', "yes", "null", "~", "[]", "{}", "*a", "&a b", "<<"]),
    st.sampled_from(["refs/heads/main", "dev-a", "owner", "solo", "team", "'**'", "'*'", "\U0001f600", "x: y", "- x"]),
    st.text(max_size=8).map(lambda text: text.encode(errors="replace").decode()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_one_scalar_deleted_doubled_or_changed_gives_another_policy_or_an_error(data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(["policy", "roles"]))
    text = SHIPPED_POLICY if which == "policy" else SHIPPED_ROLES
    start, end = data.draw(st.sampled_from(PLACES[which]))
    was = text[start:end]
    new = data.draw(st.one_of(st.just(""), st.just(f"{was}{was}"), st.just(f"{was}, {was}"), INSTEAD))
    assume(new != was)
    changed = text[:start] + new + text[end:]
    found = read_or_error(*(changed, SHIPPED_ROLES) if which == "policy" else (SHIPPED_POLICY, changed))
    if isinstance(found, PolicyError):
        assert error_is_useful(found)
        return
    # Spelling alone may be what changed: then the plain YAML is the same too.
    same = yaml.safe_load(changed) == yaml.safe_load(text)
    assert (found.digest == shipped().digest) is same


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(":-[]{}&*!%@`'\"\\|>#?~<= \nabUux0\ufeff", max_size=60)))
def test_any_bytes_at_all_give_an_error_of_ours(data: bytes | str) -> None:
    for texts in ((data, ROLES), (POLICY, data)):
        with pytest.raises(PolicyError):
            read(*texts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_one_value_of_a_meaning_replaced_gives_another_policy_or_an_error(data: st.DataObject) -> None:
    meaning = json.loads(json.dumps(describe(read())))
    at, steps = meaning, data.draw(st.integers(1, 3))
    key: Any = None
    for step in range(steps):
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if step == steps - 1 or not isinstance(at[key], dict | list) or not at[key]:
            break
        at = at[key]
    was, new = at[key], data.draw(JSON)
    assume(new != was or type(new) is not type(was))
    at[key] = new
    try:
        found = from_meaning(meaning)
    except PolicyContentError:
        return
    assert found.digest != read().digest
    assert from_meaning(describe(found)) == found


def test_a_policy_from_before_a_number_keeps_its_digest_and_has_the_default() -> None:
    """A ledger whose policy was adopted by an older version opens: sections grow by numbers."""
    meaning = describe(read())
    section = meaning["debt"]
    assert isinstance(section, dict)
    del section["age_days"]
    found = from_meaning(meaning)
    assert found.controls.debt.age_days == 30
    assert found.digest == hashlib.sha256(encode(meaning)).hexdigest() != read().digest


SHIPS = Path(__file__).parent.parent / "policies"


class TestAlerts:
    """Who is told of what."""

    @staticmethod
    def read(text: str) -> Policy:
        policy, roles = ((SHIPS / name).read_bytes() for name in ("policy.yaml", "roles.yaml"))
        without = policy[: policy.index(b"# Who is told of what")]
        return load(without + text.encode(), roles, policy_name="policy.yaml", roles_name="roles.yaml")

    def test_what_is_left_out_is_as_it_ships(self) -> None:
        assert self.read("").controls.alerts == self.read("alerts:\n  flood: 10\n").controls.alerts
        assert dict(self.read("").controls.alerts.routes)["critical"] == ("mail", "sms", "tmux", "webhook")

    def test_routes_and_severities_are_kept_through_the_ledger(self) -> None:
        said = "alerts:\n  routes:\n    high: [webhook, mail]\n    medium: []\n  severities:\n    veto.cast: low\n"
        policy = self.read(said)
        found = from_meaning(describe(policy))

        assert found == policy
        assert dict(found.controls.alerts.routes)["high"] == ("mail", "webhook")
        assert dict(found.controls.alerts.routes)["medium"] == ()
        assert found.controls.alerts.severities == (("veto.cast", "low"),)

    @pytest.mark.parametrize(
        "text",
        [
            "routes:\n    critical: []", "routes:\n    critical: [pigeon]", "routes:\n    urgent: [mail]",
            "routes: [mail]", "severities:\n    veto: low", "severities:\n    veto.cast: loud", "severities: {}",
            "flood: 0", "flood: 1001", "florid: 1", "routes:\n    low: mail",
        ],
    )  # fmt: skip
    def test_what_nobody_could_be_told_by_is_refused(self, text: str) -> None:
        with pytest.raises(PolicyContentError):
            self.read(f"alerts:\n  {text}\n")

    def test_a_policy_from_before_has_what_ships_and_keeps_its_digest(self) -> None:
        meaning = {name: value for name, value in describe(self.read("")).items() if name != "alerts"}
        digest = hashlib.sha256(encode(meaning)).hexdigest()

        assert from_meaning(meaning).digest == digest
        assert from_meaning(meaning).controls.alerts == self.read("").controls.alerts
