"""The safety guard as the API shows it: every check, also those that passed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from polargen import guard_database
from polargen.database import Database
from polargen.errors import TargetError
from polargen.guard import (
    ENVIRONMENT_VARIABLES,
    Check,
    check,
    environment_check,
    environment_failures,
)

UNNAMED = "development"


def environment_name(environment: Mapping[str, str]) -> str:
    """Return what the environment calls itself; production if any variable says so."""
    if environment_failures(environment):
        return "production"
    said = (environment.get(name, "").strip() for name in ENVIRONMENT_VARIABLES)
    return next((text for text in said if text), UNNAMED)


def checks(database: Database | None) -> list[dict[str, Any]]:
    """Return every check of a write, failed ones first; nothing is written.

    Args:
        database: that would be loaded; None for files.
    """
    made = _made(database)
    return [_shown(one) for one in sorted(made, key=lambda one: not one.failures)]


def _made(database: Database | None) -> list[Check]:
    if database is None:
        return [environment_check(os.environ)]
    try:
        return guard_database.checks_of(database, os.environ)
    except TargetError as error:
        return [
            environment_check(os.environ),
            check("connection", "", [(str(error), "then try again")]),
        ]


def _shown(made: Check) -> dict[str, Any]:
    """Return a check; the reason of one that passed is what holds."""
    reasons = [failure.reason for failure in made.failures]
    return {
        "check": made.name,
        "ok": not made.failures,
        "reason": "; ".join(reasons) or made.unknown or made.holds,
        "severity": made.severity,
        "remedy": "; ".join(failure.remedy for failure in made.failures),
    }
