"""The scenarios of one server: the built-in ones, and those registered with it."""

from __future__ import annotations

import threading
from typing import Any

from polargen.api.problems import ApiProblem, errors_of, invalid
from polargen.config import DEFAULT_SCENARIO, nearest, shown
from polargen.errors import ScenarioError
from polargen.scenario import ScenarioManager, ScenarioProfile

MOST_OWN = 100


class OwnScenarios:
    """Scenarios by name; files are never looked for."""

    def __init__(self) -> None:
        self._manager = ScenarioManager()
        self._built_in = frozenset(self._manager.list_scenarios())
        self._lock = threading.Lock()

    def find(self, name: str) -> ScenarioProfile:
        """Return a scenario.

        Raises:
            ApiProblem: 404, it is unknown.
        """
        with self._lock:
            known = self._manager.list_scenarios()
            if name in known:
                return self._manager.load_scenario(name)
        near = nearest(name, known)
        hint = "" if near is None else f", did you mean {near}?"
        raise ApiProblem(
            "unknown-scenario",
            f"scenario {name[:60]!r} is unknown{hint}",
            availableScenarios=known,
        )

    def listed(self) -> list[dict[str, Any]]:
        """Return every scenario as the API shows it."""
        with self._lock:
            return [
                self.shown(self._manager.load_scenario(name))
                for name in self._manager.list_scenarios()
            ]

    def shown(self, profile: ScenarioProfile) -> dict[str, Any]:
        """Return a scenario as the API shows it."""
        return {**profile.to_dict(), "builtIn": profile.name in self._built_in}

    def register(self, given: dict[str, Any]) -> ScenarioProfile:
        """Make a scenario known to this server; an earlier one of its name is replaced.

        Raises:
            ApiProblem: it is wrong, its name is a built-in one, or there are too many.
        """
        name = given["name"]
        if name in self._built_in:
            raise ApiProblem("conflict", f"{name} is a built-in scenario, give another name")
        with self._lock:
            known = self._manager.list_scenarios()
            base = given.get("extends", DEFAULT_SCENARIO)
            if base not in known:
                said = f"{shown(base)} is unknown, must be one of {', '.join(known)}"
                raise invalid([{"path": "extends", "message": said}])
            if name not in known and len(known) - len(self._built_in) >= MOST_OWN:
                raise ApiProblem(
                    "conflict", f"the server keeps {MOST_OWN} scenarios at most, replace one"
                )
            try:
                return self._manager.register_scenario(given)
            except ScenarioError as error:
                raise invalid(errors_of(error)) from None
