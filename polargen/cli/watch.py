"""Progress on stderr: a bar on a terminal, a line about every two seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from polargen.cli.output import left

if TYPE_CHECKING:
    from polargen.progress import Progress

LINE_SECONDS = 2.0


@dataclass(frozen=True)
class Look:
    """One look at what is going on.

    Attributes:
        phase: in a word or two.
        percent: done, None while unknown.
        rows: done.
        rows_per_s: so far.
        table: written last.
        seconds_left: estimated, None while unknown.
    """

    phase: str
    percent: int | None = None
    rows: int = 0
    rows_per_s: float = 0.0
    table: str = ""
    seconds_left: float | None = None

    def figures(self) -> list[str]:
        """Return what is known, in words."""
        said = [] if self.percent is None else [f"{self.percent:3d} %"]
        if self.rows:
            said += [f"{self.rows:,} rows", f"{self.rows_per_s:,.0f} rows/s", self.table]
        if self.seconds_left:
            said.append(f"{left(self.seconds_left)} left")
        return [text for text in said if text]


Watch = Callable[[Look], None]


@contextmanager
def watching(quiet: bool) -> Iterator[Watch]:
    """Yield what shows progress in the way that suits stderr."""
    if quiet:
        yield _nothing
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar() as tell:
            yield tell
    else:
        yield _Lines().tell


def listener(watch: Watch, first: Iterable[str] = ()) -> Callable[[Progress], None]:
    """Return the orchestrator's listener that shows what it hears.

    Args:
        watch: shows progress.
        first: sentences to print once the run has begun.
    """
    unsaid = list(first)

    def hear(progress: Progress) -> None:
        with suppress(OSError):  # nobody reads stderr any more; the run goes on
            while unsaid and progress.status == "generating":
                click.echo(unsaid.pop(0), err=True)
            watch(
                Look(
                    phase=progress.status.replace("_", " "),
                    percent=progress.percent,
                    rows=sum(progress.records.values()),
                    rows_per_s=progress.throughput,
                    table=progress.current_entity,
                    seconds_left=progress.seconds_left,
                )
            )

    return hear


def _nothing(look: Look) -> None:
    """Show nothing."""


class _Lines:
    """Writes a line where the last one is two seconds old."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, look: Look) -> None:
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            click.echo("  ".join([look.phase, *look.figures()]), err=True)


@contextmanager
def _bar() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, figures="")

        def tell(look: Look) -> None:
            bar.update(
                task,
                description=look.phase,
                total=None if look.percent is None else 100,
                completed=look.percent or 0,
                figures="  ".join(look.figures()),
            )

        yield tell
