"""Errors of polargen: one tree, each with the exit code of the command line.

PolargenError (1)
├── ConfigError (2)           wrong option, date, seed, multiplier
│   └── ScenarioError (2)     wrong or unknown scenario
├── GuardError (3)            the safety guard refused
├── LimitError (3)            more rows, disk or memory than allowed
├── TargetError (4)           disk or database failed
├── RunError (1)              a run failed and was rolled back
│   └── VerificationError (1) rows break a rule
└── Interrupted (130)         Ctrl-C

A message says where, what came and what to do. No traceback is shown for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PolargenError(Exception):
    """Root of all errors that polargen raises on purpose."""

    exit_code = 1


class ConfigError(PolargenError):
    """An option, a date, a seed or a multiplier cannot be used."""

    exit_code = 2


class ScenarioError(ConfigError):
    """A scenario is unknown, malformed or contradicts itself."""


class GuardError(PolargenError):
    """The safety guard refused to write.

    Attributes:
        failures: every failed check, as `polargen.guard.Failure`.
    """

    exit_code = 3

    def __init__(self, message: str, failures: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class LimitError(PolargenError):
    """The run needs more rows, disk or memory than is allowed or there."""

    exit_code = 3


class TargetError(PolargenError):
    """The target (disk or database) failed or cannot be used."""

    exit_code = 4


class RunError(PolargenError):
    """A run failed and was rolled back; the earlier data is as it was."""


class VerificationError(RunError):
    """Rows break a rule of the data."""


class Interrupted(PolargenError):
    """The user stopped the run; the earlier data is as it was."""

    exit_code = 130
