"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import CHOSEN, PGBENCH
from benchmarks.tables import Found, Line, spread, table
from benchmarks.whole import ENCODER, FLOOR, PEER, US
from polargen.driver import VARIABLE
from polargen.errors import ConfigError

_MB, _GB = 1e6, 1e9
_MARK = "<!-- speed -->\n"
_FORMATS = {"csv": "CSV", "json": "NDJSON"}
_WHOLE = (  # key, title, divisor, figures after the point
    ("wall_s", "wall time, s", 1.0, 2),
    ("cpu_s", "CPU time, s", 1.0, 2),
    ("rows", "rows, million", 1e6, 2),
    ("cells", "cells, million", 1e6, 1),
    ("rows_per_s", "million rows/s", 1e6, 2),
    ("cells_per_s", "million cells/s", 1e6, 1),
    ("cells_per_cpu_s", "million cells/s of CPU time", 1e6, 1),
    ("bytes_per_s", "MB/s of files", _MB, 1),
    ("bytes_per_cell", "bytes a cell", 1.0, 2),
    ("tree_bytes", "peak memory of all processes, MB", _MB, 0),
    ("process_bytes", "peak memory of the largest worker, MB", _MB, 0),
)
_LOAD = (
    ("wall_s", "wall time, s", 1.0, 2),
    ("client_cpu_s", "CPU time of the clients, s", 1.0, 2),
    ("server_cpu_s", "CPU time of the server, s", 1.0, 2),
    ("rows_per_s", "thousand rows/s", 1e3, 1),
    ("cells_per_s", "thousand cells/s", 1e3, 0),
    ("bytes_per_s", "MB/s of tables and indexes", _MB, 1),
)


def summary(found: Found) -> str:
    """Return the ratios as a Markdown table."""
    return table(("ratio", "value (least to most)"), _ratios(found))


def markdown(found: Found) -> str:
    """Return the whole report."""
    parts = [
        "# Results",
        "How to read them, and what differs between the schemas: `benchmarks/README.md`.",
        _where(found),
        "## Ratios",
        summary(found),
    ]
    for name, section in _SECTIONS.items():
        if name in found:
            parts += section(found[name])
    return "\n\n".join(parts) + "\n"


