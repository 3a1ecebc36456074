"""The safety guard: refuses to write where production may be.

Each check has a name, a reason, a severity and a remedy; a refusal shows every failed check.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from polargen.errors import GuardError

ENVIRONMENT_VARIABLES = ("NODE_ENV", "POLARGEN_ENV", "APP_ENV", "ENVIRONMENT")
_PRODUCTION = re.compile(r"(?:prod|production|prd)[0-9]*")
_NOT_PRODUCTION = ("non", "not", "pre")  # as in non-prod
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Failure:
    """One failed check."""

    check: str
    reason: str
    severity: Severity
    remedy: str

    def __str__(self) -> str:
        return f"{self.check}: {self.reason}; {self.remedy}"


def environment_failures(environment: Mapping[str, str]) -> list[Failure]:
    """Return a failure for each variable that says production, in any spelling."""
    return [
        Failure(
            "environment",
            f"{name} is {environment[name]!r}",
            "error",
            f"run where {name} is not production",
        )
        for name in ENVIRONMENT_VARIABLES
        if says_production(environment.get(name, ""))
    ]


def says_production(text: str) -> bool:
    """Return whether a text means production: Prod, "PRODUCTION ", prod-eu, eu_prod_2."""
    words = re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKC", text).lower())
    return any(
        _PRODUCTION.fullmatch(word) and (place == 0 or words[place - 1] not in _NOT_PRODUCTION)
        for place, word in enumerate(words)
    )


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
