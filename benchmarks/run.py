"""`make bench`: measure polargen's parts, whole runs and peers, and write the results."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peers
from polargen.errors import ConfigError, PolargenError

FULL_ROWS, QUICK_ROWS = 40_000_000, 4_000_000
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        rows: of a whole run.
        runs: of each command.
        blocks: of each kind, for the parts.
        peer_rows: that Faker and Mimesis make.
    """

    rows: int
    runs: int
    blocks: int
    peer_rows: int


FULL = Effort(FULL_ROWS, runs=5, blocks=8, peer_rows=30_000)
QUICK = Effort(QUICK_ROWS, runs=3, blocks=3, peer_rows=10_000)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Measure polargen and its peers; write Markdown and JSON.",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, fewer runs; noisy"
    )
    parser.add_argument(
        "--rows", type=_count, metavar="N", help=f"of a whole run [default: {FULL_ROWS:,}]"
    )
    parser.add_argument(
        "--runs", type=_count, metavar="N", help=f"of each command [default: {FULL.runs}]"
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
    base = QUICK if options.quick else FULL
    return Effort(options.rows or base.rows, options.runs or base.runs, base.blocks, base.peer_rows)


def measure_all(effort: Effort, folder: Path) -> dict[str, Any]:
    """Measure everything in turn; whole runs first, while the machine is as it was found."""
    from benchmarks import engine, machine, rows, whole

    found: dict[str, Any] = {
        "effort": vars(effort),
        "machine": machine.describe(folder),
        "versions": peers.versions(),
    }
    say("whole runs")
    found["whole"] = whole.measure_whole(effort.rows, effort.runs, folder, say)
    say("memory")
    sizes = (max(1, effort.rows // 4), effort.rows)
    found["memory"] = whole.measure_memory(sizes, folder, say)
    say("small commands")
    found["small"] = whole.measure_small(effort.runs, folder)
    say("generators, steps and sinks")
    found["parts"] = engine.measure_parts(effort.rows, effort.blocks, folder)
    say("orders rows of Faker and Mimesis")
    found["rows"] = rows.measure_rows(effort.peer_rows, effort.runs)
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
        found = measure_all(effort, Path(name).resolve())
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / ("quick" if options.quick else "full")
    target.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(report.markdown(found), encoding="utf-8")
    print(report.summary(found))
    say(f"written: {target}.md, {target}.json")


def main(arguments: Sequence[str]) -> int:
    """Run and return the exit code."""
    options = parse(arguments)
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
