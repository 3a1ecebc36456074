"""What is wrong with settings, in one sentence each: where, what came, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real

from polargen.errors import ConfigError

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")


class RefusedAt(ValueError):
    """A value below the validated one is refused; ``at`` is its key."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: dotted key, "" for the whole.
        message: what came and what to do.
        where: file, option or name it came from, "" where the path says enough.
        line: in that file.
    """

    path: str
    message: str
    where: str = ""
    line: int | None = None

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.where, self.path, self.message) if part)
        return text if self.line is None else f"{text} (line {self.line})"


class _ProblemsError(ValueError):
    """The cause of a refusal: carries the problems one by one."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(*(str(problem) for problem in problems))
        self.problems = problems


def refusal(problems: Iterable[Problem], kind: type[ConfigError] = ConfigError) -> ConfigError:
    """Return one error that names all ``problems``; `problems_in` gives them back one by one."""
    cause = _ProblemsError(tuple(problems))
    error = kind("; ".join(str(problem) for problem in cause.problems))
    error.__cause__ = cause
    return error


def problems_in(error: ConfigError) -> tuple[Problem, ...]:
    """Return the problems that ``error`` joins, or itself as the only one."""
    if isinstance(error.__cause__, _ProblemsError):
        return error.__cause__.problems
    return (Problem("", str(error)),)


def shown(value: object) -> str:
    """Return ``value`` as a message shows it, in JSON's words and never too long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, (str, list, tuple, dict)) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def number(value: object) -> int | float:
    """Return the number that ``value`` is or spells in digits.

    Raises:
        ValueError: for words, truth values, NaN and infinity.
    """
    result: int | float
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        result = int(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        result = float(value)
    elif isinstance(value, Integral) and not isinstance(value, bool):
        result = int(value)
    elif isinstance(value, Real) and not isinstance(value, bool):
        result = float(value)
    else:
        raise ValueError(f"{shown(value)} is not a number")
    if not -(2**1023) < result < 2**1023:
        raise ValueError(f"{shown(value)} is not a finite number")
    return result


def given_twice(first: str, second: str) -> str:
    """Return what is wrong where two keys mean the same."""
    if first == second:
        return f"{first} is given twice, keep one of them"
    return f"given twice, as {first} and as {second}, keep one of them"


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name that ``given`` most likely means, None if none is near."""
    folded = {_plain(name): name for name in names}
    near = get_close_matches(_plain(given), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def unknown(given: str, names: Iterable[str], what: str = "key") -> str:
    """Return what is wrong with an unknown name, with the nearest known one."""
    known = list(names)
    near = nearest(given, known)
    if near is not None:
        return f"unknown {what}, did you mean {near}?"
    return f"unknown {what}, must be one of {', '.join(known)}"


def one_of(names: Iterable[str], what: str) -> Callable[[object], str]:
    """Return a validator that accepts ``names`` in any spelling and suggests the nearest."""
    known = {_plain(name): name for name in names}

    def read(value: object) -> str:
        if isinstance(value, str) and _plain(value) in known:
            return known[_plain(value)]
        raise ValueError(f"{shown(value)} is an {unknown(str(value), known.values(), what)}")

    return read


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
