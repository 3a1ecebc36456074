"""Markdown tables and spreads, as all parts of the report show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
Line = tuple[str, str]


def spread(values: Found, digits: int, divisor: float = 1.0) -> str:
    """Write the median, and least to most where they differ as shown."""
    median, least, most = (
        f"{values[key] / divisor:,.{digits}f}" for key in ("median", "least", "most")
    )
    return median if least == most else f"{median} ({least} to {most})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
