"""Errors as answers: problem objects (RFC 9457) with the status that fits.

A problem has ``type``, ``title``, ``status`` and ``detail``, the title again as ``error``, and
what its kind adds: ``errors``, ``failures``, ``availableScenarios``.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from polargen.api.safety import environment_name
from polargen.config import problems_in, shown
from polargen.errors import (
    ConfigError,
    GuardError,
    LimitError,
    PolargenError,
    TargetError,
)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:polargen:problem:"
# kind: status, title
KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "Bad request"),
    "missing-parameter": (400, "Missing parameter"),
    "not-confirmed": (400, "Confirmation missing"),
    "unknown-host": (400, "Unknown host"),
    "token": (401, "Token missing or wrong"),
    "foreign-origin": (403, "Foreign origin"),
    "not-local": (403, "Not from this machine"),
    "safety": (403, "Safety checks failed"),
    "not-found": (404, "Not found"),
    "unknown-job": (404, "Unknown job"),
    "unknown-scenario": (404, "Unknown scenario"),
    "wrong-method": (405, "Method not allowed"),
    "slow-request": (408, "Request too slow"),
    "conflict": (409, "Conflict"),
    "no-rows": (409, "No rows to show"),
    "no-database": (409, "No database"),
    "too-large": (413, "Request too large"),
    "long-address": (414, "Address too long"),
    "media-type": (415, "Unsupported media type"),
    "invalid": (422, "Invalid request"),
    "limit": (422, "Limit exceeded"),
    "key-reused": (422, "Idempotency key reused"),
    "long-headers": (431, "Headers too long"),
    "internal": (500, "Internal error"),
    "queue-full": (503, "Queue full"),
    "busy": (503, "Busy"),
    "target": (503, "Target failed"),
}
_STATUS_KINDS = {
    400: "bad-request",
    404: "not-found",
    405: "wrong-method",
    413: "too-large",
    415: "media-type",
}
_log = logging.getLogger("polargen.api")


class ApiProblem(HTTPException):  # as such, FastAPI lets it pass while it reads a body
    """An answer that is an error.

    Args:
        kind: a name in `KINDS`.
        detail: where, what came, what to do.
        headers: of the answer.
        more: further keys of the problem object.
    """

    def __init__(
        self, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(KINDS[kind][0], detail, dict(headers or {}))
        self.kind = kind
        self.more = more

    def to_dict(self) -> dict[str, Any]:
        """Return the problem object."""
        status, title = KINDS[self.kind]
        return {
            "type": TYPE + self.kind,
            "title": title,
            "status": status,
            "detail": self.detail,
            "error": title,
            **self.more,
        }

    def response(self) -> Response:
        """Return the answer, in ASCII: whatever came in can be shown."""
        body = json.dumps(self.to_dict()).encode("ascii")
        return Response(body, self.status_code, headers=self.headers, media_type=MEDIA_TYPE)


def invalid(errors: Sequence[Mapping[str, str]]) -> ApiProblem:
    """Return the answer to values that cannot be used; each error has a path and a message."""
    detail = "; ".join(": ".join(filter(None, (e["path"], e["message"]))) for e in errors)
    return ApiProblem("invalid", detail, errors=[dict(one) for one in errors])


def errors_of(error: ConfigError, below: str = "") -> list[dict[str, str]]:
    """Return the problems that an error joins, with paths from the request's root."""
    listed = []
    for problem in problems_in(error):
        path = ".".join(part for part in (below, problem.path) if part)
        listed.append({"path": path, "message": problem.message})
    return listed


def failures_of(failures: Sequence[Any]) -> list[dict[str, str]]:
    """Return failed checks of the safety guard as the API shows them."""
    return [
        {"check": f.check, "reason": f.reason, "severity": f.severity, "remedy": f.remedy}
        for f in failures
    ]


def problem_of(error: PolargenError) -> ApiProblem:
    """Return the answer to one of polargen's errors."""
    if isinstance(error, GuardError):
        return ApiProblem(
            "safety",
            str(error),
            failures=failures_of(error.failures),
            environment=environment_name(os.environ),
        )
    if isinstance(error, LimitError):
        return ApiProblem("limit", str(error))
    if isinstance(error, ConfigError):
        return invalid(errors_of(error))
    if isinstance(error, TargetError):
        return ApiProblem("target", str(error), {"Retry-After": "10"})
    return ApiProblem("conflict", str(error))


def add_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem object."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiProblem)
        return error.response()

    async def on_polargen(request: Request, error: Exception) -> Response:
        assert isinstance(error, PolargenError)
        return problem_of(error).response()

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _validation(request, error).response()

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = _STATUS_KINDS.get(error.status_code, "bad-request")
        detail = _HTTP_DETAILS.get(error.status_code, str(error.detail))
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(app, request.url.path))
        return ApiProblem(kind, detail, headers).response()

    async def on_defect(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path)
        detail = "a defect of polargen: please report it, with what the server's log shows"
        return ApiProblem("internal", detail).response()

    app.add_exception_handler(ApiProblem, on_problem)
    app.add_exception_handler(PolargenError, on_polargen)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_defect)


_HTTP_DETAILS = {
    404: "nothing is there, see /openapi.json for what is",
    405: "the method is not one of this address, see the header Allow",
    400: "the body is not valid JSON in UTF-8, send one JSON object",
}


def _methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods of an address; the router itself names those of one route only."""
    methods = {"GET"}  # of the console
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path):
            methods = {method.upper() for method in operations}
    return sorted(methods)


def _validation(request: Request, error: RequestValidationError) -> ApiProblem:
    """Return the answer to what FastAPI refused, in polargen's words."""
    listed = error.errors()
    if any(one["type"] == "json_invalid" for one in listed):
        return ApiProblem("bad-request", _HTTP_DETAILS[400])
    if isinstance(error.body, bytes):  # it was not read as JSON
        return ApiProblem(
            "media-type", "the body is not marked as JSON, send Content-Type: application/json"
        )
    if all(one["type"] == "missing" and one["loc"][0] == "query" for one in listed):
        names = ", ".join(str(one["loc"][-1]) for one in listed)
        return ApiProblem("missing-parameter", f"{names}: is missing, give it in the query")
    return invalid([error_at(one["loc"][1:], one) for one in listed])


def error_at(steps: Iterable[Any], detail: Any) -> dict[str, str]:
    """Return one entry of pydantic's list of errors as a path and a message."""
    path = ".".join(map(str, steps))
    kind, value = detail["type"], detail.get("input")
    if kind == "value_error":
        cause = detail["ctx"]["error"]
        at = getattr(cause, "at", "")
        path = ".".join(part for part in (path, at) if part)
        message = str(cause)
    elif kind == "missing":
        message = "is missing, give it"
    elif kind == "extra_forbidden":
        message = "unknown key, see /openapi.json for those there are"
    elif kind in ("model_type", "model_attributes_type", "dict_type"):
        message = f"{shown(value)} is not an object, give one in braces"
    elif kind in ("literal_error", "enum"):
        message = f"{shown(value)} is unknown, must be {detail['ctx']['expected']}"
    else:
        message = f"{shown(value)} is refused: {detail['msg']}"
    return {"path": path, "message": message}
