"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.whole import PEER, US

Found = Mapping[str, Any]
_MB, _GB = 1e6, 1e9
_WHOLE = (  # key, title, divisor, figures after the point
    ("wall_s", "wall time, s", 1.0, 2),
    ("cpu_s", "CPU time, s", 1.0, 2),
    ("rows", "rows, million", 1e6, 2),
    ("cells", "cells, million", 1e6, 1),
    ("rows_per_s", "million rows/s", 1e6, 2),
    ("cells_per_s", "million cells/s", 1e6, 1),
    ("cells_per_cpu_s", "million cells/s of CPU time", 1e6, 1),
    ("bytes_per_s", "MB/s of Parquet", _MB, 1),
    ("bytes_per_cell", "bytes a cell in Parquet", 1.0, 2),
    ("tree_bytes", "peak memory of all processes, MB", _MB, 0),
    ("process_bytes", "peak memory of the largest worker, MB", _MB, 0),
)


def summary(found: Found) -> str:
    """Return the ratios as a Markdown table."""
    lines = []
    for workers, whole in _wholes(found):
        ratios = whole["ratios"]
        for key, title in (("cells_per_s", "cells/s"), ("rows_per_s", "rows/s")):
            of = f"{PEER}, {_workers(workers)}"
            lines.append((f"{title} of Parquet against {of}", _spread(ratios[key], 2)))
    speed_up = _median(found, 2, "rows_per_s") / _median(found, 1, "rows_per_s")
    lines.append((f"{US}: 2 workers against 1, rows/s", f"{speed_up:.2f}"))
    for name, ratios in found["rows"]["ratios"].items():
        lines.append((f"orders rows/s against {name}", _spread(ratios["rows_per_s"], 0)))
        lines.append((f"orders cells/s against {name}", _spread(ratios["cells_per_s"], 0)))
    small, large = found["memory"][0], found["memory"][-1]
    lines.append(
        (
            f"memory of a worker, {_millions(large['rows'])} against {_millions(small['rows'])}",
            f"{large['process_bytes'] / small['process_bytes']:.2f}",
        )
    )
    return _table(("ratio", "value (least to most)"), lines)


def markdown(found: Found) -> str:
    """Return the whole report."""
    parts = [
        "# Results",
        "How to read them, and what differs between the schemas: `benchmarks/README.md`.",
        _where(found),
        "## Ratios",
        summary(found),
        "## Whole runs",
        f"{US}: normal-ops, 2024-01-01 to 2024-03-31, multiplier "
        f"{found['whole']['multiplier']:g}, without quick checks. {PEER}: TPC-H at scale factor "
        f"{found['whole']['scale']:g}. Both: zstd Parquet of level 1, runs in turn; medians.",
    ]
    for workers, whole in _wholes(found):
        parts += [f"### {_workers(workers).capitalize()}", _whole(whole)]
    parts += ["## Memory", _memory(found["memory"]), "## Small runs", _small(found["small"])]
    parts += _parts(found["parts"])
    parts += ["## One orders row", _rows(found["rows"])]
    return "\n\n".join(parts) + "\n"


def _where(found: Found) -> str:
    machine = found["machine"]
    lines = [
        ("measured at", machine["measured_at"]),
        ("CPU", f"{machine['cpu']}, {machine['cores']} cores"),
        ("memory", f"{machine['memory_bytes'] / _GB:.1f} GB"),
        ("kernel", machine["kernel"]),
        ("file system", machine["file_system"]),
        ("load before the first run", f"{machine['load_before']:.2f}"),
        ("Python", machine["python"]),
        *found["versions"].items(),
        ("runs of each command", found["effort"]["runs"]),
    ]
    return _table(("what", "value"), [(name, str(value)) for name, value in lines])


def _wholes(found: Found) -> list[tuple[int, Found]]:
    return [(workers, found["whole"][f"workers_{workers}"]) for workers in (2, 1)]


def _median(found: Found, workers: int, key: str) -> float:
    return float(found["whole"][f"workers_{workers}"][US][key]["median"])


def _whole(whole: Found) -> str:
    lines = []
    for key, title, divisor, digits in _WHOLE:
        ours, theirs = whole[US][key], whole[PEER][key]
        ratio = whole["ratios"].get(key)
        shown = "" if ratio is None else _spread(ratio, 2)
        lines.append(
            (title, _spread(ours, digits, divisor), _spread(theirs, digits, divisor), shown)
        )
    return _table(("", US, PEER, "ratio"), lines)


def _memory(runs: Sequence[Found]) -> str:
    lines = [
        (
            f"{run['rows']:,.0f}",
            f"{run['process_bytes'] / _MB:.0f}",
            f"{run['tree_bytes'] / _MB:.0f}",
            f"{1e9 * run['wall_s'] / run['rows']:.0f}",
        )
        for run in runs
    ]
    head = ("rows", "largest worker, MB", "all processes, MB", "ns of wall time a row")
    return _table(head, lines)


def _small(small: Found) -> str:
    lines = [
        (f"{name}, {title}", _spread(small[f"{key}_{clock}_s"], 2))
        for key, name in (
            ("quarter", f"default quarter, {small['quarter_rows']:,} rows, checks on"),
            ("help", "`polargen --help`"),
        )
        for clock, title in (("wall", "wall time, s"), ("cpu", "CPU time, s"))
    ]
    return _table(("whole process", "median (least to most)"), lines)


def _parts(parts: Found) -> list[str]:
    generators = [
        (name, f"{cost['units']:,}", str(cost["blocks"]), _spread(cost["ns"], 1))
        for name, cost in parts["generators"].items()
    ]
    steps = [(name, _spread(cost["ns"], 1)) for name, cost in parts["steps"].items()]
    return [
        "## Generators",
        "In one process, its own rows only; of masters and visits there are few blocks.",
        _table(("generator", "rows", "blocks", "ns a row"), generators),
        "## Steps between generators and sinks",
        "ns a cell of a block of orders; the first: ns a row. The digests are part of every "
        f"run, the quick checks are not part of the whole runs above. The plan took "
        f"{parts['plan_s']:.2f} s.",
        _table(("step", "ns"), steps),
        "## Sinks",
        "ns a cell, from ready Arrow tables to closed files on disk, one process. CSV and NDJSON "
        f"plain, in steps of {parts['batch_size']:,} rows, the default.",
        _sinks(parts["sinks"]),
    ]


def _sinks(sinks: Found) -> str:
    formats = list(sinks)
    tables = [*next(iter(sinks.values()))]
    lines = [
        (table, *(f"{sinks[name][table]['ns']['median']:.1f}" for name in formats))
        for table in tables
    ]
    return _table(("table", *formats), lines)


def _rows(rows: Found) -> str:
    lines = [
        (
            name,
            f"{made['columns']:.0f}",
            _spread(made["rows_per_s"], 0),
            _spread(made["cells_per_s"], 0),
        )
        for name, made in rows["makers"].items()
    ]
    return _table(("maker", "cells a row", "rows/s", "cells/s"), lines)


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _millions(rows: float) -> str:
    return f"{rows / 1e6:.1f} million rows"


def _spread(spread: Found, digits: int, divisor: float = 1.0) -> str:
    """Write the median, and least to most where they differ as shown."""
    median, least, most = (
        f"{spread[key] / divisor:,.{digits}f}" for key in ("median", "least", "most")
    )
    return median if least == most else f"{median} ({least} to {most})"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
