"""What a route may answer, with examples, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from polargen.api.problems import KINDS, MEDIA_TYPE, TYPE

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
EVERYWHERE = (
    "unknown-host",
    "token",
    "foreign-origin",
    "not-local",
    "long-address",
    "long-headers",
)
OF_BODIES = ("bad-request", "slow-request", "too-large", "media-type", "invalid")
_DETAILS: dict[str, str] = {
    "bad-request": "the body is not valid JSON in UTF-8, send one JSON object",
    "missing-parameter": "jobId: is missing, give it",
    "not-confirmed": "confirm: is missing, give confirm=DELETE_ALL_MOCK_DATA",
    "unknown-host": "the server is not called 'evil.example'; if it is, add the name to "
    "POLARGEN_API_HOSTS",
    "token": "the token is missing, send the header Authorization: Bearer and the server's "
    "POLARGEN_API_TOKEN",
    "foreign-origin": "pages of 'https://evil.example' may not call; if they may, add it to "
    "POLARGEN_API_ORIGINS",
    "not-local": "other machines may call only if the server has a POLARGEN_API_TOKEN",
    "safety": "Safety checks failed: toggle: MOCK_DATA_ENABLED is not set, the stored toggle is "
    "off; set MOCK_DATA_ENABLED=true or run polargen toggle --enable",
    "not-found": "nothing is there, see /openapi.json for what is",
    "unknown-job": "no job 'job-00000000' is known",
    "unknown-scenario": "scenario 'normal-opps' is unknown, did you mean normal-ops?",
    "conflict": "the job is completed, only a running one can be cancelled",
    "no-rows": "the job was a dry run, it wrote nothing",
    "no-database": "the server has no database, start it with --database",
    "slow-request": "the body took more than 10 seconds, send it at once",
    "too-large": "the body is larger than 1,000,000 bytes, send less",
    "long-address": "the query is longer than 4,096 bytes",
    "long-headers": "the headers are longer than 16,384 bytes",
    "media-type": "the body is not marked as JSON, send Content-Type: application/json",
    "invalid": "config.endDate: 2024-01-01 lies before the start 2024-03-31, swap them",
    "limit": "orders: about 450,000,000 rows are planned, the limit is 10,000,000",
    "key-reused": "the Idempotency-Key was used for another request, draw a new one",
    "queue-full": "8 jobs wait already, try again later",
    "target": "database db.example:5432/erp: connection refused; check the URL and that the "
    "server runs",
    "busy": "too many at once, try again later",
}
_MORE: dict[str, dict[str, Any]] = {
    "safety": {
        "failures": [
            {
                "check": "toggle",
                "reason": "MOCK_DATA_ENABLED is not set, the stored toggle is off",
                "severity": "error",
                "remedy": "set MOCK_DATA_ENABLED=true or run polargen toggle --enable",
            }
        ],
        "environment": "development",
    },
    "unknown-scenario": {"availableScenarios": ["normal-ops", "peak-season"]},
    "invalid": {
        "errors": [
            {
                "path": "config.endDate",
                "message": "2024-01-01 lies before the start 2024-03-31, swap them",
            }
        ]
    },
}


def possible(
    shown: Any, *kinds: str, body: bool = False, status: int = 200
) -> dict[int | str, Any]:
    """Return the answers of a route, with an example of each.

    Args:
        shown: when all is well: the JSON document, or the description of the answer.
        kinds: of problems, besides those of every route.
        body: the route reads one.
        status: when all is well.
    """
    well = shown if "description" in shown and "content" in shown else _document(shown)
    result: dict[int | str, Any] = {status: well}
    wanted = [*EVERYWHERE, *(OF_BODIES if body else ()), *kinds]
    for kind in dict.fromkeys(wanted):
        status, title = KINDS[kind]
        entry = result.setdefault(
            status,
            {
                "description": title,
                "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA, "examples": {}}},
            },
        )
        shown = entry["content"][MEDIA_TYPE]["examples"]
        if shown:
            entry["description"] += f"; {title.lower()}"
        shown[kind] = {"summary": title, "value": _problem(kind)}
    return result


def described(about: str, **shown: Any) -> dict[str, Any]:
    """Return the description of an answer that is no JSON: what it is, by media type."""
    return {"description": about, "content": shown}


def _document(value: Any) -> dict[str, Any]:
    return {"description": "As asked", "content": {"application/json": {"example": value}}}


def request(**shown: Any) -> dict[str, Any]:
    """Return what adds examples, by name, to a JSON request body."""
    examples = {name: {"value": value} for name, value in shown.items()}
    return {"requestBody": {"content": {"application/json": {"examples": examples}}}}


def _problem(kind: str) -> dict[str, Any]:
    status, title = KINDS[kind]
    return {
        "type": TYPE + kind,
        "title": title,
        "status": status,
        "detail": _DETAILS[kind],
        "error": title,
        **_MORE.get(kind, {}),
    }
