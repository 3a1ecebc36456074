"""Checks: every rule of the data, on a finished data set, on groups at hand, or on one block.

>>> from polargen.checks import verify_dataset
>>> report = verify_dataset("out")  # doctest: +SKIP
>>> print("\\n".join(report.lines()))  # doctest: +SKIP
"""

from __future__ import annotations

from polargen.checks.base import Context, Example, Report, Rule, RuleResult
from polargen.checks.verify import (
    MASTER_COLUMNS,
    Verifier,
    check_block,
    context_of,
    rules,
    verify_dataset,
)

__all__ = [
    "MASTER_COLUMNS",
    "Context",
    "Example",
    "Report",
    "Rule",
    "RuleResult",
    "Verifier",
    "check_block",
    "context_of",
    "rules",
    "verify_dataset",
]
