"""The safety guard: refuses to write where production may be.

Each check has a name, a reason, a severity and a remedy; a refusal shows every failed check.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from polargen.errors import GuardError

ENVIRONMENT_VARIABLES = ("NODE_ENV", "POLARGEN_ENV", "APP_ENV", "ENVIRONMENT")
_PRODUCTION = re.compile(r"(?:prod|production|prd)[0-9]*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # as in prodEU
_NOT_PRODUCTION = ("non", "not", "pre")  # as in non-prod
Severity = Literal["error", "warning"]
Result = Literal["ok", "warning", "error", "not known"]
Problem = tuple[str, str]  # a reason and a remedy


@dataclass(frozen=True)
class Failure:
    """One reason why a check failed."""

    check: str
    reason: str
    severity: Severity
    remedy: str

    def __str__(self) -> str:
        return f"{self.check}: {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Check:
    """One check and what came of it.

    Attributes:
        name: of the check.
        holds: what is so where it passes.
        severity: of its failures.
        failures: empty where it passes.
        unknown: why it could not be made; empty where it was.
    """

    name: str
    holds: str
    severity: Severity = "error"
    failures: tuple[Failure, ...] = ()
    unknown: str = ""

    @property
    def result(self) -> Result:
        """What came of it, in a word."""
        if self.unknown:
            return "not known"
        return self.severity if self.failures else "ok"


def check(
    name: str, holds: str, problems: Iterable[Problem], severity: Severity = "error"
) -> Check:
    """Return a check that was made; without problems it passes."""
    failures = (Failure(name, reason, severity, remedy) for reason, remedy in problems)
    return Check(name, holds, severity, tuple(failures))


def failures_in(checks: Iterable[Check]) -> list[Failure]:
    """Return the failures of checks in their order."""
    return [failure for made in checks for failure in made.failures]


def environment_check(environment: Mapping[str, str]) -> Check:
    """Return the check that no variable says production, in any spelling."""
    problems = [
        (f"{name} is {environment[name]!r}", f"run where {name} is not production")
        for name in ENVIRONMENT_VARIABLES
        if says_production(environment.get(name, ""))
    ]
    listed = ", ".join(ENVIRONMENT_VARIABLES)
    return check("environment", f"none of {listed} says production", problems)


def environment_failures(environment: Mapping[str, str]) -> list[Failure]:
    """Return a failure for each variable that says production, in any spelling."""
    return list(environment_check(environment).failures)


def says_production(text: str) -> bool:
    """Return whether a text means production: Prod, "PRODUCTION ", prod-eu, eu_prod_2, prodEU."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if not _is_invisible(c))
    words = re.findall(r"[a-z0-9]+", _HUMP.sub(" ", plain).lower())
    return any(
        _PRODUCTION.fullmatch(word) and (place == 0 or words[place - 1] not in _NOT_PRODUCTION)
        for place, word in enumerate(words)
    )


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf"  # as a zero-width space


def check_file_write(environment: Mapping[str, str]) -> None:
    """Refuse to write files in production.

    Raises:
        GuardError: with every failed check and its remedy.
    """
    refuse(environment_failures(environment))


def refuse(failures: list[Failure]) -> None:
    """Raise one error for all failures; none passes.

    Raises:
        GuardError: if there is any.
    """
    if failures:
        listed = "; ".join(str(failure) for failure in failures)
        raise GuardError(f"Safety checks failed: {listed}", failures)
