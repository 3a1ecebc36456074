"""The documents are true: their commands print what they show, what they name is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from polargen import errors, guard
from polargen.cli.app import COMMANDS, app
from polargen.errors import PolargenError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
LOYALTY = ROOT / "docs" / "examples" / "loyalty"


def _script() -> ModuleType:
    spec = spec_from_file_location("update_docs", ROOT / "scripts" / "update_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["update_docs"] = module
    spec.loader.exec_module(module)
    return module


docs = _script()
DOCUMENTS: tuple[str, ...] = docs.DOCUMENTS
NEED_A_RUN = ("cancel", "serve")  # tests/test_jobs.py cancels one, tests/test_api_docs.py serves


@pytest.fixture(autouse=True)
def outside_production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in guard.ENVIRONMENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands__print_what_is_shown(document: str, tmp_path: Path) -> None:
    found = [one for _, results in docs.run(document, tmp_path) for one in results]
    wrong = [docs.differences(one) for one in found if not one.is_true]
    assert not wrong, "\n\n".join([*wrong, "To rewrite the documents: make docs"])


def test_commands__are_found_in_the_documents_that_have_some() -> None:
    shown = {name: docs.blocks((ROOT / name).read_text("utf-8"), "console") for name in DOCUMENTS}
    for name in ("README.md", "docs/scenarios.md", "docs/troubleshooting.md"):
        assert shown[name], name


def test_help__examples_run(tmp_path: Path) -> None:
    scenarios = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    (wholesale,) = docs.blocks(scenarios, "yaml")
    (tmp_path / "wholesale.yaml").write_text(wholesale)
    for command in (app, *COMMANDS):
        _, found, example = (command.help or "").partition("Example:\n")
        assert found, command.name
        for line in example.replace("\\\n", "").strip().splitlines():
            assert line.strip().startswith("polargen "), line
            if command.name in NEED_A_RUN:
                continue
            done = docs._run(docs.Shown(line.strip(), []), tmp_path)
            assert done.code == 0, [line, *done.printed]


def test_python__of_the_readme_runs(tmp_path: Path) -> None:
    call, fixture, orchestrator = docs.blocks(README, "python")
    for code, shown in ((call, "grand_total"), (orchestrator, "4550 ")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert shown in done.stdout
    (tmp_path / "test_revenue.py").write_text(fixture)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], capture_output=True, text=True, cwd=tmp_path,
        check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout


def test_readme__begins_with_what_how_and_real_output() -> None:
    lines = README.splitlines()
    assert lines[0].startswith("polargen makes ")
    assert any(line.startswith("$ polargen generate") for line in lines[:10])
    assert "orders                4,550" in "\n".join(lines[:20])
    assert any(line.startswith("$ polargen verify") for line in lines[:40])


def test_readme__names_every_command_and_no_other() -> None:
    named = set(re.findall(r"^\| `polargen (\w+)", README, re.MULTILINE))
    assert named == {command.name for command in COMMANDS}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths__that_are_named_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|docs|polargen|scenarios|scripts|benchmarks)/[\w./-]*)`", text)
    for path in named:
        assert (ROOT / path).exists(), path
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        if target and "://" not in target:
            assert (ROOT / document).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets__that_are_named_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    listed = subprocess.run(["make"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    targets = set(re.findall(r"^  make (\w+)", listed, re.MULTILINE))
    assert {"demo", "test", "lint", "bench", "golden", "build"} <= targets
    assert set(re.findall(r"`make (\w+)`", text)) <= targets


def test_configuration__has_every_option_of_generate() -> None:
    (command,) = (one for one in COMMANDS if one.name == "generate")
    taken = {
        option
        for param in command.params
        if isinstance(param, click.Option)
        for option in (*param.opts, *param.secondary_opts)
    }
    tables = "\n".join(line for line in CONFIGURATION.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(-{1,2}[a-z][a-z-]*)[ `]", tables)) == taken


def test_configuration__has_every_exit_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", CONFIGURATION, re.MULTILINE)}
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    assert listed == {0} | {one.exit_code for one in kinds if issubclass(one, PolargenError)}


def test_configuration__has_every_variable_of_the_guard() -> None:
    for name in guard.ENVIRONMENT_VARIABLES:
        assert f"`{name}`" in CONFIGURATION


def test_extending__shows_the_module_and_the_entry_point_as_they_are() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    module, _ = docs.blocks(text, "python")
    assert module == (LOYALTY / "polargen_loyalty.py").read_text(encoding="utf-8")
    (entry_point,) = docs.blocks(text, "toml")
    assert entry_point in (LOYALTY / "pyproject.toml").read_text(encoding="utf-8")


def test_changelog__has_the_version_that_is_built() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    assert re.match(r"# Changelog\n", text)
    assert re.search(rf"^## \[{re.escape(found[1])}\] - ", text, re.MULTILINE)
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_help__shows_speed_and_size_of_codecs_as_measured() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "bench.json").read_text())
    lines = CliRunner().invoke(app, ["generate", "--help"]).output.splitlines()
    start = next(n for n, line in enumerate(lines) if line.split()[:1] == ["codec"])
    formats = lines[start].split()[1:]
    shown: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in formats}
    for line in lines[start + 2 : start + 7]:
        codec, *figures = line.split()
        for name, speed, size in zip(formats, figures[::2], figures[1::2], strict=False):
            shown[name][codec] = (float(speed), float(size))
    for name, codecs in measured["codecs"].items():
        assert set(shown[name]) == set(codecs)
        default = codecs[next(iter(codecs))]
        for codec, found in codecs.items():
            speed, size = (
                found[key]["median"] / default[key]["median"]
                for key in ("rows_per_s", "bytes_per_cell")
            )
            assert shown[name][codec][0] == pytest.approx(speed, abs=0.25), (name, codec)
            assert shown[name][codec][1] == pytest.approx(size, abs=0.02), (name, codec)
