"""A plug-in, installed as anyone would, is in every command, file and check."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from polargen.manifest import Manifest

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "loyalty"
MONTH = ("--from", "2024-01-01", "--to", "2024-01-31", "--seed", "7")
Run = Callable[..., str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, folder / "source")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--target", str(folder / "site"), str(source)],
        check=True,
    )  # fmt: skip
    return folder / "site"


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Run:
    """Run Python or the command beside the plug-in; return stdout."""
    before = os.environ.get("PYTHONPATH")
    paths = [str(site), *([before] if before else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def command(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, *args],
            capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return command


def test_plugin__is_planned_and_described(run: Run) -> None:
    planned = json.loads(run("-m", "polargen", "plan", *MONTH, "--json"))["tables"]
    made = json.loads(run("-m", "polargen", "generate", *MONTH, "--json"))["recordCounts"]
    assert made["loyaltyPoints"] == pytest.approx(planned["loyalty_points"]["rows"], rel=0.2)
    assert "Points that companies earned" in run(
        "-m", "polargen", "describe", "--table", "loyalty_points"
    )


def test_plugin__is_written_verified_and_exported(run: Run, tmp_path: Path) -> None:
    run("-m", "polargen", "generate", *MONTH, "-o", "out", "--workers", "2", "--verify")
    report = json.loads(run("-m", "polargen", "verify", "out", "--json"))
    assert report["ok"] is True
    run("-m", "polargen", "export", "--from", "out", "--format", "csv", "-o", "csv",
        "--tables", "loyalty_points")  # fmt: skip
    assert Manifest.read(tmp_path / "csv").tables.keys() == {"loyalty_points"}

    points = pl.read_parquet(tmp_path / "out/loyalty_points")
    paid = pl.read_parquet(tmp_path / "out/orders").filter(pl.col("payment_status") == "Paid")
    assert 0 < points.height == paid.height
    joined = points.join(
        paid.select("order_id", "company_id", "paid_at", "grand_total"), on="order_id"
    )
    assert joined.height == points.height
    assert (joined["company_id"] == joined["company_id_right"]).all()
    assert (joined["earned_at"] == joined["paid_at"]).all()
    base = joined["grand_total"].cast(pl.Int64) // 10
    assert ((joined["points"] >= base) & (joined["points"] <= 9 * base)).all()


def test_plugin__changes_no_other_table(run: Run, tmp_path: Path) -> None:
    run("-m", "polargen", "generate", *MONTH, "-o", "with", "--workers", "2")
    run("-m", "polargen", "generate", *MONTH, "-o", "again", "--format", "json")
    subprocess.run(
        [sys.executable, "-m", "polargen", "generate", *MONTH, "--quiet", "-o", "without"],
        capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    digests = {
        name: {
            table: entry.digest for table, entry in Manifest.read(tmp_path / name).tables.items()
        }
        for name in ("with", "again", "without")
    }
    assert digests["again"] == digests["with"]
    del digests["with"]["loyalty_points"]
    assert digests["without"] == digests["with"]


def test_plugin__is_in_the_python_api(run: Run) -> None:
    code = (
        "import polargen; f = polargen.generate(start='2024-01-01', end='2024-01-31', seed=7, "
        "tables=['loyalty_points']); print(f['loyalty_points'].height)"
    )
    assert int(run("-c", code)) > 0


def test_registered_class__is_a_generator_of_this_process(site: Path, run: Run) -> None:
    module = (site / "polargen_loyalty.py").read_text(encoding="utf-8")
    renamed = module.replace('"loyalty"', '"stars"').replace("loyalty_point", "star")
    code = renamed + (
        "\nfrom polargen import generate, register_generator\n"
        "register_generator(LoyaltyGenerator)\n"
        "frames = generate(start='2024-01-01', end='2024-01-31', seed=7, tables=['stars'])\n"
        "print(frames['stars'].height)\n"
    )
    assert int(run("-c", code.replace('"loyaltyPoints"', '"stars"'))) > 0
