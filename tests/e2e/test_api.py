"""The HTTP surface as described: OpenAPI, problems, reading."""

from __future__ import annotations

import re
from typing import Any

import pytest

from governance.entrypoints.problems import STATUS
from playing import Ground, Repository

CODE = re.compile(r"[a-z_]+\.[a-z_]+")
OPEN = {("post", "/v1/challenges"), ("post", "/v1/keys"), ("get", "/v1/about")}
"""What needs no token: what one does before one has any."""
SIGNED = {("post", "/v1/inbound/sms"), ("post", "/v1/inbound/mail")}
"""What a provider signs instead; not there where none is set up."""


@pytest.fixture(scope="session")
def described(ground: Ground) -> dict[str, Any]:
    answer = ground.ask("GET", "//v1/openapi.json")
    assert answer.status == 200
    return dict(answer.body)


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, op) for path, ops in described["paths"].items() for method, op in ops.items()]


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(described["components"]["schemas"][name]) if name else schema


def test_every_operation_says_what_it_does_and_how_it_fails(described: dict[str, Any]) -> None:
    found = operations(described)
    assert len(found) > 20
    for method, path, op in found:
        assert path.startswith("/v1/"), path
        assert op.get("description", "").endswith("."), (method, path)
        problems = {status for status in op["responses"] if status >= "400"}
        assert problems >= {"401", "403", "404", "409", "422", "503"}, (method, path)
        for status in problems:
            assert "application/problem+json" in op["responses"][status]["content"], (method, path, status)


def test_every_body_has_strict_fields_and_an_example(described: dict[str, Any]) -> None:
    bodies = [
        (p, op["requestBody"]["content"]["application/json"]["schema"])
        for _, p, op in operations(described)
        if "requestBody" in op
    ]
    assert len(bodies) > 10
    for path, schema in bodies:
        body = resolved(described, schema)
        assert body["additionalProperties"] is False, path
        assert any("examples" in field or "description" in field for field in body["properties"].values()), path
        assert all(bounded(field) for field in body["properties"].values()), path


def bounded(field: dict[str, Any]) -> bool:
    """Whether what a field may hold has an end; one part of a field that may be null has it."""
    limits = {"maxLength", "maxItems", "maxProperties", "exclusiveMaximum"}
    return any(limits & part.keys() for part in (field, *field.get("anyOf", ())))


def test_every_route_that_is_served_is_described(ground: Ground, described: dict[str, Any]) -> None:
    """The other way round: what is described answers, and asks for a token."""
    for method, path, _ in operations(described):
        address = re.sub(r"{(number|seq)}", "1", path).replace("{repository}", "none")
        answer = ground.ask(method.upper(), f"/{address}", {} if method == "post" else None)
        wanted = {401, 422} if (method, path) not in OPEN else {200, 422}
        wanted = {404} if (method, path) in SIGNED else wanted
        assert answer.status in wanted, (method, path, answer.raw)
        if (method, path) not in OPEN and method == "get":
            assert answer.code == "request.unauthenticated", (method, path)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ledger/entries/999999", 404, "request.not_found"),
        ("/repositories/nowhere/drift", 404, "request.not_found"),
        ("/repositories/nowhere/changes", 403, "token.other_repository"),
        ("/nowhere", 404, "request.http"),
        ("/ledger/entries?start=x", 422, "request.malformed"),
    ],
)
def test_a_problem_has_its_shape_and_a_stable_code(ground: Ground, path: str, status: int, code: str) -> None:
    answer = ground.owner.get(path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.body
    assert set(body) <= {"type", "title", "status", "detail", "code", "mend"}
    assert (body["type"], body["title"], body["status"]) == (f"urn:twinseal:{code}", code, status)
    assert body["detail"]
    assert CODE.fullmatch(code)


def test_no_two_kinds_of_error_hide_each_other() -> None:
    """The first match counts, so a class must stand before those it derives from."""
    for place, (kind, _) in enumerate(STATUS):
        assert not any(issubclass(kind, earlier) for earlier, _ in STATUS[:place]), kind


def test_who_may_read_reads_the_same_entries_page_by_page(ground: Ground, standing: Repository) -> None:
    dev = ground["dev-a"]
    whole = [row for start in range(0, 10_000, 200) if (rows := _page(ground, start, 200)) for row in rows]
    assert [row["seq"] for row in whole] == list(range(len(whole)))
    small = [row for start in range(0, 30, 7) for row in _page(ground, start, 7)]
    assert small[:30] == whole[:30]
    one = dev.get("/ledger/entries/3", repository=standing.name).body
    assert one == whole[3]


def _page(ground: Ground, start: int, limit: int) -> list[dict[str, Any]]:
    return list(ground.owner.get(f"/ledger/entries?start={start}&limit={limit}").body["items"])


def test_health_and_readiness_need_no_token(ground: Ground) -> None:
    for path in ("//healthz", "//readyz"):
        assert ground.ask("GET", path).body == {"status": "ok"}


def test_the_policy_in_force_is_shown_with_its_digest(ground: Ground) -> None:
    found = ground["dev-a"].get("/policy").body
    assert found["digest"] == ground.owner.get("/status").body["policy"]
    assert found["meaning"]["four_eyes"]["lines"] == 50
