"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from polargen.config import ResolvedConfig
    from polargen.scenario import ScenarioProfile

FORMATS = ("parquet", "csv", "json")
MOST_WORKERS = 1024
MOST_ROWS = 10**15
_ROWS_A_MONTH = 26_000  # of the default scenario, about
_MOST_AT_A_GLANCE = 4_000_000  # the multiplier is not checked yet

_F = TypeVar("_F", bound=Callable[..., Any])
_NAMES = {
    "start_date": "--from",
    "end_date": "--to",
    "seed": "--seed",
    "scenario": "--scenario",
    "volume_multiplier": "--multiplier",
    "batch_size": "--batch-size",
}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def complete_scenario(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the scenarios whose names begin so, and leave files to the shell."""
    from polargen.scenario import get_scenario_manager

    names = [n for n in get_scenario_manager().list_scenarios() if n.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def complete_table(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the tables whose names begin so; after a comma the next one."""
    from polargen.schema import TABLES

    before, comma, begun = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name) for name in TABLES if name.startswith(begun)]


def scenario_options(command: _F) -> _F:
    """Add --scenario and --set."""
    for option in (
        click.option(
            "sets",
            "--set",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a value of the scenario; may be repeated.",
        ),
        click.option(
            "--scenario",
            default="normal-ops",
            show_default=True,
            metavar="NAME|FILE",
            shell_complete=complete_scenario,
            help="What the data looks like.",
        ),
    ):
        command = option(command)
    return command


def run_options(command: _F) -> _F:
    """Add what decides the content of a run."""
    for option in (
        click.option(
            "--batch-size",
            metavar="N",
            help="Rows handed on at once, 100..1,000,000; never changes the data.  [default: 1000]",
        ),
        click.option(
            "--multiplier",
            metavar="X",
            help="Scales users, companies, products, orders and visits.  [default: 1]",
        ),
        click.option("--seed", metavar="N", help="Same seed, same bytes.  [default: drawn]"),
        click.option("end", "--to", metavar="DATE", help="Last day, inclusive.  [default: today]"),
        click.option(
            "start", "--from", metavar="DATE", help="First day.  [default: 89 days before --to]"
        ),
    ):
        command = option(command)
    return scenario_options(command)


def json_option(command: _F) -> _F:
    """Add --json."""
    return click.option("as_json", "--json", is_flag=True, help="Print one JSON document.")(command)


def common_options(command: _F) -> _F:
    """Add --json and --debug."""
    command = click.option(
        "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
    )(command)
    return json_option(command)


quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
workers_option = click.option(
    "--workers", metavar="N", help="Processes; never changes the data.  [default: one a core]"
)
max_records_option = click.option(
    "--max-records", metavar="N", help="Refuse a run with more rows than this in one table."
)


@dataclass(frozen=True)
class Asked:
    """What decides the content of a run, as typed."""

    scenario: str
    sets: tuple[str, ...]
    start: str | None
    end: str | None
    seed: str | None
    multiplier: str | None
    batch_size: str | None

    def rows_at_a_glance(self) -> int:
        """Return how many rows may come, by the multiplier alone; 0 for what is no number."""
        try:
            rows = float(self.multiplier or 1) * _ROWS_A_MONTH
            return int(min(rows, _MOST_AT_A_GLANCE))
        except (ValueError, OverflowError):
            return 0

    def resolve(self, dry_run: bool = True) -> tuple[ResolvedConfig, ScenarioProfile]:
        """Return the complete configuration and scenario.

        Raises:
            ConfigError: one problem for each value that cannot be used.
        """
        from datetime import datetime
        from zoneinfo import ZoneInfo

        from polargen.config import resolve_config
        from polargen.scenario import resolve_scenario

        resolved = resolve_config(
            {
                "start_date": self.start,
                "end_date": self.end,
                "seed": self.seed,
                "scenario": self.scenario,
                "volume_multiplier": self.multiplier,
                "batch_size": self.batch_size,
                "dry_run": dry_run,
            },
            today=datetime.now(ZoneInfo("Africa/Cairo")).date(),
            names=_NAMES,
        )
        return resolved, resolve_scenario(self.scenario, self.sets)

    def repeated(self, resolved: ResolvedConfig) -> str:
        """Return the options that make the same data again, in the shell's words."""
        config = resolved.config
        words = ["--scenario", self.scenario]
        for text in self.sets:
            words += ["--set", text]
        words += ["--from", str(config.start_date), "--to", str(config.end_date)]
        words += ["--seed", str(config.seed)]
        if config.volume_multiplier != 1:
            words += ["--multiplier", plain_number(config.volume_multiplier)]
        return shlex.join(words)


