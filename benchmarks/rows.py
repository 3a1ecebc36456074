"""An orders row, made by Faker, by Mimesis and by polargen, each in a process of its own.

``python -m benchmarks.rows MAKER ROWS`` prints JSON: rows, cells and seconds. Set-up (imports,
Faker's and Mimesis' providers, polargen's masters) is not counted, for any of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from benchmarks.engine import WORKER_ENV, chosen
from benchmarks.measure import ROOT, Spread, alternate
from benchmarks.plans import multiplier_for, plan_of
from polargen.errors import RunError
from polargen.executors.memory import keep_freed_memory
from polargen.executors.work import make_block
from polargen.generators.totals import Totals

MAKERS = ("polargen", "faker", "mimesis")
RATES = ("rows_per_s", "cells_per_s")
STATUSES = ("Pending", "Processing", "Shipped", "Delivered", "Cancelled")
FIRST, LAST = date(2024, 1, 1), date(2024, 3, 31)
_PLAN_ROWS, _BLOCKS = 10_000_000, 4

OrderRow = tuple[int, str, date, str, float, str, str, str]
Made = tuple[int, int, float]  # rows, cells, seconds


def faker_rows(count: int) -> Made:
    """Make rows of 8 cells in one loop; without weighting, which makes Faker faster."""
    from faker import Faker

    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(1)

    def row(number: int) -> OrderRow:
        return (
            number,
            fake.name(),
            fake.date_between(FIRST, LAST),
            fake.random_element(STATUSES),
            fake.random_int(1_000, 1_000_000) / 100,
            fake.phone_number(),
            fake.city(),
            fake.sentence(nb_words=6),
        )

    row(0)
    started = time.perf_counter()
    rows = [row(number) for number in range(count)]
    return len(rows), len(rows) * len(rows[0]), time.perf_counter() - started


def mimesis_rows(count: int) -> Made:
    """Make rows of 8 cells in one loop."""
    from mimesis import Generic
    from mimesis.locales import Locale

    generic = Generic(locale=Locale.EN, seed=1)
    person, address, text = generic.person, generic.address, generic.text
    moments, random = generic.datetime, generic.random

    def row(number: int) -> OrderRow:
        return (
            number,
            person.full_name(),
            moments.date(start=FIRST.year, end=LAST.year),
            random.choice(STATUSES),
            random.randint(1_000, 1_000_000) / 100,
            person.phone_number(),
            address.city(),
            text.sentence(),
        )

    row(0)
    started = time.perf_counter()
    rows = [row(number) for number in range(count)]
    return len(rows), len(rows) * len(rows[0]), time.perf_counter() - started


def polargen_rows(_count: int) -> Made:
    """Make whole blocks of orders and their lines, up to Arrow; rows are those of orders."""
    keep_freed_memory()
    plan = plan_of(multiplier_for(_PLAN_ROWS))
    totals = Totals.zero(plan.companies, plan.products)
    blocks = [block for block in chosen(plan, _BLOCKS) if block.kind == "orders"]
    make_block(plan, blocks[0], totals, {})
    rows, cells, spent = 0, 0, 0.0
    for block in blocks:
        seconds: dict[str, float] = {}
        frames, _ = make_block(plan, block, totals, seconds)
        started = time.perf_counter()
        arrow = [frames[name].to_arrow() for name in ("orders", "order_items")]
        spent += seconds["orders"] + time.perf_counter() - started
        rows += arrow[0].num_rows
        cells += sum(table.num_rows * table.num_columns for table in arrow)
    return rows, cells, spent


def measure_rows(count: int, runs: int) -> dict[str, Any]:
    """Run the makers in turn.

    Returns:
        the spread of rows/s and cells/s of each, and of polargen's ratios to its neighbours.

    Raises:
        RunError: one failed; with the end of what it said.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in MAKERS}
    for name in alternate(MAKERS, runs):
        rows, cells, spent = _run(name, count)
        figures = {
            "columns": cells / rows,
            "rows_per_s": rows / spent,
            "cells_per_s": cells / spent,
        }
        found[name].append(figures)
    return {
        "makers": {
            name: {
                "columns": made[0]["columns"],
                **{key: Spread.of([each[key] for each in made]).to_dict() for key in RATES},
            }
            for name, made in found.items()
        },
        "ratios": {
            name: {key: _ratio(found[MAKERS[0]], found[name], key) for key in RATES}
            for name in MAKERS[1:]
        },
    }


def _ratio(
    ours: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]], key: str
) -> dict[str, Any]:
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([mine[key] / other[key] for mine, other in pairs]).to_dict()


def _run(name: str, count: int) -> Made:
    command = [sys.executable, "-m", "benchmarks.rows", name, str(count)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **WORKER_ENV}, capture_output=True, check=False
    )
    if done.returncode:
        raise RunError(f"{' '.join(command)}: failed: {done.stderr.decode()[-2000:]}")
    rows, cells, spent = json.loads(done.stdout)
    return rows, cells, spent


def main() -> None:
    """Make rows and print JSON."""
    maker = {"faker": faker_rows, "mimesis": mimesis_rows, "polargen": polargen_rows}[sys.argv[1]]
    print(json.dumps(maker(int(sys.argv[2]))))


if __name__ == "__main__":
    main()
