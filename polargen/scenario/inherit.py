"""How a scenario becomes complete: defaults, what it extends, its own keys, ``--set``.

Each step is a `Layer`. Layers are brought to one spelling and merged, the nearer one winning key
by key; every value remembers the layer and the line it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from polargen.config import (
    Problem,
    Section,
    check,
    given_twice,
    key_of,
    keys_of,
    refusal,
    section_of,
    shown,
    unknown,
)
from polargen.errors import ScenarioError
from polargen.scenario.given import Given, is_file_name, plain, wrap
from polargen.scenario.maps import WeightMap
from polargen.scenario.profile import ScenarioProfile

DEFAULTS = "default"
SET_OPTION = "--set"
_NOT_INHERITED = ("name", "description")


@dataclass(frozen=True)
class Leaf:
    """A value and where it came from: the layer and, in a file, the line."""

    value: Any
    where: str
    line: int | None = None


Tree = dict[str, Any]  # of Tree and Leaf, keys in their one spelling


@dataclass(frozen=True)
class Layer:
    """One step: what is given, by whom.

    Attributes:
        where: how messages and provenance call it.
        given: the keys.
        stem: name of a scenario that gives none itself.
        path: of the file, None without one.
    """

    where: str
    given: Given
    stem: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Resolved:
    """A complete scenario and the tree that knows where each value came from."""

    profile: ScenarioProfile
    tree: Tree = field(repr=False)


class SourcedValue(NamedTuple):
    """One value of a scenario: dotted key, value, the layer it came from, the line there."""

    key: str
    value: Any
    source: str
    line: int | None


Lookup = Callable[[str], "Layer | Resolved"]


def file_layer(path: Path, where: str | None = None) -> Layer:
    """Read a scenario file as a layer."""
    from polargen.scenario.sources import read_file

    where = str(path) if where is None else where
    return Layer(where, read_file(path, where), path.stem, path)


def resolve(layer: Layer, lookup: Lookup, sets: Iterable[str] = ()) -> Resolved:
    """Complete a scenario.

    Args:
        layer: the scenario's own keys.
        lookup: gives a scenario that is extended by name.
        sets: ``KEY=VALUE`` texts, applied last, together.

    Raises:
        ScenarioError: everything that is wrong, joined.
    """
    layers, base = _chain(layer, lookup)
    problems: list[Problem] = []
    tree = _defaults() if base is None else base
    for step in reversed(layers):
        tree = _without_identity(tree)
        _merge(tree, _canonical(ScenarioProfile, step.given, step.where, (), problems))
        tree.setdefault("name", Leaf(step.stem, step.where))
        tree.setdefault("description", Leaf("", step.where))
    _merge(tree, _sets_tree(sets, problems))
    order = [DEFAULTS, *(step.where for step in reversed(layers)), SET_OPTION]
    profile, found = check(ScenarioProfile, _values(tree))
    problems += [
        _located(problem, tree, order)
        for problem in found
        if not any(_follows(problem.path, known.path) for known in problems)
    ]
    if profile is None or problems:
        raise refusal(problems, ScenarioError)
    return Resolved(profile, tree)


def resolved_profile(profile: ScenarioProfile, where: str) -> Resolved:
    """Return a complete profile with ``where`` as the source of all its values."""
    tree = _canonical(ScenarioProfile, wrap(profile.to_dict()), where, (), [])
    return Resolved(profile, tree)


def sourced_values(resolved: Resolved) -> tuple[SourcedValue, ...]:
    """Return every value of a scenario with its source, in the order of the keys.

    Weights that all come from one source are one value.
    """
    return tuple(_sourced(ScenarioProfile, resolved.profile.to_dict(), resolved.tree, ""))


def _chain(layer: Layer, lookup: Lookup) -> tuple[list[Layer], Tree | None]:
    """Return the layers from ``layer`` to the last it extends, and the complete tree below."""
    layers: list[Layer] = []
    seen: set[Path] = set()
    while True:
        if layer.path is not None and layer.path.resolve() in seen:
            names = " -> ".join([*(step.where for step in layers), layer.where])
            raise ScenarioError(
                f"{layers[-1].where}: extends: cycle {names}, remove one of these extends"
            )
        if layer.path is not None:
            seen.add(layer.path.resolve())
        extended, layer = _take_extends(layer)
        layers.append(layer)
        if extended is None:
            return layers, None
        below = _extended(extended, layer, lookup)
        if isinstance(below, Resolved):
            return layers, below.tree
        layer = below


def _take_extends(layer: Layer) -> tuple[Given | None, Layer]:
    if not isinstance(layer.given.value, dict):
        return None, layer
    entries = dict(layer.given.value)
    extended = entries.pop("extends", None)
    without = Layer(layer.where, Given(entries, layer.given.line), layer.stem, layer.path)
    if extended is None or extended.value is None:
        return None, without
    return extended, without


def _extended(extended: Given, layer: Layer, lookup: Lookup) -> Layer | Resolved:
    name, problem = extended.value, ""
    if not isinstance(name, str) or not name:
        problem = f"{shown(plain(extended))} is not text, give the name or file of a scenario"
    elif not is_file_name(name):
        try:
            return lookup(name)
        except ScenarioError as error:
            problem = str(error).removeprefix("scenario: ")
    elif layer.path is None:
        problem = f"{shown(name)} is a file, only a file can extend one; give a scenario's name"
    else:
        path = layer.path.parent / name
        if path.is_file():
            return file_layer(path, os.path.normpath(Path(layer.where).parent / name))
        problem = f"{shown(name)} is not there, give a file beside this one or a scenario's name"
    raise ScenarioError(str(Problem("extends", problem, layer.where, extended.line)))


def _defaults() -> Tree:
    profile = ScenarioProfile(name="defaults")
    return _without_identity(resolved_profile(profile, DEFAULTS).tree)


def _without_identity(tree: Tree) -> Tree:
    """Return a copy of ``tree`` without what only holds for the scenario that gives it."""
    copied = _copy(tree)
    for key in _NOT_INHERITED:
        copied.pop(key, None)
    return copied


def _copy(tree: Tree) -> Tree:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in tree.items()}


def _canonical(
    model: type[Section],
    given: Given,
    where: str,
    path: tuple[str, ...],
    problems: list[Problem],
) -> Tree:
    """Return what is given for ``model`` in one spelling; what cannot be read is a problem."""
    entries = _entries(model, given, where, path, problems)
    tree: Tree = {}
    spelled: dict[str, str] = {}
    for text, child in entries.items():
        key = key_of(model, text)
        if key is None:
            names = (*keys_of(model), "extends") if not path else keys_of(model)
            message = unknown(text, names)
            problems.append(Problem(".".join((*path, text)), message, where, child.line))
            continue
        at = ".".join((*path, key))
        if key in tree:
            message = given_twice(spelled[key], text)
            problems.append(Problem(at, message, where, child.line))
            continue
        spelled[key] = text
        section = section_of(model, key)
        if section is None or child.value is None:
            tree[key] = Leaf(plain(child), where, child.line)
        else:
            tree[key] = _canonical(section, child, where, (*path, key), problems)
    own = {key: value.value for key, value in tree.items() if isinstance(value, Leaf)}
    for key, value in model.complete(own).items():
        tree[key] = Leaf(value, where, given.line)
    return tree


def _entries(
    model: type[Section],
    given: Given,
    where: str,
    path: tuple[str, ...],
    problems: list[Problem],
) -> dict[str, Given]:
    if isinstance(given.value, dict):
        return given.value
    try:
        expanded = model.shorthand(given.value)
    except ValueError as error:
        message = str(error)
    else:
        if expanded is not None:
            return {key: Given(value, given.line) for key, value in expanded.items()}
        keys = ", ".join(keys_of(model))
        message = f"{shown(given.value)} is not a map, give one with keys of {keys}"
    problems.append(Problem(".".join(path), message, where, given.line))
    return {}


def _merge(tree: Tree, nearer: Tree) -> None:
    """Lay ``nearer`` over ``tree``, key by key and section by section."""
    for key, value in nearer.items():
        below = tree.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            _merge(below, value)
        else:
            tree[key] = value


def _sets_tree(sets: Iterable[str], problems: list[Problem]) -> Tree:
    """Return the tree of all ``KEY=VALUE`` texts together, a later one winning."""
    together: dict[str, Given] = {}
    for text in sets:
        path, value = _set_entry(text, problems)
        if not path:
            continue
        entries = together
        for key in path[:-1]:
            child = entries.get(key)
            if child is None or not isinstance(child.value, dict):
                child = entries[key] = Given({})
            entries = child.value
        entries[path[-1]] = value
    return _canonical(ScenarioProfile, Given(together), SET_OPTION, (), problems)


def _set_entry(text: str, problems: list[Problem]) -> tuple[list[str], Given]:
    """Return the keys of one ``KEY=VALUE`` in one spelling, and its value."""
    from polargen.scenario.sources import read_text

    dotted, equals, value = text.partition("=")
    if not equals or not dotted.strip():
        message = f"{shown(text)} is not KEY=VALUE, write e.g. entityRates.ordersPerDay=100"
        problems.append(Problem("", message, SET_OPTION))
        return [], Given(None)
    path: list[str] = []
    section: type[Section] | None = ScenarioProfile
    for step in dotted.strip().split("."):
        key = None if section is None else key_of(section, step)
        if section is None or key is None:
            names = () if section is None else keys_of(section)
            message = unknown(step, names) if names else f"{path[-1]} is a value, it has no keys"
            problems.append(Problem(".".join([*path, step]), message, SET_OPTION))
            return [], Given(None)
        path.append(key)
        section = section_of(section, key)
    try:
        return path, wrap(plain(read_text(value, f"{SET_OPTION}: {'.'.join(path)}")))
    except ScenarioError as error:
        problems.append(Problem("", str(error)))
        return [], Given(None)


def _values(tree: Tree) -> dict[str, Any]:
    return {
        key: value.value if isinstance(value, Leaf) else _values(value)
        for key, value in tree.items()
    }


def _follows(path: str, known: str) -> bool:
    """Return whether what is wrong at ``path`` may only follow from what is wrong at ``known``."""
    return bool(path) and (f"{known}.".startswith(f"{path}.") or f"{path}.".startswith(f"{known}."))


def _located(problem: Problem, tree: Tree, order: list[str]) -> Problem:
    """Return ``problem`` with the file and line of the value, or of the nearest layer below it."""
    found: Tree | Leaf = tree
    for step in problem.path.split("."):
        child = found.get(step) if isinstance(found, dict) else None
        if child is None:
            break
        found = child
    leaves = list(_leaves(found))
    if not leaves:
        return problem
    known = [leaf for leaf in leaves if leaf.where in order]
    blamed = max(known or leaves, key=lambda leaf: order.index(leaf.where) if known else 0)
    return Problem(problem.path, problem.message, blamed.where, blamed.line)


def _leaves(tree: Tree | Leaf) -> Iterator[Leaf]:
    if isinstance(tree, Leaf):
        yield tree
    else:
        for child in tree.values():
            yield from _leaves(child)


def _sourced(
    model: type[Section], values: Mapping[str, Any], tree: Tree, prefix: str
) -> Iterator[SourcedValue]:
    for key, value in values.items():
        place, at = tree[key], prefix + key
        section = section_of(model, key)
        if section is None or isinstance(place, Leaf):
            leaf = next(_leaves(place))
            yield SourcedValue(at, value, leaf.where, leaf.line)
            continue
        sources = {leaf.where for leaf in _leaves(place)}
        if issubclass(section, WeightMap) and len(sources) == 1:
            leaf = next(_leaves(place))
            yield SourcedValue(at, list(value.values()), leaf.where, leaf.line)
        else:
            yield from _sourced(section, value, place, f"{at}.")
