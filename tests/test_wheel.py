"""The wheel works alone: built, installed into an environment without the sources, run anywhere."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from polargen import state

ROOT = Path(__file__).parent.parent
Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `make build` does but with the tools that are here."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the installed command in an empty folder; return stdout."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", str(wheel)],
        check=True,
    )  # fmt: skip
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # The dependencies are those of this environment; its .pth files (an editable polargen) are
    # not followed, and the installed polargen comes first.
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site, "dependencies.pth").write_text("\n".join(sorted(here)) + "\n")
    empty = folder / "empty"
    empty.mkdir()
    environment = {"PATH": "/usr/bin:/bin", state.HOME_VARIABLE: str(folder / "state")}

    def command(*args: str) -> str:
        done = subprocess.run(
            [str(folder / "venv/bin" / args[0]), *args[1:]],
            capture_output=True, text=True, cwd=empty, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return command


def test_wheel__holds_scenarios_data_types_and_license(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"polargen/scenarios/{path.name}" for path in (ROOT / "scenarios").glob("*.yaml")}
    wanted |= {f"polargen/data/{path.name}" for path in (ROOT / "polargen/data").iterdir()}
    wanted |= {"polargen/py.typed"}
    assert wanted <= names
    assert len([name for name in names if name.startswith("polargen/scenarios/")]) == 6
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "benchmarks", "scripts")) for name in names)


def test_wheel__is_what_runs(run: Run) -> None:
    where = run("python", "-c", "import polargen; print(polargen.__file__)").strip()
    assert "/installed" in where
    assert str(ROOT) not in where


def test_wheel__makes_and_proves_a_week_in_an_empty_folder(run: Run) -> None:
    listed = run("polargen", "scenarios")
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert f"{path.stem} " in listed
    run("polargen", "generate", "--scenario", "peak-season", "--from", "2024-01-01",
        "--to", "2024-01-07", "--seed", "1", "--workers", "2", "-o", "out")  # fmt: skip
    assert run("polargen", "verify", "out").endswith("out keeps every rule\n")
