"""docs/api.md is true: its commands run against a real server, and answer in the shape shown."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import ApiServer, environment, running
from server import server as postgres

from polargen.api.settings import _NUMBERS
from polargen.cli.serve import serve

TEXT = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MARK = "=====block====="
SHOWN = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("docs"), "--workers", "1") as server:
        yield server


def block(language: str) -> str:
    (found,) = (text for name, text in BLOCKS if name == language)
    return found


def environment_of(server: ApiServer) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**environment(server.home), "PATH": path}


@pytest.fixture(scope="module")
def answers(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Run every bash block, in one shell; return each with what it printed."""
    blocks = [text for name, text in BLOCKS if name == "bash"]
    script = "set -eu\n" + "".join(f"echo; echo {MARK}\n{text}" for text in blocks)
    done = subprocess.run(
        ["bash", "-c", script.replace(SHOWN, server.url)],
        cwd=tmp_path_factory.mktemp("shell"), env=environment_of(server),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    printed = done.stdout.split(MARK)[1:]
    return list(zip(blocks, printed, strict=True))


def check_shape(found: Any, shown: Any, path: str = "") -> None:
    """Compare keys and kinds: what is shown must be there; null may be anything."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert key in found, f"{path}.{key}"
            check_shape(found[key], value, f"{path}.{key}")
    elif isinstance(shown, list):
        assert isinstance(found, list), path
        if shown and found:
            check_shape(found[0], shown[0], f"{path}.0")
    elif isinstance(shown, (int, float)):
        assert isinstance(found, (int, float)), path
    elif shown is not None and found is not None:
        assert isinstance(found, type(shown)), path


def test_commands__answer_in_the_shape_shown(answers: list[tuple[str, str]]) -> None:
    printed = iter(answers)
    checked = 0
    last: str = ""
    for name, text in BLOCKS:
        if name == "bash":
            last = next(printed)[1]
        elif name == "json":
            check_shape(json.loads(last), json.loads(text))
            checked += 1
    assert checked >= 8


def test_commands__do_what_is_said(answers: list[tuple[str, str]], server: ApiServer) -> None:
    said = "\n".join(text for _, text in answers)
    assert '"valid":true' in said
    assert "polargen_records_total" in said
    assert "event-stream" not in said
    assert server.get("/toggle").json()["enabled"] is True
    assert server.get("/scenarios/my-scenario").json()["entityRates"]["ordersPerDay"] == 100
    assert not list((server.home / "jobs").iterdir())  # cleaned up


def test_every_route__has_a_command(server: ApiServer) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    commands = " ".join(text.replace("\\\n", " ") for name, text in BLOCKS if name == "bash")
    called = {
        (re.search(r"-X (\w+)", command) or ["", "GET"])[1] + " " + url
        for command in re.split(r"\bcurl\b", commands)
        for url in re.findall(rf"{SHOWN}([^\s\"?]*)", command)
    }
    for path, operations in paths.items():
        pattern = path.replace("{jobId}", r"\$JOB").replace("{name}", "[a-z-]+")
        for method in operations:
            wanted = rf"{method.upper()} {pattern}"
            assert any(re.fullmatch(wanted, one) for one in called), wanted


def test_settings__are_those_there_are() -> None:
    rows = [
        line for line in TEXT.splitlines() if line.startswith("| `--") or "`POLARGEN_API" in line
    ]
    options = set(re.findall(r"`(--[a-z]+)`", "\n".join(rows)))
    taken = {option for param in serve.params for option in param.opts}
    assert options == taken - {"--json", "--debug"}
    variables = set(re.findall(r"`(POLARGEN_API_[A-Z]+)`", TEXT))
    assert {variable for variable, _ in _NUMBERS.values()} < variables


def test_python__example_runs(server: ApiServer, tmp_path: Path) -> None:
    code = block("python").replace(SHOWN, server.url)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "orders.parquet").read_bytes()[:4] == b"PAR1"


def test_workflow__seeds_a_database(tmp_path: Path) -> None:
    database = postgres().new()
    job = yaml.safe_load(block("yaml"))["jobs"]["test"]
    (script,) = (step["run"] for step in job["steps"] if step.get("name", "").startswith("Seed"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    script = script.replace("polargen serve", f"polargen serve --port {port}")
    script = script.replace("8000", port) + "kill %1; wait"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**job["env"], "POLARGEN_DATABASE_URL": database.url, "GITHUB_RUN_ID": "1"}
    done = subprocess.run(
        ["bash", "-e", "-c", script], env={**environment(tmp_path, variables), "PATH": path},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    name = database.place.rpartition("/")[2]
    assert postgres().query(name, "SELECT count(*) FROM mock_data.orders") == ["4550"]
    postgres().drop(database)
