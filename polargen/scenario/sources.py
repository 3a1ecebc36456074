"""Scenario files: YAML or JSON read with the line of every key.

Syntax, duplicate keys and shape are judged here, the meaning of keys in `inherit`, which loads this
module where something is read: workers, who get a complete profile, do without YAML.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from polargen.config import Problem, given_twice, shown
from polargen.errors import ScenarioError
from polargen.scenario.given import DEEPEST, Given, plain

LARGEST_FILE_BYTES = 1_000_000
MOST_NODES = 20_000  # an alias counts each time it is used


def read_file(path: Path, where: str) -> Given:
    """Read one scenario file.

    Args:
        path: of the file.
        where: how messages call it.

    Raises:
        ScenarioError: it cannot be read, is not YAML or JSON, or is not a map.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ScenarioError(f"{where}: cannot be read ({reason}), check the path") from error
    if len(data) > LARGEST_FILE_BYTES:
        raise ScenarioError(f"{where}: is larger than 1 MB, give a scenario file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _wrong(where, "is not UTF-8 text, save it as UTF-8", line) from error
    if path.suffix.lower() == ".json":
        _check_json(text, where)
        text = text.replace("\t", " ")  # YAML takes no tabs; JSON has none inside its strings
    given = read_text(text, where)
    if given.value is None:
        raise ScenarioError(f"{where}: is empty, write the keys of a scenario")
    if not isinstance(given.value, dict):
        raise _wrong(where, f"{shown(given.value)} is not a map, write KEY: VALUE", given.line)
    return given


def read_text(text: str, where: str) -> Given:
    """Read one YAML document.

    Raises:
        ScenarioError: it is not YAML, or has a key twice.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        bad_line = text.count("\n", 0, error.position) + 1
        raise _wrong(where, "not valid YAML (control character), remove it", bad_line) from error
    try:
        node = loader.get_single_node()
        return Given(None) if node is None else _Reader(loader, where).read(node, 0)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        line = None if mark is None else mark.line + 1
        raise _wrong(where, f"not valid YAML ({problem}), correct it", line) from error
    except RecursionError as error:
        raise _wrong(where, f"is nested more than {DEEPEST} levels deep, flatten it", 1) from error
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """The safe loader; a subclass, so that nobody's registered constructors reach us."""


class _Reader:
    """Turns one document's nodes into `Given`."""

    def __init__(self, loader: _Loader, where: str) -> None:
        self._loader = loader
        self._where = where
        self._nodes = 0

    def read(self, node: yaml.Node, depth: int) -> Given:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _wrong(self._where, f"has more than {MOST_NODES:,} values, shorten it", line)
        if depth > DEEPEST:
            raise _wrong(
                self._where, f"is nested more than {DEEPEST} levels deep, flatten it", line
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line, depth)
        if isinstance(node, yaml.SequenceNode):
            return Given([plain(self.read(child, depth + 1)) for child in node.value], line)
        return Given(self._scalar(node, line), line)

    def _mapping(self, node: yaml.MappingNode, line: int, depth: int) -> Given:
        entries: dict[str, Given] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _wrong(self._where, "a list or map stands as a key, write a name", key_line)
            key = key_node.value  # as written: 08 stays 08, yes stays yes
            if key in entries:
                raise _wrong(self._where, given_twice(key, key), key_line)
            entries[key] = Given(self.read(value_node, depth + 1).value, key_line)
        return Given(entries, line)

    def _scalar(self, node: yaml.Node, line: int) -> object:
        try:
            value = self._loader.construct_object(node, deep=True)
        except (ValueError, OverflowError) as error:  # e.g. the timestamp 2024-02-30
            raise _wrong(self._where, f"{shown(node.value)} is refused: {error}", line) from error
        if isinstance(value, str):
            # JSON writes one character beyond 16 bits as two escapes; join them.
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value


def _check_json(text: str, where: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        line, problem = getattr(error, "lineno", None), getattr(error, "msg", str(error))
        raise _wrong(where, f"not valid JSON ({problem}), correct it", line) from error
    except RecursionError as error:
        raise _wrong(where, f"is nested more than {DEEPEST} levels deep, flatten it", 1) from error


def _wrong(where: str, message: str, line: int | None) -> ScenarioError:
    return ScenarioError(str(Problem("", message, where, line)))
