"""Scenarios, configuration, toggle and guard over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import QUARTER, ApiServer, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("config"), "--workers", "2") as server:
        yield server


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    assert found["type"].endswith(f":{kind}")
    return found


def judged(server: ApiServer, **config: Any) -> dict[str, Any]:
    answer = server.post("/config", {"scenario": "normal-ops", "config": config})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_defaults__are_the_specification_s(server: ApiServer) -> None:
    config = server.get("/config").json()
    assert config["defaultEntityRates"] == {
        "users": 20, "companies": 100, "branchRatio": 0.3, "products": 200, "ordersPerDay": 50,
        "maintenanceVisitsPerWeek": 10,
    }  # fmt: skip
    assert config["defaultDistributions"]["paymentStatus"]["Paid"] == 0.8
    defaults = config["defaults"]
    assert (defaults["volumeMultiplier"], defaults["batchSize"]) == (1, 1000)
    assert defaults["dryRun"] is True
    assert defaults["target"] == "files"
    assert config["targets"] == ["files"]
    assert config["database"] is None
    assert config["safetyConfig"]["targetSchema"] == "mock_data"


def test_plan__is_that_of_the_run(server: ApiServer) -> None:
    found = judged(server, **QUARTER)
    assert found["valid"] is True
    assert found["errors"] == []
    assert found["config"]["startDate"] == "2024-01-01"
    plan = found["plan"]
    assert plan["rows"]["users"] == 20
    assert plan["rows"]["orders"] == 4550
    assert plan["totalRows"] == sum(plan["rows"].values())
    assert plan["bytes"] > 0
    assert plan["estimatedSeconds"] > 0


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"endDate": "2023-01-01", "startDate": "2024-01-01"}, ["config.endDate"]),
        ({"seed": "12", "batchSize": 99}, ["config.seed", "config.batchSize"]),
        ({"volumeMultiplier": 0}, ["config.volumeMultiplier"]),
        ({"dryRun": "yes"}, ["config.dryRun"]),
        ({"target": "moon"}, ["config.target"]),
        ({"workers": 3}, ["config.workers"]),
        ({"startDate": "1990-01-01"}, ["config.startDate"]),
        ({"volumeMultiplier": 10_000, "startDate": "1991-01-01"}, ["config.volumeMultiplier"]),
    ],
)
def test_what_is_wrong__is_said_with_its_path(
    config: dict[str, Any], paths: list[str], server: ApiServer
) -> None:
    found = judged(server, **config)
    assert found["valid"] is False
    assert [error["path"] for error in found["errors"]] == paths
    refused = server.post("/generate", {"scenario": "normal-ops", "config": config})
    assert refused.status_code == 422
    if "errors" in refused.json():
        assert refused.json()["errors"] == found["errors"]


def test_unknown_scenario__cannot_be_judged(server: ApiServer) -> None:
    problem(server.post("/config", {"scenario": "nothing"}), 404, "unknown-scenario")
    problem(server.get("/scenarios/nothing"), 404, "unknown-scenario")


def test_database__that_the_server_has_not_is_refused(server: ApiServer) -> None:
    asked = {"config": {"target": "database"}}
    problem(server.post("/generate", asked), 409, "no-database")
    assert judged(server, target="database")["valid"] is False


def test_checks__of_files_are_those_of_the_environment(server: ApiServer) -> None:
    (check,) = judged(server)["safetyChecks"]
    assert check["check"] == "environment"
    assert check["ok"] is True


def test_own_scenario__is_replaced_and_belongs_to_this_server(
    server: ApiServer, tmp_path: Path
) -> None:
    first = {"name": "mine", "anomalyRate": 0.2, "entityRates": {"ordersPerDay": 70}}
    assert server.post("/scenarios", first).status_code == 201
    again = {"name": "mine", "extends": "peak-season", "anomaly_rate": 0.3}
    made = server.post("/scenarios", again).json()
    assert (made["anomalyRate"], made["entityRates"]["companies"]) == (0.3, 150)
    assert made["builtIn"] is False
    assert server.get("/scenarios").json()["count"] == 7
    derived = {"name": "derived", "extends": "mine"}
    assert server.post("/scenarios", derived).json()["anomalyRate"] == 0.3
    assert judged(server)["valid"] is True
    with running(tmp_path) as other:
        assert other.get("/scenarios").json()["count"] == 6


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "name"),
        ({"name": "My Scenario"}, "name"),
        ({"name": "x", "ordersPerDay": 1}, "ordersPerDay"),
        ({"name": "x", "entityRates": {"ordersPerDay": 0}}, "entityRates.ordersPerDay"),
        ({"name": "x", "entityRates": {"ordersPrDay": 5}}, "entityRates.ordersPrDay"),
        ({"name": "x", "distributions": {"orderStatus": {"Delivered": 0.5}}},
         "distributions.orderStatus"),
        ({"name": "x", "anomalyRate": 1.5}, "anomalyRate"),
        ({"name": "x", "extends": "nothing"}, "extends"),
    ],
)  # fmt: skip
def test_own_scenario__that_is_wrong_is_refused(
    given: dict[str, Any], path: str, server: ApiServer
) -> None:
    said = problem(server.post("/scenarios", given), 422, "invalid")
    assert [error["path"] for error in said["errors"]] == [path]
    assert server.get("/scenarios/x").status_code == 404


def test_toggle__is_that_of_the_command_line(server: ApiServer) -> None:
    assert server.get("/toggle").json()["enabled"] is False
    assert server.post("/toggle", {"enable": True}).json()["enabled"] is True
    assert '"enabled": true' in (server.home / "toggle.json").read_text()
    assert server.post("/toggle", {"enable": False}).json()["enabled"] is False
    problem(server.post("/toggle", {"enable": 1}), 422, "invalid")


def test_toggle__loses_against_the_variable(tmp_path: Path) -> None:
    with running(tmp_path, more={"MOCK_DATA_ENABLED": "false"}) as server:
        said = problem(server.post("/toggle", {"enable": True}), 409, "conflict")
        assert "MOCK_DATA_ENABLED" in said["detail"]
        assert server.post("/toggle", {"enable": False}).status_code == 200


def test_production__is_refused_everywhere(tmp_path: Path) -> None:
    with running(tmp_path, more={"NODE_ENV": "production"}) as server:
        for answer in (
            server.post("/generate", {"config": {"dryRun": False}}),
            server.post("/toggle", {"enable": True}),
            server.client.delete("/api/mock-data/cleanup?confirm=DELETE_ALL_MOCK_DATA"),
        ):
            said = problem(answer, 403, "safety")
            assert said["error"] == "Safety checks failed"
            assert said["environment"] == "production"
            (failure,) = said["failures"]
            assert failure["check"] == "environment"
            assert failure["severity"] == "error"
            assert "NODE_ENV" in failure["reason"]
        toggle = server.get("/toggle").json()
        assert (toggle["canEnable"], toggle["environment"]) == (False, "production")
        (check,) = judged(server)["safetyChecks"]
        assert check["ok"] is False
        assert server.post("/generate", {"config": {"seed": 1}}).status_code == 202  # a dry run
        assert [path.name for path in tmp_path.glob("jobs/*")] == []
