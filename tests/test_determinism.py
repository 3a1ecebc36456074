"""Same seed, same bytes: whatever the workers, formats, order, machine, zone, locale, hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import golden
import numpy as np
import pytest
from numpy._core import _multiarray_umath as umath
from runs import SCENARIOS, run

from polargen.blocks import blocks_of
from polargen.dataset import Dataset
from polargen.digest import combine, digest
from polargen.executors.work import make_block
from polargen.generators.market import _MARKETS
from polargen.generators.totals import Totals
from polargen.generators.world import _WORLDS

HERE = Path(__file__).parent
PROCESSOR = {
    # NumPy's, Arrow's and the C library's plain loops, as on a processor of 2009
    "NPY_DISABLE_CPU_FEATURES": " ".join(
        name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]
    ),
    "ARROW_USER_SIMD_LEVEL": "NONE",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable,-FMA4_Usable",
}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "elsewhere": {"TZ": "Pacific/Auckland", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "random"},
    "plain": {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "0"},
    "one thread": {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
    "old processor": PROCESSOR,
    "optimized": {"PYTHONOPTIMIZE": "1"},
}
SMALL = "anomaly-heavy"
# name -> (run, how it is made)
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "as usual": (golden.LARGE, {}),
    "again": (golden.LARGE, {}),
    "1 worker": (golden.LARGE, {"options": {"workers": 1, "format": "none"}}),
    "2 workers": (golden.LARGE, {"options": {"workers": 2, "format": "none"}}),
    "4 workers": (golden.LARGE, {"options": {"workers": 4, "format": "none"}}),
    "parquet, few large files": (
        golden.LARGE,
        {
            "options": {"workers": 2, "format": "parquet", "target_file_size_bytes": 10**9},
            "out": "joined",
        },
    ),
    "parquet, many small files": (
        golden.LARGE,
        {
            "options": {"workers": 2, "format": "parquet", "target_file_size_bytes": 10**6},
            "out": "split",
        },
    ),
    "orders alone": (
        golden.LARGE,
        {"options": {"format": "parquet", "tables": ["orders"]}, "out": "orders"},
    ),
    "small, as usual": (SMALL, {}),
    "small, csv in batches of 100": (
        SMALL,
        {"options": {"workers": 2, "format": "csv"}, "out": "csv", "batch_size": 100},
    ),
    "small, json in batches of a million": (
        SMALL,
        {"options": {"workers": 2, "format": "json"}, "out": "json", "batch_size": 1_000_000},
    ),
    "small, without checks": (SMALL, {"options": {"check": False, "format": "none"}}),
}


def started(how: dict[str, Any], environment: dict[str, str], name: str = golden.LARGE) -> Any:
    """Run in a process of its own and return what it prints."""
    plain = {k: v for k, v in os.environ.items() if k not in ("TZ", "PYTHONHASHSEED", "LC_ALL")}
    done = subprocess.run(
        [sys.executable, str(HERE / "digests.py"), json.dumps({"name": name, "how": how})],
        env={**plain, "PYTHONPATH": str(HERE.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return what a run in another process printed; all are started at once, two at a time."""
    out = tmp_path_factory.mktemp("runs")
    pool = ThreadPoolExecutor(2)
    futures = {}
    for name, (run_name, how) in ASKED.items():
        asked = {**how, "out": str(out / how["out"])} if "out" in how else how
        futures[name] = pool.submit(started, asked, {}, run_name)
    none = {"options": {"workers": 1, "format": "none"}}
    for name, environment in ENVIRONMENTS.items():
        futures[name] = pool.submit(started, none, environment)

    def result(name: str) -> Any:
        return futures[name].result()

    result.out = out  # type: ignore[attr-defined]
    return result


def test_run__is_large_enough_to_tell() -> None:
    plan = golden.make(golden.LARGE, options={"format": "none"}).plan
    orders = [block for block in blocks_of(plan) if block.kind == "orders"]
    assert len(orders) >= 3
    assert len(plan.segments) == 3
    assert plan.warehouses > 1
    assert np.unique([block.first_warehouse for block in orders]).size > 1


@pytest.mark.parametrize("name", [name for name in ASKED if name != "orders alone"])
def test_digests__do_not_depend_on_how_it_is_made(runs: Callable[[str], Any], name: str) -> None:
    usual = runs("small, as usual" if ASKED[name][0] == SMALL else "as usual")
    assert runs(name)["tables"] == usual["tables"]
    assert len(runs(name)["tables"]) == 14


def test_digests__of_a_table_do_not_depend_on_which_are_written(runs: Callable[[str], Any]) -> None:
    alone = runs("orders alone")["tables"]
    assert list(alone) == ["orders"]
    assert alone["orders"] == runs("as usual")["tables"]["orders"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_digests__do_not_depend_on_the_environment(runs: Callable[[str], Any], name: str) -> None:
    assert runs(name)["tables"] == runs("as usual")["tables"]
    assert runs(name)["planHash"] == runs("as usual")["planHash"]


def test_environments__were_in_effect(runs: Callable[[str], Any]) -> None:
    assert runs("plain")["hash"] != runs("one thread")["hash"]
    program = (
        "from numpy._core import _multiarray_umath as u;"
        "print([n for n in u.__cpu_dispatch__ if u.__cpu_features__[n]])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **PROCESSOR},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize("name", [name for name, (_, how) in ASKED.items() if "out" in how])
def test_files__hold_what_the_digests_say(runs: Callable[[str], Any], name: str) -> None:
    """Read back and digested anew, in every format, the content is what was generated."""
    runs(name)
    folder = runs.out / ASKED[name][1]["out"]  # type: ignore[attr-defined]
    assert Dataset.open(folder).check_content() == []


def test_blocks__can_be_made_in_any_order_and_twice() -> None:
    """Every block of facts in reverse, each after forgetting what the process knew."""
    made = golden.make(golden.LARGE, options={"format": "none"})
    plan = made.plan
    found: dict[str, dict[int, str]] = {name: {} for name in made.digests}
    facts = [block for block in blocks_of(plan) if block.kind != "masters"]
    for block in [*reversed(facts), facts[-1]]:
        _WORLDS.clear()
        _MARKETS.clear()
        totals = Totals.zero(plan.companies, plan.products)
        frames, _ = make_block(plan, block, totals, {})
        for name, frame in frames.items():
            if len(frame):
                found[name][block.number] = digest(frame.table, frame.to_arrow())
    masters = {block.number for block in blocks_of(plan) if block.kind == "masters"}
    for name, entry in made.result.manifest.tables.items():
        wanted = {b.block: b.digest for b in entry.blocks if b.block not in masters}
        assert found[name] == wanted


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_memory__has_the_digests_of_a_dry_run(scenario: str) -> None:
    in_memory = golden.make(scenario)
    dry = golden.make(scenario, options={"format": "none"})
    assert golden.digests(in_memory) == golden.digests(dry)
    for name, entry in in_memory.result.manifest.tables.items():
        assert in_memory[name].height == entry.rows
        assert combine(block.digest for block in entry.blocks) == entry.digest


def test_digests__differ_with_the_seed_the_dates_the_multiplier_and_the_scenario() -> None:
    asked: list[dict[str, Any]] = [
        {},
        {"seed": 2},
        {"start": "2024-01-02"},
        {"multiplier": 0.31},
        {"changes": {"anomalyRate": 0.06}},
    ]
    made = [run(**{**golden.MONTH, **how})["orders"] for how in asked]
    for number, orders in enumerate(made):
        assert not any(orders.equals(other) for other in made[:number])
