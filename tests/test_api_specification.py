"""The examples of the specification's API section: as written, answered in the shape shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import ENDED, ApiServer, running

# Quoted from the specification, "API Reference".
GENERATE = """
{
  "scenario": "normal-ops",
  "config": {
    "startDate": "2024-01-01",
    "endDate": "2024-03-31",
    "seed": 12345,
    "volumeMultiplier": 1,
    "dryRun": true
  }
}
"""
STARTED = """
{
  "jobId": "job-abc123",
  "status": "started",
  "scenario": "normal-ops"
}
"""
STATUS = """
{
  "status": "generating",
  "progress": {
    "currentEntity": "orders",
    "progressPercent": 45,
    "throughput": 1250,
    "recordsGenerated": { "users": 20, "companies": 100, "orders": 450 }
  }
}
"""
ENTITIES = {
    "users", "companies", "branches", "products", "orders", "orderItems", "inventoryMovements",
    "shipments", "payments", "discounts", "refunds", "maintenanceVisits", "auditLogs",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("specified")) as server:
        yield server


def generate(server: ApiServer) -> dict[str, Any]:
    answer = server.client.post(
        "/api/mock-data/generate", content=GENERATE, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202
    found: dict[str, Any] = answer.json()
    return found


def check_shape(found: Any, shown: Any) -> None:
    """Compare keys and kinds: what is shown must be there, more may be."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            check_shape(found[key], value)
    elif isinstance(shown, (int, float)):
        assert isinstance(found, (int, float))
    else:
        assert isinstance(found, type(shown))


def test_generate__answers_as_shown(server: ApiServer) -> None:
    started = generate(server)
    check_shape(started, json.loads(STARTED))
    assert started["status"] in ("started", "queued")
    assert started["scenario"] == "normal-ops"
    asked = json.loads(GENERATE)["config"]
    assert {key: started["config"][key] for key in asked} == asked
    assert server.wait(started["jobId"])["status"] == "completed"


def test_status__answers_as_shown(server: ApiServer) -> None:
    job = generate(server)["jobId"]
    seen = []
    while not seen or seen[-1]["status"] not in ENDED:
        answer = server.client.get(f"/api/mock-data/status?jobId={job}")
        assert answer.status_code == 200
        seen.append(answer.json())
    for status in seen:
        assert status["jobId"] == job
        assert set(status["progress"]["recordsGenerated"]) <= ENTITIES | {"anomalyLabels"}
        percent = status["progress"]["progressPercent"]
        assert percent == 100 if status["status"] == "completed" else percent < 100
    shown = json.loads(STATUS)
    shown["progress"]["recordsGenerated"] = {}
    for status in seen:
        check_shape(status, shown)
    made = seen[-1]["progress"]["recordsGenerated"]
    assert (made["users"], made["companies"], made["orders"]) == (20, 100, 4550)  # 50 x 91 days
    assert seen[-1]["result"]["recordCounts"] == made


def test_scenarios__are_listed(server: ApiServer) -> None:
    answer = server.client.get("/api/mock-data/scenarios").json()
    names = [scenario["name"] for scenario in answer["scenarios"]]
    assert set(names) == {
        "normal-ops", "peak-season", "anomaly-heavy", "warehouse-outage", "growth-phase",
        "payment-crisis",
    }  # fmt: skip
    assert answer["count"] == 6
    assert answer["defaultScenario"] == names[0] == "normal-ops"
    rates = {s["name"]: s["anomalyRate"] for s in answer["scenarios"]}
    assert rates["payment-crisis"] == 0.25


def test_custom_scenario__of_the_specification_is_made(server: ApiServer) -> None:
    custom = {
        "name": "my-scenario",
        "extends": "normal-ops",
        "anomalyRate": 0.15,
        "description": "Custom testing scenario",
        "entityRates": {"ordersPerDay": 100},
    }
    answer = server.post("/scenarios", custom)
    assert answer.status_code == 201
    made = server.client.get(answer.headers["location"]).json()
    assert made["entityRates"]["ordersPerDay"] == 100
    assert made["entityRates"]["companies"] == 100
    job = server.finished("my-scenario")
    assert server.status(job)["result"]["recordCounts"]["orders"] == 1000


def test_export__answers_with_a_file(server: ApiServer) -> None:
    job = server.finished(dryRun=False)
    answer = server.post("/export", {"format": "json", "entities": ["users"], "jobId": job})
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 20


def test_cleanup__answers_with_what_was_removed(server: ApiServer) -> None:
    server.finished(dryRun=False)
    answer = server.client.delete("/api/mock-data/cleanup?confirm=DELETE_ALL_MOCK_DATA")
    assert answer.status_code == 200
    cleaned = answer.json()
    assert cleaned["success"] is True
    assert cleaned["results"]["users"] >= 20
    assert cleaned["timestamp"]


def test_toggle__is_kept(server: ApiServer) -> None:
    for enable in (True, False):
        answer = server.client.post("/api/mock-data/toggle", json={"enable": enable})
        assert answer.status_code == 200
        shown = server.client.get("/api/mock-data/toggle").json()
        assert shown == answer.json()
        assert shown["enabled"] is enable
        assert shown["canEnable"] is True
        assert set(shown) == {"enabled", "environment", "canEnable", "message"}