def write_readme(path: Path, found: Found) -> None:
    """Write the ratios between the two marks of a file.

    Raises:
        ConfigError: it has no such marks.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(_MARK) != 2:
        raise ConfigError(f"{path}: must have two lines {_MARK.strip()}")
    before, _, after = text.split(_MARK)
    machine, effort = found["machine"], found["effort"]
    said = (
        f"Ratios of one run of `make bench` on {machine['cores']} cores, medians, "
        f"{effort['rows'] / 1e6:.0f} million rows of files and\n{effort['load_rows'] / 1e6:.0f} "
        "million in a database; the tables with machine and versions are in\n"
        "[benchmarks/results](benchmarks/results/bench.md), "
        "[benchmarks/README.md](benchmarks/README.md) says how to read them.\n\n"
    )
    lines = [(title, value.split(" (")[0]) for title, value in _ratios(found)]
    shown = said + table((f"{US} against", "ratio"), lines) + "\n"
    path.write_text(f"{before}{_MARK}{shown}{_MARK}{after}", encoding="utf-8")


def _ratios(found: Found) -> list[Line]:
    lines: list[Line] = []
    if "whole" in found:
        lines += _whole_ratios(found["whole"])
    for name in _FORMATS if "text" in found else ():
        ratios = found["text"][name]["ratios"]
        if PEER in ratios:
            lines.append((f"cells/s of CSV against {PEER}", spread(ratios[PEER]["cells_per_s"], 2)))
        lines.append((f"time for {_FORMATS[name]} against the floor", _wall(ratios)))
    if "load" in found:
        lines += _load_ratios(found["load"])
    for name, ratios in found["rows"]["ratios"].items() if "rows" in found else ():
        lines.append((f"orders rows/s against {name}", spread(ratios["rows_per_s"], 0)))
        lines.append((f"orders cells/s against {name}", spread(ratios["cells_per_s"], 0)))
    return lines + (_size_ratios(found["sizes"]) if "sizes" in found else [])


def _whole_ratios(whole: Found) -> list[Line]:
    lines: list[Line] = []
    for workers in (2, 1):
        ratios = whole[f"workers_{workers}"]["ratios"]
        for key, title in (("cells_per_s", "cells/s"), ("rows_per_s", "rows/s")):
            of = f"{PEER}, {_workers(workers)}"
            lines.append((f"{title} of Parquet against {of}", spread(ratios[PEER][key], 2)))
    ratios = whole["workers_2"]["ratios"]
    lines.append(("time for Parquet against the floor", _wall(ratios)))
    alone = spread(ratios[ENCODER]["wall_s"], 2)
    lines.append(("time for Parquet against polargen's encoder alone", alone))
    for name in (US, PEER):
        two, one = (whole[f"workers_{workers}"][name]["rows_per_s"]["median"] for workers in (2, 1))
        lines.append((f"{name}: 2 workers against 1, rows/s", f"{two / one:.2f}"))
    return lines


def _wall(ratios: Found) -> str:
    return spread(ratios[FLOOR]["wall_s"], 2)


def _load_ratios(load: Found) -> list[Line]:
    ratios = load["ratios"]
    floor, unlogged = ratios["floor"], ratios["unlogged"]
    chosen = []
    if CHOSEN in load["runs"]:
        title = f"time of a database load with {VARIABLE} against the floor"
        chosen = [(title, spread(ratios["chosen driver"]["wall_s"], 2))]
    return [
        ("time of a database load against the floor", spread(floor["wall_s"], 2)),
        ("CPU time of a database load against the floor", spread(floor["cpu_s"], 2)),
        *chosen,
        ("time of an unlogged load against the unlogged floor", spread(unlogged["wall_s"], 2)),
        (f"rows/s of a load against {PGBENCH}", f"{ratios[PGBENCH]['rows_per_s']:.2f}"),
        (f"MB/s of a load against {PGBENCH}", f"{ratios[PGBENCH]['bytes_per_s']:.2f}"),
        *(
            (f"rows/s of a load against {name}", f"{ratio['rows_per_s']:.1f}")
            for name, ratio in ratios.items()
            if name.startswith("psycopg")
        ),
    ]


def _size_ratios(sizes: Sequence[Found]) -> list[Line]:
    small, large = sizes[0], sizes[-1]
    ratio = large["process_bytes"] / small["process_bytes"]
    of = f"{_millions(large['rows'])} against {_millions(small['rows'])}"
    lines: list[Line] = [(f"memory of a worker, {of}", f"{ratio:.2f}")]
    if len(sizes) > 2:  # the smallest is mostly start
        middle = sizes[1]
        of = f"{_millions(large['rows'])} against {_millions(middle['rows'])}"
        ratio = (large["wall_s"] / large["rows"]) / (middle["wall_s"] / middle["rows"])
        lines.append((f"time a row, {of}", f"{ratio:.2f}"))
    return lines


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
    return table(("what", "value"), [(name, str(value)) for name, value in lines])


def _whole(whole: Found) -> list[str]:
    parts = [
        "## Whole runs",
        f"{US}: normal-ops, 2024-01-01 to 2024-03-31, multiplier {whole['multiplier']:g}, without "
        f"quick checks. {PEER}: TPC-H at scale factor {whole['scale']:g}. Both: zstd Parquet of "
        "level 1, runs in turn; medians. The floor writes the frames of polargen's run, made "
        "beforehand, by pyarrow or Polars; the last column does so by polargen's encoder.",
    ]
    for workers in (2, 1):
        title = f"### {_workers(workers).capitalize()}"
        parts += [title, _makers(whole[f"workers_{workers}"], _WHOLE)]
    return parts


def _text(text: Found) -> list[str]:
    parts = ["## Text", "Plain, two workers."]
    for name, title in _FORMATS.items():
        made = text[name]
        size = f"Multiplier {made['multiplier']:g}, scale factor {made['scale']:g}."
        parts += [f"### {title}", size, _makers(made, _WHOLE)]
    return parts


def _codecs(codecs: Found) -> list[str]:
    lines = []
    for name, made in codecs.items():
        rows_per_s, bytes_per_cell = (
            {codec: figures[key]["median"] for codec, figures in made.items()}
            for key in ("rows_per_s", "bytes_per_cell")
        )
        default = next(iter(made))
        for codec in made:
            lines.append(
                (
                    name,
                    codec,
                    f"{rows_per_s[codec] / rows_per_s[default]:.2f}",
                    f"{bytes_per_cell[codec] / bytes_per_cell[default]:.2f}",
                    f"{rows_per_s[codec] / 1e6:.2f}",
                    f"{bytes_per_cell[codec]:.2f}",
                )
            )
    head = ("format", "codec", "speed", "size", "million rows/s", "bytes a cell")
    return [
        "## Compression",
        "Each codec with its default level, two workers; speed and size against the default "
        "codec, the first of each format.",
        table(head, lines),
    ]


def _makers(compared: Found, keys: Iterable[tuple[str, str, float, int]]) -> str:
    """Return a line a figure, a column a maker, and the ratios to each of the others."""
    makers = [name for name in compared if name not in ("ratios", "multiplier", "scale")]
    others = makers[1:]
    lines = []
    for key, title, divisor, digits in keys:
        shown = [
            spread(compared[name][key], digits, divisor) if compared[name][key]["most"] else ""
            for name in makers
        ]
        ratios = [compared["ratios"][name].get(key) for name in others]
        lines.append((title, *shown, *("" if one is None else spread(one, 2) for one in ratios)))
    return table(("", *makers, *(f"{US} / {name}" for name in others)), lines)


def _load(load: Found) -> list[str]:
    size, settings = load["size"], ", ".join(f"{k} = {v}" for k, v in load["settings"].items())
    made = load["runs"]
    lines = [
        (title, *(_of(runs, key, digits, divisor) for runs in made.values()))
        for key, title, divisor, digits in _LOAD
    ]
    aside = load["unlogged"]
    unlogged = [
        (title, *(_of(runs, key, digits, divisor) for runs in aside.values()))
        for key, title, divisor, digits in _LOAD
    ]
    stages = load["stages"]
    names = dict.fromkeys(stage for found in stages.values() for stage in found)
    staged = [(name, *(_of(found, name, 2, 1.0) for found in stages.values())) for name in names]
    return [
        "## Database loads",
        f"PostgreSQL {load['version']}, a fresh cluster; its defaults but {settings}. {US}: "
        f"multiplier {load['multiplier']:g}, {size['rows']:,.0f} rows, {size['cells']:,.0f} cells, "
        f"{size['bytes'] / _MB:,.0f} MB with indexes, {load['workers']} workers, bigint keys, all "
        "constraints, the whole command with its quick checks. The floor: the same rows as ready "
        f"binary files by {load['workers']} psql, then the same statements. psycopg: the rows of "
        "the default quarter, as Python objects, into the finished tables.",
        table(("", *made), lines),
        "Unlogged tables:",
        table(("", *aside), unlogged),
        "Where the time goes, s of wall time; of polargen in runs of their own:",
        table(("stage", *stages), staged),
    ]


def _of(runs: Found, key: str, digits: int, divisor: float) -> str:
    return spread(runs[key], digits, divisor) if key in runs else ""


def _sizes(runs: Sequence[Found]) -> list[str]:
    lines = [
        (
            f"{run['rows']:,.0f}",
            f"{run['wall_s']:.1f}",
            f"{1e9 * run['wall_s'] / run['rows']:.0f}",
            f"{1e9 * run['cpu_s'] / run['rows']:.0f}",
            f"{run['process_bytes'] / _MB:.0f}",
            f"{run['tree_bytes'] / _MB:.0f}",
        )
        for run in runs
    ]
    head = ("rows", "s", "ns a row", "CPU ns a row", "largest worker, MB", "all processes, MB")
    return ["## Time and memory by size", "Parquet, two workers.", table(head, lines)]


def _small(small: Found) -> list[str]:
    lines = [
        (f"{name}, {title}", spread(small[f"{key}_{clock}_s"], 2))
        for key, name in (
            ("quarter", f"default quarter, {small['quarter_rows']:,} rows, checks on"),
            ("help", "`polargen --help`"),
        )
        for clock, title in (("wall", "wall time, s"), ("cpu", "CPU time, s"))
    ]
    return ["## Small runs", table(("whole process", "median (least to most)"), lines)]


def _parts(parts: Found) -> list[str]:
    generators = [
        (name, f"{cost['units']:,}", str(cost["blocks"]), spread(cost["ns"], 1))
        for name, cost in parts["generators"].items()
    ]
    steps = [(name, spread(cost["ns"], 1)) for name, cost in parts["steps"].items()]
    return [
        "## Generators",
        "In one process, its own rows only; of masters and visits there are few blocks.",
        table(("generator", "rows", "blocks", "ns a row"), generators),
        "## Steps between generators and sinks",
        "ns a cell of a block of orders; the first: ns a row. The digests are part of every "
        f"run, the quick checks are not part of the whole runs above. The plan took "
        f"{parts['plan_s']:.2f} s.",
        table(("step", "ns"), steps),
        "## Sinks",
        "ns a cell, from ready Arrow tables to closed files on disk, one process. CSV and NDJSON "
        f"plain, in steps of {parts['batch_size']:,} rows, the default.",
        _sinks(parts["sinks"]),
    ]


def _sinks(sinks: Found) -> str:
    formats = list(sinks)
    tables = [*next(iter(sinks.values()))]
    lines = [
        (name, *(f"{sinks[form][name]['ns']['median']:.1f}" for form in formats)) for name in tables
    ]
    return table(("table", *formats), lines)


def _rows(rows: Found) -> list[str]:
    lines = [
        (
            name,
            f"{made['columns']:.0f}",
            spread(made["rows_per_s"], 0),
            spread(made["cells_per_s"], 0),
        )
        for name, made in rows["makers"].items()
    ]
    return ["## One orders row", table(("maker", "cells a row", "rows/s", "cells/s"), lines)]


_SECTIONS: Mapping[str, Callable[[Any], list[str]]] = {
    "whole": _whole,
    "text": _text,
    "codecs": _codecs,
    "load": _load,
    "sizes": _sizes,
    "small": _small,
    "parts": _parts,
    "rows": _rows,
}


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _millions(rows: float) -> str:
    return f"{rows / 1e6:.1f} million rows"