def filled(resolved: ResolvedConfig) -> list[str]:
    """Return what the clock and the system decided, in sentences."""
    config, said = resolved.config, []
    if resolved.dates_were_filled:
        said.append(f"dates: {config.start_date} to {config.end_date}, {config.days} days")
    if resolved.seed_was_drawn:
        said.append(f"seed: {config.seed}, drawn; --seed {config.seed} makes the same data again")
    return said


def heading(resolved: ResolvedConfig, scenario: str) -> str:
    """Return what a run is, in a line."""
    config = resolved.config
    drawn = " (drawn)" if resolved.seed_was_drawn else ""
    return (
        f"{scenario}, {config.start_date} to {config.end_date}, seed {config.seed}{drawn}, "
        f"multiplier {plain_number(config.volume_multiplier)}"
    )


def plain_number(value: float) -> str:
    """Return a number exactly, without a decimal point where it has no decimals."""
    return str(int(value)) if value == int(value) else repr(value)


def folder(option: str, text: str) -> str:
    """Return a folder that can be written as it was typed.

    Raises:
        ConfigError: the text is empty, the root, or a home that nobody has.
    """
    from polargen.errors import ConfigError

    if not text.strip():
        raise ConfigError(f"{option}: is empty, name a folder")
    try:
        name = Path(text).expanduser().resolve().name
    except RuntimeError:
        raise ConfigError(f"{option}: {text} is no home folder, write the path in full") from None
    if not name:
        raise ConfigError(f"{option}: {text} cannot be replaced, choose a folder inside it")
    return text


def whole_number(option: str, text: str | None, low: int, high: int) -> int | None:
    """Return an option's whole number.

    Raises:
        ConfigError: it is none, or out of range.
    """
    from polargen.config import Limits
    from polargen.errors import ConfigError

    if text is None:
        return None
    try:
        return int(Limits(low, high).read(text, whole=True))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def size_bytes(option: str, text: str | None) -> int | None:
    """Return the bytes that 128MB, 1.5 GiB or 4000000 stand for.

    Raises:
        ConfigError: the text is no size, or below 1 kB.
    """
    from polargen.errors import ConfigError

    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{option}: {text!r} is not a size, write it like 128MB")
    number, letter, binary = found.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS[letter.lower()])
    if not 1000 <= size <= 10**15:
        raise ConfigError(f"{option}: {text!r} is out of range, must be 1 kB..1,000 TB")
    return size


def table_names(option: str, text: str | None, known: Iterable[str]) -> tuple[str, ...] | None:
    """Return the tables of a list like ``orders,order_items``; None where none is given.

    Raises:
        ConfigError: one is unknown (the nearest is named), or the list is empty.
    """
    from polargen.config import Problem, one_of, refusal
    from polargen.errors import ConfigError

    if text is None:
        return None
    names = list(known)
    given = [name.strip() for name in text.split(",") if name.strip()]
    if not given:
        raise ConfigError(f"{option}: {text!r} names no table, write it like orders,order_items")
    read, found, problems = one_of(names, "table"), [], []
    for name in given:
        try:
            found.append(read(name))
        except ValueError as error:
            problems.append(Problem(option, str(error)))
    if problems:
        raise refusal(problems)
    return tuple(name for name in names if name in found)
