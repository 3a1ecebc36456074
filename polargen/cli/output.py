"""How results look: aligned tables, numbers with units, JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import Any

import click

_WIDEST = 110


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: str = "") -> list[str]:
    """Return aligned lines; the last column wraps at the terminal's width.

    Args:
        header: a name a column.
        rows: texts.
        numbers: a letter a column, "r" for those aligned to the right.
    """
    cells = [list(header), *(list(row) for row in rows)]
    last = len(header) - 1
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [numbers[column : column + 1] == "r" for column in range(len(header))]
    indent = sum(widths[:last]) + 2 * last
    room = max(30, min(get_terminal_size((_WIDEST, 0)).columns, _WIDEST) - indent)
    lines = []
    for row in cells:
        fixed = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        wrapped = [fixed[last].rstrip()] if right[last] else textwrap.wrap(row[last], room) or [""]
        lines.append("  ".join([*fixed[:last], wrapped[0]]).rstrip())
        lines += [" " * indent + more for more in wrapped[1:]]
    return lines


def size(size_bytes: float) -> str:
    """Return bytes in a unit that suits them: 812 B, 3.1 kB, 12 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5:
            whole = unit == "B" or size_bytes >= 99.95
            return f"{size_bytes:.0f} {unit}" if whole else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def counted(number: int, one: str) -> str:
    """Return a number with its word: 1 block, 2 blocks."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def duration(seconds: float) -> str:
    """Return how long something took: 0.52 s, 12.3 s, 4 min 05 s, 2 h 07 min."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 60 else left(seconds)


def left(seconds: float) -> str:
    """Return how long something will take: 5 s, 4 min 05 s, 2 h 07 min."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def show(lines: Iterable[str]) -> None:
    """Print a result."""
    for line in lines:
        click.echo(line)


def show_json(document: Any) -> None:
    """Print a result as one JSON document, in ASCII: any terminal and any reader takes it."""
    click.echo(json.dumps(document, indent=2))


def note(text: str) -> None:
    """Print what is no result."""
    click.echo(text, err=True)
