"""Sample answers, for the OpenAPI document; a test holds them against the models."""

from __future__ import annotations

from typing import Any

from polargen.config import DEFAULT_SCENARIO
from polargen.scenario import Distributions, EntityRates, ScenarioManager

JOB = "job-1a2b3c4d"
CONFIG = {
    "startDate": "2024-01-01",
    "endDate": "2024-03-31",
    "seed": 12345,
    "scenario": DEFAULT_SCENARIO,
    "volumeMultiplier": 1.0,
    "batchSize": 1000,
    "dryRun": True,
    "target": "files",
    "verify": False,
    "workers": None,
}
STARTED = {
    "jobId": JOB,
    "status": "started",
    "scenario": DEFAULT_SCENARIO,
    "config": CONFIG,
    "message": "it runs",
}
STATUS = {
    "jobId": JOB,
    "status": "generating",
    "scenario": DEFAULT_SCENARIO,
    "config": CONFIG,
    "target": "files",
    "createdAt": "2024-04-01T08:00:00.000+00:00",
    "startedAt": "2024-04-01T08:00:01.200+00:00",
    "completedAt": None,
    "message": None,
    "progress": {
        "jobId": JOB,
        "status": "generating",
        "currentEntity": "orders",
        "currentBatch": 3,
        "totalBatches": 7,
        "recordsGenerated": {"users": 20, "companies": 100, "orders": 450},
        "progressPercent": 45,
        "estimatedTimeRemaining": 0.5,
        "throughput": 125000.0,
        "errorCount": 0,
        "updatedAt": "2024-04-01T08:00:01.700+00:00",
    },
    "result": None,
    "error": None,
}
JOBS = {"jobs": [STATUS]}
CANCELLED = {
    "jobId": JOB,
    "status": "generating",
    "message": "it stops, and what it wrote is rolled back",
}
EVENT = 'id: 2024-04-01T08:00:01.700+00:00-generating\ndata: {"jobId": "job-1a2b3c4d", ...}\n\n'
TABLES = {"tables": [{"name": "users", "rows": 20}, {"name": "orders", "rows": 4550}]}
ROWS = {
    "table": "orders",
    "columns": [{"name": "orderId", "kind": "key"}, {"name": "grandTotal", "kind": "money"}],
    "rows": [[1, "1530.45"], [2, "920.00"]],
    "total": 4550,
}
CHARTS = {
    "ordersPerDay": {
        "dates": ["2024-01-06", "2024-01-07"],
        "weekday": [6, 0],
        "holidays": ["2024-01-07"],
        "byStatus": {"Delivered": [31, 9], "Cancelled": [2, 1]},
    },
    "productPopularity": {"ranks": [1, 2, 3], "lines": [2210, 1105, 740]},
    "paymentDelay": {"days": [-1, 0, 1], "payments": [201, 216, 212]},
    "anomaliesOverTime": {
        "dates": ["2024-01-06", "2024-01-07"],
        "byType": {"payment_delay": [1, 0]},
    },
}
VERIFICATION = {
    "ok": True,
    "failed": [],
    "warnings": [],
    "rules": [
        {
            "rule": "R01",
            "title": "primary keys are unique and not null",
            "warning": False,
            "rows": 78416,
            "breaches": 0,
            "excused": 0,
            "examples": [],
            "figures": [],
        }
    ],
}
SCENARIO = {**ScenarioManager().load_scenario(DEFAULT_SCENARIO).to_dict(), "builtIn": True}
SCENARIOS = {"scenarios": [SCENARIO], "count": 1, "defaultScenario": DEFAULT_SCENARIO}
CHECK = {
    "check": "toggle",
    "ok": True,
    "reason": "database loads are enabled",
    "severity": "error",
    "remedy": "",
}
SERVER_CONFIG: dict[str, Any] = {
    "defaults": {**CONFIG, "seed": None},
    "safetyConfig": {
        "targetSchema": "mock_data",
        "environmentVariables": ["NODE_ENV", "POLARGEN_ENV", "APP_ENV", "ENVIRONMENT"],
        "enabledVariable": "MOCK_DATA_ENABLED",
        "protectedVariable": "POLARGEN_PROTECTED",
        "maxRecordsPerEntity": 10000000,
        "cleanupConfirmation": "DELETE_ALL_MOCK_DATA",
    },
    "defaultEntityRates": EntityRates().model_dump(mode="json", by_alias=True),
    "defaultDistributions": Distributions().model_dump(mode="json", by_alias=True),
    "targets": ["files", "database"],
    "database": {"place": "localhost:5432/erp", "schema": "mock_data"},
}
JUDGED = {
    "valid": True,
    "errors": [],
    "config": CONFIG,
    "plan": {
        "rows": {"users": 20, "companies": 100, "orders": 4550},
        "totalRows": 78069,
        "bytes": 1349273,
        "estimatedSeconds": 0.3,
        "notes": [],
    },
    "safetyChecks": [CHECK],
}
REMOVABLE = {"results": {"users": 20, "orders": 4550}, "jobs": [JOB], "kept": []}
CLEANED = {**REMOVABLE, "success": True, "timestamp": "2024-04-01T09:00:00.000+00:00"}
TOGGLE = {
    "enabled": True,
    "environment": "development",
    "canEnable": True,
    "message": "database loads are enabled: MOCK_DATA_ENABLED is 'true'",
}
HEALTH = {"status": "ok", "version": "0.1.0"}
METRICS = "polargen_records_total 78416.0\npolargen_jobs_running 1.0\n"
CSV = "user_id,email,display_name\n1,ahmed.hassan@synergyflow.example,Ahmed Hassan\n"
