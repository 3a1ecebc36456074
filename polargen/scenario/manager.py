"""Which scenarios there are: the built-in files, and those registered in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from polargen.config import DEFAULT_SCENARIO, Problem, nearest, problems_in, shown
from polargen.errors import ScenarioError
from polargen.scenario.given import Given, is_file_name, wrap
from polargen.scenario.inherit import (
    Layer,
    Resolved,
    SourcedValue,
    file_layer,
    resolve,
    sourced_values,
)
from polargen.scenario.profile import ScenarioProfile


class SourcedProfile(NamedTuple):
    """A scenario, and each of its values with the file it came from."""

    profile: ScenarioProfile
    values: tuple[SourcedValue, ...]


class ScenarioManager:
    """Lists, loads, makes and checks scenarios. Registered ones live as long as the process."""

    def __init__(self) -> None:
        self._files = {path.stem: path for path in sorted(_builtin_folder().glob("*.yaml"))}
        self._loaded: dict[str, Resolved] = {}
        self._registered: dict[str, Resolved] = {}

    def list_scenarios(self) -> list[str]:
        """Return the names: the default, the other built-in ones, the registered ones."""
        built_in = sorted(self._files, key=lambda name: (name != DEFAULT_SCENARIO, name))
        return built_in + [name for name in self._registered if name not in self._files]

    def load_scenario(self, name: str) -> ScenarioProfile:
        """Return the scenario ``name``.

        Raises:
            ScenarioError: it is unknown; the message has the nearest name and all names.
        """
        return self._resolved(name).profile

    def create_custom_scenario(
        self,
        base: str,
        name: str,
        overrides: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> ScenarioProfile:
        """Make a scenario from another one, register it and return it.

        Args:
            base: name of the scenario it extends.
            name: of the new one.
            overrides: keys in camelCase or snake_case; maps change only what they give.
            more: the same as keywords, e.g. ``entity_rates={"orders_per_day": 100}``.

        Raises:
            ScenarioError: an override is wrong, or the name is a built-in one.
        """
        given = {**wrap(overrides or {}).value, **wrap(more).value}
        for key in ("name", "extends"):
            if key in given:
                raise ScenarioError(f"{name}: {key}: is given by an argument, remove the override")
        given = {
            "description": Given(f"Custom scenario, from {base}"),
            **given,
            "name": Given(name),
            "extends": Given(base),
        }
        return self._register(resolve(Layer(str(name), Given(given)), self._lookup))

    def register_scenario(self, profile: ScenarioProfile | Mapping[str, Any]) -> ScenarioProfile:
        """Make a profile, or a map of keys, known by its name; an earlier custom one is replaced.

        Raises:
            ScenarioError: it is not valid, or the name is a built-in one.
        """
        return self._register(self._checked(profile))

    def validate_scenario(
        self, scenario: ScenarioProfile | Mapping[str, Any] | str
    ) -> list[Problem]:
        """Return what is wrong with a profile, a map of keys, or a name or file; [] if nothing."""
        try:
            if isinstance(scenario, str):
                self.resolve(scenario)
            else:
                self._checked(scenario)
        except ScenarioError as error:
            return list(problems_in(error))
        return []

    def resolve(self, name_or_path: str, sets: Iterable[str] = ()) -> Resolved:
        """Return the scenario of a name or file with ``KEY=VALUE`` texts applied last."""
        texts = tuple(sets)
        if self._is_known(name_or_path):
            if not texts:
                return self._resolved(name_or_path)
            below = self._lookup(name_or_path)
            if isinstance(below, Layer):
                return resolve(below, self._lookup, texts)
            profile = below.profile
            identity = {"name": profile.name, "description": profile.description}
            where = below.tree["name"].where
            return resolve(
                Layer(where, wrap({**identity, "extends": name_or_path})), self._lookup, texts
            )
        path = Path(name_or_path)
        if is_file_name(name_or_path) or _is_file(path):
            return resolve(file_layer(path), self._lookup, texts)
        raise self._unknown(name_or_path)

    def _checked(self, scenario: ScenarioProfile | Mapping[str, Any]) -> Resolved:
        if isinstance(scenario, ScenarioProfile):
            # Checked again: model_copy and model_construct check nothing.
            layer = Layer(f"{scenario.name} (registered)", wrap(scenario.to_dict()))
            return resolve(layer, self._lookup)
        given = wrap(scenario)
        name = given.value.get("name", Given("scenario")).value
        return resolve(Layer(str(name), given), self._lookup)

    def _register(self, resolved: Resolved) -> ScenarioProfile:
        name = resolved.profile.name
        if name in self._files:
            raise ScenarioError(f"{name}: name: is that of a built-in scenario, give another one")
        self._registered[name] = resolved
        return resolved.profile

    def _is_known(self, name: str) -> bool:
        return name in self._files or name in self._registered

    def _lookup(self, name: str) -> Layer | Resolved:
        if name in self._files:
            path = self._files[name]
            return file_layer(path, f"scenarios/{path.name}")
        if name in self._registered:
            return self._registered[name]
        raise self._unknown(name)

    def _resolved(self, name: str) -> Resolved:
        if name in self._registered:
            return self._registered[name]
        if name not in self._loaded:
            below = self._lookup(name)
            self._loaded[name] = resolve(below, self._lookup) if isinstance(below, Layer) else below
        return self._loaded[name]

    def _unknown(self, name: str) -> ScenarioError:
        names = self.list_scenarios()
        near = nearest(str(name), names)
        known = ", ".join(names)
        hint = f"give a file or one of {known}"
        if near is not None:
            hint = f"did you mean {near}? (available: {known})"
        return ScenarioError(f"scenario: {shown(str(name))} is unknown, {hint}")


@cache
def get_scenario_manager() -> ScenarioManager:
    """Return the one manager of this process."""
    return ScenarioManager()


def resolve_scenario(name_or_path: str, sets: Iterable[str] = ()) -> ScenarioProfile:
    """Return the complete scenario of a name or of a file.

    Args:
        name_or_path: a known name; else a path that ends in .yaml, .yml or .json, or exists.
        sets: ``KEY=VALUE`` texts, e.g. ``entityRates.ordersPerDay=100``, applied last.

    Raises:
        ScenarioError: it is unknown or wrong; everything that is wrong, joined.
    """
    return get_scenario_manager().resolve(name_or_path, sets).profile


def profile_with_sources(name_or_path: str, sets: Iterable[str] = ()) -> SourcedProfile:
    """Return a scenario like `resolve_scenario`, and where each of its values came from."""
    resolved = get_scenario_manager().resolve(name_or_path, sets)
    return SourcedProfile(resolved.profile, sourced_values(resolved))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # e.g. a name longer than the file system takes
        return False


def _builtin_folder() -> Path:
    """Return the folder of the built-in scenarios: in the wheel, else beside the package."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "scenarios"
    return packaged if packaged.is_dir() else package.parent / "scenarios"
