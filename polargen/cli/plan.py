"""`polargen plan`: what a run would make and need, before it makes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from polargen.cli import options, output

if TYPE_CHECKING:
    from polargen.config import ResolvedConfig
    from polargen.estimate import Estimate
    from polargen.plan import Plan


@click.command()
@options.run_options
@click.option(
    "format_name",
    "--format",
    type=click.Choice(options.FORMATS),
    default="parquet",
    show_default=True,
    help="Of the files whose size is estimated.",
)
@options.workers_option
@options.max_records_option
@options.common_options
def plan(as_json: bool, format_name: str, workers: str | None, max_records: str | None,
         **given: Any) -> None:  # fmt: skip
    """Show what a run would make: rows, bytes, blocks, memory, and shares that cannot hold.

    \b
    Example:
      polargen plan --from 2024-01-01 --to 2024-03-31 --seed 12345
      polargen plan --scenario growth-phase --multiplier 50 --json
    """
    asked = options.Asked(**given)
    resolved, profile = asked.resolve()
    processes = options.whole_number("--workers", workers, 1, options.MOST_WORKERS)
    most = options.whole_number("--max-records", max_records, 1, options.MOST_ROWS)

    from polargen.estimate import estimate
    from polargen.orchestrator import RunOptions, planned_rows
    from polargen.plan import make_plan

    planned = make_plan(resolved.config, profile)
    expected = estimate(planned, format_name)
    expected.check(RunOptions(max_records=most))
    exact = planned_rows(planned)
    if as_json:
        output.show_json(_document(planned, expected, exact, format_name))
        return
    for sentence in options.filled(resolved):
        output.note(sentence)
    output.show(_lines(planned, expected, exact, resolved, format_name, processes))


def _document(
    planned: Plan, expected: Estimate, exact: dict[str, int], format_name: str
) -> dict[str, Any]:
    from polargen.estimate import WORKER_BYTES

    return {
        "scenario": planned.scenario.name,
        "config": planned.config.to_dict(),
        "planHash": planned.hash,
        "format": format_name,
        "tables": {
            name: {
                "rows": exact.get(name, rows),
                "exact": name in exact,
                "bytes": expected.bytes[name],
            }
            for name, rows in expected.rows.items()
        },
        "totalRows": expected.total_rows,
        "totalBytes": expected.total_bytes,
        "days": planned.days,
        "warehouses": planned.warehouses,
        "segments": len(planned.segments),
        "blocks": expected.blocks,
        "memoryBytesPerWorker": WORKER_BYTES,
        "unmet": [
            {"share": item.name, "wanted": item.wanted, "expected": item.expected}
            for item in planned.unmet
        ],
        "notes": list(planned.notes),
    }


def _lines(
    planned: Plan,
    expected: Estimate,
    exact: dict[str, int],
    resolved: ResolvedConfig,
    format_name: str,
    workers: int | None,
) -> list[str]:
    from polargen.estimate import WORKER_BYTES

    rows = [
        [
            name,
            f"{exact[name]:,}" if name in exact else f"about {count:,}",
            f"about {output.size(expected.bytes[name])}",
        ]
        for name, count in expected.rows.items()
    ]
    total = f"about {expected.total_rows:,}", f"about {output.size(expected.total_bytes)}"
    lines = [options.heading(resolved, planned.scenario.name), ""]
    lines += output.table(["table", "rows", format_name], [*rows, ["total", *total]], "lrr")
    each = output.size(WORKER_BYTES)
    memory = f"at most {each} a worker"
    if workers is not None:
        memory += f", {output.size(workers * WORKER_BYTES)} for {workers}"
    lines += [
        "",
        f"{output.counted(planned.days, 'day')}, "
        f"{output.counted(planned.warehouses, 'warehouse')}, "
        f"{output.counted(len(planned.segments), 'segment')}, "
        f"{output.counted(expected.blocks, 'block')}; memory {memory}",
    ]
    return lines + [f"note: {text}" for text in (*planned.notes, *map(str, planned.unmet))]
