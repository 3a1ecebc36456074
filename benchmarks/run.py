"""`make bench`: measure polargen's parts, whole runs and peers, and write the results."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import peers
from polargen.errors import ConfigError, PolargenError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PARTS = {
    "whole": "whole runs to Parquet",
    "text": "whole runs to CSV and NDJSON",
    "codecs": "compression",
    "sizes": "time and memory by size",
    "load": "database loads",
    "small": "small commands",
    "parts": "generators, steps and sinks",
    "rows": "orders rows of Faker and Mimesis",
}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        rows: of a whole run to Parquet; of one to CSV half of them, of one to NDJSON or with
            another codec an eighth.
        runs: of each command.
        sizes: rows of the runs that show how time and memory grow; 0 stands for ``rows``.
        blocks: of each kind, for the parts.
        peer_rows: that Faker and Mimesis make.
        load_rows: of a database load.
    """

    rows: int
    runs: int
    sizes: tuple[int, ...]
    blocks: int
    peer_rows: int
    load_rows: int


EFFORTS = {
    "quick": Effort(4_000_000, 1, (1_000_000, 0), blocks=3, peer_rows=10_000, load_rows=500_000),
    "bench": Effort(40_000_000, 3, (5_000_000, 0), blocks=8, peer_rows=30_000, load_rows=5_000_000),
    "full": Effort(
        40_000_000,
        5,
        (1_000_000, 10_000_000, 100_000_000, 300_000_000),
        blocks=8,
        peer_rows=30_000,
        load_rows=5_000_000,
    ),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Measure polargen and its peers; write Markdown and JSON.",
    )
    parser.add_argument(
        "--effort",
        choices=list(EFFORTS),
        default="bench",
        help="quick: shows that all works, too short for ratios; full: under an hour "
        "[default: %(default)s]",
    )
    parser.add_argument("--rows", type=_count, metavar="N", help="of a whole run")
    parser.add_argument("--load-rows", type=_count, metavar="N", help="of a database load")
    parser.add_argument("--runs", type=_count, metavar="N", help="of each command")
    parser.add_argument(
        "--only",
        choices=list(PARTS),
        action="append",
        help="measure this part alone; may be repeated [default: all]",
    )
    parser.add_argument(
        "--readme", action="store_true", help="write the ratios into README.md as well"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        metavar="DIR",
        help="of the results [default: %(default)s]",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where runs write; must exist; is left as it was [default: a temporary folder]",
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    try:
        value = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, must be 1 or more")
    return value


def effort_of(options: argparse.Namespace) -> Effort:
    """Return what the command line asks for."""
    base = EFFORTS[options.effort]
    return replace(
        base,
        rows=options.rows or base.rows,
        runs=options.runs or base.runs,
        load_rows=options.load_rows or base.load_rows,
    )


def measure_all(effort: Effort, parts: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measure parts in turn; whole runs first, while the machine is as it was found."""
    from benchmarks import engine, load, machine, rows, whole

    def sizes() -> list[dict[str, Any]]:
        return whole.measure_sizes([size or effort.rows for size in effort.sizes], folder, say)

    measures: dict[str, Callable[[], Any]] = {
        "whole": lambda: whole.measure_whole(effort.rows, effort.runs, folder, say),
        "text": lambda: whole.measure_text(effort.rows, effort.runs, folder, say),
        "codecs": lambda: whole.measure_codecs(effort.rows // 8, effort.runs, folder, say),
        "sizes": sizes,
        "load": lambda: load.measure_load(effort.load_rows, effort.runs, folder, say),
        "small": lambda: whole.measure_small(effort.runs, folder),
        "parts": lambda: engine.measure_parts(effort.rows, effort.blocks, folder),
        "rows": lambda: rows.measure_rows(effort.peer_rows, effort.runs),
    }
    found: dict[str, Any] = {
        "effort": asdict(effort),
        "machine": machine.describe(folder),
        "versions": peers.versions(),
    }
    for name in parts:
        say(PARTS[name])
        found[name] = measures[name]()
    return found


def say(text: str) -> None:
    """Show what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(options: argparse.Namespace) -> None:
    """Measure, write the results and show the summary.

    Raises:
        ConfigError: a peer or a folder is missing.
        RunError: a command failed.
    """
    peers.require()
    from benchmarks import report

    if options.work_dir is not None and not options.work_dir.is_dir():
        raise ConfigError(f"--work-dir: {options.work_dir} is no folder, make it first")
    effort = effort_of(options)
    with tempfile.TemporaryDirectory(prefix="polargen-bench-", dir=options.work_dir) as name:
        found = measure_all(effort, options.only or list(PARTS), Path(name).resolve())
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / options.effort
    target.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(report.markdown(found), encoding="utf-8")
    if options.readme:
        report.write_readme(ROOT / "README.md", found)
    print(report.summary(found))
    say(f"written: {target}.md, {target}.json")


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    options = parse(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each process would compile polargen anew
    try:
        run(options)
    except PolargenError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("benchmarks: stopped; what the runs wrote is removed", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
