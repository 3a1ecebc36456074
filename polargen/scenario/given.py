"""What a scenario was given: a tree of `Given`, each a value and the line it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polargen.config import Section
from polargen.errors import ScenarioError

SUFFIXES = (".yaml", ".yml", ".json")
DEEPEST = 20


@dataclass(frozen=True)
class Given:
    """A value as it was given: a scalar, a list, or a dict of `Given`; line None: no file."""

    value: Any
    line: int | None = None


def is_file_name(name: str) -> bool:
    """Return whether ``name`` names a scenario file rather than a scenario."""
    return name.lower().endswith(SUFFIXES)


def wrap(value: object, depth: int = 0) -> Given:
    """Return a Python value as if it had been read from somewhere without lines."""
    if depth > DEEPEST:
        raise ScenarioError(f"scenario: is nested more than {DEEPEST} levels deep, flatten it")
    if isinstance(value, Section):
        value = value.model_dump(by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return Given({str(key): wrap(child, depth + 1) for key, child in value.items()})
    return Given(value)


def plain(given: Given) -> object:
    """Return the Python value of ``given``."""
    if isinstance(given.value, dict):
        return {key: plain(child) for key, child in given.value.items()}
    return given.value
