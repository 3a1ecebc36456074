"""Scenarios: which there are, and those of one's own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from polargen.api import samples
from polargen.api.answers import Scenario, Scenarios
from polargen.api.problems import invalid
from polargen.api.requests import NewScenario
from polargen.api.responses import possible, request
from polargen.api.service import Here
from polargen.config import DEFAULT_SCENARIO

router = APIRouter(tags=["scenarios"])


@router.get("/scenarios", response_model=Scenarios, responses=possible(samples.SCENARIOS))
def list_scenarios(here: Here) -> dict[str, Any]:
    """List the scenarios, the default first."""
    listed = here.scenarios.listed()
    return {"scenarios": listed, "count": len(listed), "defaultScenario": DEFAULT_SCENARIO}


@router.get(
    "/scenarios/{name}",
    response_model=Scenario,
    responses=possible(samples.SCENARIO, "unknown-scenario", "invalid"),
)
def show_scenario(name: str, here: Here) -> dict[str, Any]:
    """Show a scenario, complete."""
    return here.scenarios.shown(here.scenarios.find(name))


@router.post(
    "/scenarios",
    status_code=201,
    response_model=Scenario,
    responses=possible(samples.SCENARIO, "conflict", body=True, status=201),
    openapi_extra=request(
        custom={
            "name": "my-scenario",
            "extends": "normal-ops",
            "description": "Custom testing scenario",
            "anomalyRate": 0.15,
            "entityRates": {"ordersPerDay": 100},
        }
    ),
)
def register_scenario(given: NewScenario, here: Here, response: Response) -> dict[str, Any]:
    """Register a scenario, for this server and until it stops; an earlier one is replaced."""
    document = given.model_dump(by_alias=True, exclude_unset=True)
    wrong = _unprintable(document)
    if wrong:
        raise invalid(
            [{"path": path, "message": "has characters that are no text"} for path in wrong]
        )
    profile = here.scenarios.register(document)
    response.headers["Location"] = f"/api/mock-data/scenarios/{profile.name}"
    return here.scenarios.shown(profile)


def _unprintable(value: object, path: str = "") -> list[str]:
    """Return the paths of texts that neither a database nor a file takes."""
    if isinstance(value, dict):
        below = (pair for key, child in value.items() for pair in ((key, key), (child, key)))
        return [
            found for one, key in below for found in _unprintable(one, f"{path}.{key}".strip("."))
        ]
    if isinstance(value, list):
        return [found for one in value for found in _unprintable(one, path)]
    if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        return [path]
    return []
