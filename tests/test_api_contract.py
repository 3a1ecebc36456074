"""The OpenAPI document is true: schemathesis finds no defect and no breach of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from api_server import API, LONG, ApiServer, running
from pydantic import BaseModel

from polargen.api import answers, samples

TOKEN = "correct-horse-battery-staple"
# Whether values fit together (dates in order, a key used once) is more than a schema can say.
NOT_IN_SCHEMAS = "positive_data_acceptance"
# Source: DOMAIN, section 7, and what the console needs besides.
ROUTES = {
    "/healthz": {"get"},
    "/metrics": {"get"},
    f"{API}/generate": {"post"},
    f"{API}/status": {"get"},
    f"{API}/events": {"get"},
    f"{API}/cancel": {"post"},
    f"{API}/jobs": {"get"},
    f"{API}/jobs/{{jobId}}/tables": {"get"},
    f"{API}/jobs/{{jobId}}/rows": {"get"},
    f"{API}/jobs/{{jobId}}/charts": {"get"},
    f"{API}/jobs/{{jobId}}/verification": {"get"},
    f"{API}/scenarios": {"get", "post"},
    f"{API}/scenarios/{{name}}": {"get"},
    f"{API}/config": {"get", "post"},
    f"{API}/export": {"post"},
    f"{API}/cleanup": {"get", "delete"},
    f"{API}/toggle": {"get", "post"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    options = ("--queue", "1000", "--workers", "1")
    with running(tmp_path_factory.mktemp("contract"), *options, token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def document(server: ApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/openapi.json").json()
    return found


@pytest.mark.slow
def test_schemathesis__finds_nothing(server: ApiServer, tmp_path: Path) -> None:
    server.finished(dryRun=False)
    server.start(**LONG)
    (first,) = psutil.Process(server.process.pid).children()
    first.suspend()  # the jobs that are asked for wait behind it
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run",
            f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1",
            "--exclude-checks", NOT_IN_SCHEMAS, "--no-color", "--generation-database", "none",
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    first.resume()
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.search(r"(\d+) generated", done.stdout)
    assert tried is not None
    assert int(tried[1]) > 300
    assert re.search(rf"Tested: {sum(map(len, ROUTES.values()))}\b", done.stdout)
    assert "Traceback" not in server.logged()


def test_document__has_every_route_and_no_other(document: dict[str, Any]) -> None:
    assert {path: set(operations) for path, operations in document["paths"].items()} == ROUTES


def test_document__describes_every_operation(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["tags"], (method, path)
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)


def test_document__has_an_example_of_every_request_and_error(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                assert content["examples"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    (content,) = answer["content"].values()
                    for example in content["examples"].values():
                        assert example["value"]["status"] == int(status)
                        assert example["value"]["detail"]


def test_document__has_an_example_of_every_answer(document: dict[str, Any]) -> None:
    missing = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if status in ("200", "201", "202")
        and not any("example" in content for content in answer["content"].values())
    ]
    assert missing == []


def test_document__says_where_the_token_goes(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert document["paths"][f"{API}/jobs"]["get"]["security"]


def test_documentation_pages__that_load_from_elsewhere_are_off(server: ApiServer) -> None:
    for path in ("/docs", "/redoc"):
        assert server.client.get(path).status_code == 404


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_other_methods__are_refused_with_those_there_are(path: str, server: ApiServer) -> None:
    real = path.replace("{jobId}", "job-00000000").replace("{name}", "normal-ops")
    answer = server.client.patch(real)
    assert answer.status_code == 405
    allowed = {method.lower() for method in answer.headers["allow"].split(", ")}
    assert allowed == ROUTES[path]


def test_wrong_token__is_refused_on_every_route(server: ApiServer) -> None:
    for path, methods in ROUTES.items():
        for method in methods - {"get"} if path == "/healthz" else methods:
            answer = httpx.request(method, server.url + path, headers={"Authorization": "Bearer x"})
            assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize(
    ("model", "sample"),
    [
        (answers.Started, samples.STARTED),
        (answers.Status, samples.STATUS),
        (answers.Jobs, samples.JOBS),
        (answers.Cancelled, samples.CANCELLED),
        (answers.Tables, samples.TABLES),
        (answers.Rows, samples.ROWS),
        (answers.Charts, samples.CHARTS),
        (answers.Scenarios, samples.SCENARIOS),
        (answers.ServerConfig, samples.SERVER_CONFIG),
        (answers.Judged, samples.JUDGED),
        (answers.Removable, samples.REMOVABLE),
        (answers.Cleaned, samples.CLEANED),
        (answers.Toggle, samples.TOGGLE),
        (answers.Health, samples.HEALTH),
    ],
)
def test_sample_answers__are_such_answers(model: type[BaseModel], sample: Any) -> None:
    read = model.model_validate(sample)
    assert read.model_dump(mode="json", by_alias=True) == sample
