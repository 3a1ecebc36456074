"""The OpenAPI document: what FastAPI derives, with the problem object and the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from polargen.api.answers import Problem

REFERENCE = "#/components/schemas/{model}"
TAGS = [
    {"name": "jobs", "description": "Start, watch and cancel runs."},
    {"name": "results", "description": "Look at what a finished job made."},
    {"name": "export", "description": "Take it away."},
    {"name": "scenarios", "description": "What the data looks like."},
    {"name": "configuration", "description": "Defaults, and what would become of a run."},
    {"name": "safety", "description": "Whether databases may be loaded, and what is removed."},
    {"name": "server", "description": "Whether it runs, and what it did."},
]


def document(app: FastAPI, free: frozenset[str]) -> dict[str, Any]:
    """Return the document; made once.

    Args:
        app: with all its routes.
        free: paths that need no token.
    """
    if app.openapi_schema is not None:
        return app.openapi_schema
    made: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        tags=TAGS,
        routes=app.routes,
    )
    schemas = made["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template=REFERENCE, mode="serialization")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, never answered
        schemas.pop(name, None)
    made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in free else [{"token": []}, {}]
    app.openapi_schema = made
    return made
