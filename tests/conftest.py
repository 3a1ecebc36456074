"""Data sets that test files share: each is made once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runs import ENOUGH, QUARTER, Changes, Made, run
from server import Server
from server import server as started

from polargen import state
from polargen.database import Database
from polargen.scenario import get_scenario_manager

Factory = Callable[..., Made]


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and the processes they start, away from the user's state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(state.HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _own_scenarios() -> None:
    """Start each test file with the built-in scenarios only."""
    get_scenario_manager.cache_clear()


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return finished data sets in folders; see `runs.run` for what can be asked for."""
    made: dict[str, Made] = {}

    def make(scenario: str = "normal-ops", changes: Changes | None = None, **asked: Any) -> Made:
        key = repr((scenario, sorted((changes or {}).items()), sorted(asked.items())))
        if key not in made:
            out: Path = tmp_path_factory.mktemp("data") / scenario
            made[key] = run(scenario, changes, out=out, **asked)
        return made[key]

    return make


@pytest.fixture(scope="session")
def quarter(dataset: Factory) -> Callable[[str], Made]:
    """Return 90 days of a scenario with 13,500 orders or more.

    February to April 2024: Ramadan, the feast, a quarter's end and the change to summer time.
    """
    return lambda scenario: dataset(scenario, multiplier=ENOUGH[scenario], **QUARTER)


@pytest.fixture(scope="session")
def base(dataset: Factory) -> Made:
    """A half year without anomalies, with 27,000 orders: the base world."""
    return dataset(changes={"anomalyConfig.rate": 0.0}, end="2024-06-28", multiplier=3.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A real server; loads are enabled."""
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    return started()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database."""
    made = server.new()
    yield made
    server.drop(made)
