"""The command line: what it prints and returns, for good input, bad input and bad luck."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from polargen import guard
from polargen.cli import main, options, watch
from polargen.cli.app import COMMANDS, app
from polargen.cli.export import FORMATS as EXPORT_FORMATS
from polargen.export import FORMATS
from polargen.manifest import Manifest
from polargen.schema import TABLES
from polargen.sinks import SINKS
from polargen.sinks.files import file_digest

TROUBLES = Path(__file__).parent.parent / "docs" / "troubleshooting.md"
JANUARY = ("--from", "2024-01-01", "--to", "2024-01-31", "--seed", "7")
LONG = (*JANUARY, "--multiplier", "100", "--workers", "2")
JOB_LINE = re.compile(r"job-[0-9a-f]{8}, see polargen status")
NOT_FOR_FILES = {
    "polars", "faker", "rich", "fastapi", "adbc_driver_postgresql", "polargen.checks",
    "polargen.database_set", "polargen.guard_database", "polargen.sinks.postgres",
}  # fmt: skip
SCENARIOS = "normal-ops, anomaly-heavy, growth-phase, payment-crisis, peak-season, warehouse-outage"


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run commands in this process, in an empty folder, outside production."""
    monkeypatch.chdir(tmp_path)
    for name in guard.ENVIRONMENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def command(*args: str) -> Done:
        capsys.readouterr()
        code = main(args)
        return Done(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished data set, made by the command."""
    out = tmp_path_factory.mktemp("january") / "data"
    assert main(["generate", *JANUARY, "--quiet", "-o", str(out)]) == 0
    return out


def command(*args: str, **how: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in guard.ENVIRONMENT_VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-m", "polargen", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **how,
    )


def finish(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def documented(begin: str) -> str:
    """Return the sentence of docs/troubleshooting.md that has these words."""
    blocks = re.findall(r"```text\n(.*?)```", TROUBLES.read_text(encoding="utf-8"), re.DOTALL)
    (line,) = (line for block in blocks for line in block.splitlines() if begin in line)
    return line


# --- help ---------------------------------------------------------------------------------


def test_help__costs_nothing() -> None:
    code = (
        "import sys; from polargen.cli import main; main(sys.argv[1:]);"
        "heavy = {'polars', 'numpy', 'pyarrow', 'faker', 'pydantic', 'yaml', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    for args in (["--help"], *([one.name or "", "--help"] for one in COMMANDS)):
        found = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
        )
        assert found.stdout.splitlines()[-1] == "[]", args
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "polargen", "--help"], capture_output=True, check=True
        )
        after = os.times()
        seconds.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    assert min(seconds) < 0.25


@pytest.mark.parametrize("workers", ["1", "2"])
def test_generate__without_checks_takes_no_polars(tmp_path: Path, workers: str) -> None:
    (tmp_path / "polars.py").write_text("raise ImportError('polars is asked for')")
    asked = ("generate", *JANUARY, "--workers", workers, "--quiet", "--debug")
    done = finish(command(*asked, "--no-check", "-o", "out", cwd=tmp_path))
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "out" / "orders").is_dir()
    checked = finish(command(*asked, "-o", "checked", cwd=tmp_path))
    assert checked.code != 0
    assert "polars is asked for" in checked.err  # so the one in the folder is what is found


def test_generate__loads_what_a_run_of_files_uses(tmp_path: Path) -> None:
    asked = ["generate", *JANUARY, "--no-check", "--workers", "1", "-o", str(tmp_path / "out")]
    starts = {
        f"from polargen.cli import main; main({asked!r})": NOT_FOR_FILES,
        "from polargen.executors.local import serve": {*NOT_FOR_FILES, "yaml", "click", "sqlite3"},
    }
    for start, unused in starts.items():
        code = f"import sys; {start}; print(sorted({unused!r} & set(sys.modules)))"
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert found.stdout.splitlines()[-1] == "[]", start


def test_help__has_an_example_of_every_command(run: Run) -> None:
    assert run().out == run("--help").out
    for one in (app, *COMMANDS):
        name = [] if one is app else [str(one.name)]
        shown = run(*name, "--help")
        assert shown.code == 0
        assert f"Example:\n    polargen {' '.join(name)}" in shown.out


def test_version__is_that_of_the_package(run: Run) -> None:
    from importlib.metadata import version

    assert run("--version").out == f"polargen {version('polargen')}\n"


def test_formats__are_those_of_sinks_and_exports() -> None:
    assert list(options.FORMATS) == [name for name, sink in SINKS.items() if sink.resumable]
    assert EXPORT_FORMATS == FORMATS


def test_completion__knows_commands_scenarios_and_tables() -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        found = subprocess.run(
            [sys.executable, "-m", "polargen"],
            env={
                **os.environ,
                "_POLARGEN_COMPLETE": "bash_complete",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return [text.partition(",")[2] for text in found.stdout.split()]

    assert complete("polargen ver") == ["verify"]
    assert "peak-season" in complete("polargen generate --scenario pea")
    assert complete("polargen export --tables orders,pay") == ["orders,payments"]


# --- bad input ------------------------------------------------------------------------------

WRONG: tuple[tuple[str, int, str], ...] = (
    ("generat", 2, "no such command 'generat', did you mean 'generate'? (see polargen --help)"),
    (
        "verify --sead",
        2,
        "no such option '--sead', did you mean '--schema'? (see polargen verify --help)",
    ),
    ("verify", 2, "verify: name a folder, or a database with --database"),
    (
        "generate --seed",
        2,
        "option '--seed' requires an argument (see polargen generate --help)",
    ),
    (
        "generate -o out --format xlsx",
        2,
        "invalid value for '--format': 'xlsx' is not one of 'parquet', 'csv', 'json' "
        "(see polargen generate --help)",
    ),
    (
        "generate --seed abc",
        2,
        "--seed: 'abc' is not a number, must be 0..9,223,372,036,854,775,807",
    ),
    (
        "generate --seed -1",
        2,
        "--seed: '-1' is out of range, must be 0..9,223,372,036,854,775,807",
    ),
    (
        "generate --multiplier nan",
        2,
        "--multiplier: 'nan' is not a number, must be above 0 and at most 10,000",
    ),
    (
        "generate --multiplier 0",
        2,
        "--multiplier: '0' is out of range, must be above 0 and at most 10,000",
    ),
    (
        "generate --multiplier -2",
        2,
        "--multiplier: '-2' is out of range, must be above 0 and at most 10,000",
    ),
    (
        "plan --from 2024-02-30",
        2,
        "--from: 2024-02-30 is not a day of the calendar, give a day that exists",
    ),
    (
        "plan --from 2024-03-01 --to 2024-01-01",
        2,
        "--to: 2024-01-01 lies before the start 2024-03-01, swap them",
    ),
    ("plan --from soon", 2, "--from: 'soon' is not a date, write it as YYYY-MM-DD"),
    (
        "generate --scenario peak-seson",
        2,
        f"scenario: 'peak-seson' is unknown, did you mean peak-season? (available: {SCENARIOS})",
    ),
    ("generate --set foo", 2, "--set: 'foo' is not KEY=VALUE, write e.g."),
    (
        "generate --set entityRates.ordersPerDey=3",
        2,
        "--set: entityRates.ordersPerDey: unknown key, did you mean ordersPerDay?",
    ),
    (
        "generate --workers two",
        2,
        "--workers: 'two' is not a number, must be 1..1,024",
    ),
    ("generate --workers 0", 2, "--workers: '0' is out of range, must be 1..1,024"),
    (
        "generate --max-records 10",
        3,
        "rows are planned, the limit is 10; lower --multiplier or raise --max-records",
    ),
    (
        "generate --dry-run -o out",
        2,
        "--dry-run: writes nothing, but -o names out; leave one of them out",
    ),
    (
        "generate --no-dry-run",
        2,
        "--no-dry-run: there is nowhere to write, name a folder with -o DIR, or a database with",
    ),
    ("generate --format csv", 2, "--format: a dry run writes nothing, name a folder with -o DIR"),
    ("generate --verify", 2, "--verify: a dry run writes nothing, name a folder with -o DIR"),
    ("generate --resume", 2, "--resume: a dry run writes nothing, name a folder with -o DIR"),
    ("generate -o out --verify --tables orders", 2, "rules join all tables, leave out --tables"),
    (
        "generate -o out --tables order",
        2,
        "--tables: 'order' is an unknown table, did you mean orders?",
    ),
    ("generate --tables ,", 2, "--tables: ',' names no table, write it like orders,order_items"),
    (
        "generate -o out --target-file-size big",
        2,
        "--target-file-size: 'big' is not a size, write it like 128MB",
    ),
    ("generate -o out --target-file-size 1", 2, "'1' is out of range, must be 1 kB..1,000 TB"),
    (
        "generate -o out --compression foo",
        2,
        "compression: 'foo' is none of parquet's codecs (zstd, snappy, gzip, lz4, none)",
    ),
    ("generate -o out --compression-level 99", 2, "compression level: 99 is not in zstd's"),
    ("generate -o /", 2, "-o: / cannot be replaced, choose a folder inside it"),
    ("generate -o ~nobody-here/x", 2, "-o: ~nobody-here/x is no home folder, write the path"),
    (
        "verify nowhere",
        2,
        "nowhere does not exist or is no folder: name a data set's folder",
    ),
    (
        "export --from . --format csv -o out",
        2,
        ". has no manifest.json: not a finished polargen data set",
    ),
    ("describe --table ordrs", 2, "--table: 'ordrs' is an unknown table, did you mean orders?"),
    ("describe --set a=b", 2, "--set: changes a scenario, name one with --scenario"),
    ("describe --mermaid --json", 2, "--mermaid: is no JSON, leave out --json"),
    (
        "describe --mermaid --scenario normal-ops",
        2,
        "--scenario: shows a scenario, leave out --table and --mermaid",
    ),
)


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG, ids=[case[0] for case in WRONG])
def test_mistake__is_one_sentence_and_an_exit_code(
    run: Run, line: str, code: int, sentence: str
) -> None:
    done = run(*line.split())
    assert done.code == code
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("polargen: ")
    assert sentence in done.err
    assert not list(Path().iterdir())


def test_mistakes__are_said_all_at_once(run: Run) -> None:
    done = run("generate", "--seed", "x", "--multiplier", "-1", "--batch-size", "1")
    assert done.code == 2
    assert [line.split()[1] for line in done.err.splitlines()] == [
        "--seed:",
        "--multiplier:",
        "--batch-size:",
    ]


def test_scenario_file__is_refused_with_its_line(run: Run) -> None:
    Path("bad.yaml").write_text("extends: normal-ops\nanomalyRate: [1\n")
    done = run("generate", "--scenario", "bad.yaml")
    assert done.code == 2
    assert done.err.startswith("polargen: bad.yaml: not valid YAML")
    assert "(line 3)" in done.err


def test_debug__shows_the_traceback_before_the_sentence(run: Run) -> None:
    done = run("verify", "nowhere", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("polargen: nowhere does not exist")


def test_defect__is_said_in_two_sentences(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polargen.scenario.get_scenario_manager", lambda: 1 / 0)
    done = run("scenarios")
    assert done.code == 1
    assert done.err.splitlines() == [
        "polargen: internal error: ZeroDivisionError: division by zero",
        "polargen: this is a defect of polargen: please report it, with what --debug shows",
    ]


# --- generate ---------------------------------------------------------------------------------


def test_generate__writes_nothing_without_a_target(run: Run) -> None:
    done = run("generate", *JANUARY)
    assert done.code == 0
    assert re.fullmatch(r"job-[0-9a-f]{8}, see polargen status\n", done.err)
    assert done.out.startswith("normal-ops, 2024-01-01 to 2024-01-31, seed 7, multiplier 1\n")
    assert re.search(r"^orders +1,550$", done.out, re.MULTILINE)
    assert "Nothing was written (dry run)" in done.out
    assert not list(Path().iterdir())


def test_generate__says_how_to_write_what_it_tried(run: Run, january: Path) -> None:
    tried = run("generate", *JANUARY, "--set", "anomalyRate=0.1", "--multiplier", "0.25")
    again = tried.out.splitlines()[-1].split()[1:]
    assert again[-2:] == ["-o", "out"]
    assert run(*again).code == 0
    config = Manifest.read(Path("out")).config
    assert (config["seed"], config["volumeMultiplier"]) == (7, 0.25)


def test_generate__prints_what_clock_and_system_decided(run: Run) -> None:
    done = run("generate", "--multiplier", "0.02", "-o", "out")
    seed = re.search(r"seed: (\d+), drawn; --seed \1 makes the same data again", done.err)
    dates = re.search(r"dates: (\S+) to (\S+), 90 days", done.err)
    assert seed is not None
    assert dates is not None
    assert f"{dates[1]} to {dates[2]}, seed {seed[1]} (drawn), multiplier 0.02" in done.out
    again = run("generate", "--multiplier", "0.02", "--from", dates[1], "--to", dates[2],
                "--seed", seed[1], "-o", "again")  # fmt: skip
    assert JOB_LINE.fullmatch(again.err.strip())
    assert digests("out") == digests("again")


def digests(folder: str | Path) -> dict[str, str]:
    return {name: entry.digest for name, entry in Manifest.read(Path(folder)).tables.items()}


@pytest.mark.parametrize("format_name", ["parquet", "csv", "json"])
def test_generate__content_is_the_same_however_it_is_written(
    run: Run, january: Path, format_name: str
) -> None:
    done = run("generate", *JANUARY, "--format", format_name, "--workers", "2", "--no-check",
               "--batch-size", "100", "--target-file-size", "1GB", "-o", "deep/er/out")  # fmt: skip
    assert done.code == 0
    assert digests("deep/er/out") == digests(january)
    assert Manifest.read(Path("deep/er/out")).format == format_name


def test_generate__next_commands_work(run: Run) -> None:
    done = run("generate", *JANUARY, "-o", "my data")
    following = done.out.partition("Next:\n")[2].splitlines()
    assert len(following) == 3
    for line in following:
        bin_folder = Path(sys.executable).parent
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            ["bash", "-c", line], check=True, capture_output=True, env={**os.environ, "PATH": path}
        )
    assert Manifest.read(Path("my data-csv")).format == "csv"


def test_generate__tables_limit_what_is_written(run: Run) -> None:
    done = run("generate", *JANUARY, "--tables", "orderItems, orders", "-o", "out", "--json")
    shown = json.loads(done.out)
    assert [path.name for path in sorted(Path("out").iterdir()) if path.is_dir()] == [
        "order_items",
        "orders",
    ]
    assert shown["recordCounts"]["orders"] == 1550
    listed = run("generate", *JANUARY, "--tables", "orders").out
    assert "order_items" not in listed.partition("rows made")[0]


def test_generate__verified_data_is_said_to_be(run: Run) -> None:
    done = run("generate", *JANUARY, "-o", "out", "--verify")
    assert done.code == 0
    assert re.search(r"^verified: \d+ rules, 0 breaches; 6 shapes, \d off$", done.out, re.MULTILINE)
    shown = json.loads(run("generate", *JANUARY, "-o", "out", "--verify", "--json").out)
    assert shown["verification"]["ok"] is True


def test_generate__says_which_shares_a_window_cannot_hold(run: Run) -> None:
    day = ("--from", "2024-01-02", "--to", "2024-01-02", "--seed", "1")
    notes = [line for line in run("plan", *day).out.splitlines() if line.startswith("note: ")]
    assert any("orderStatus.Shipped: the scenario wants 0.150" in line for line in notes)
    made = run("generate", *day).out.splitlines()
    assert [line for line in made if line.startswith("note: ")] == notes


def test_generate__other_files_are_not_touched(run: Run) -> None:
    Path("notes").mkdir()
    Path("notes/today.txt").write_text("keep me")
    done = run("generate", *JANUARY, "-o", "notes")
    assert done.code == 2
    assert "holds other files (today.txt): choose another folder or empty it" in done.err
    assert content(Path()) == {"notes/today.txt": b"keep me"}


def test_generate__is_refused_in_production(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "Production")
    done = run("generate", *JANUARY, "-o", "out")
    assert done.code == 3
    assert done.err == (
        "polargen: Safety checks failed: environment: APP_ENV is 'Production'; run where APP_ENV "
        "is not production\n"
    )
    assert not Path("out").exists()
    assert run("generate", *JANUARY).code == 0


def test_json__is_one_document_of_each_command(run: Run, january: Path) -> None:
    folder = str(january)
    for args in (
        ("generate", *JANUARY),
        ("plan", *JANUARY),
        ("verify", folder),
        ("scenarios",),
        ("validate", "--scenario", "peak-season"),
        ("describe",),
        ("describe", "--table", "orders"),
        ("describe", "--scenario", "peak-season"),
        ("export", "--from", folder, "--format", "csv", "-o", "csv"),
    ):
        done = run(*args, "--json")
        assert (done.code, done.err) == (0, ""), args
        assert isinstance(json.loads(done.out), dict)


def test_json__of_generate_is_the_result_object(run: Run) -> None:
    shown = json.loads(run("generate", *JANUARY, "-o", "out", "--json").out)
    assert shown["jobId"].startswith("job-")
    assert (shown["success"], shown["dryRun"], shown["seed"]) == (True, False, 7)
    assert shown["config"]["startDate"] == "2024-01-01"
    assert shown["digests"] == digests("out")
    assert shown["bytes"] == sum(
        path.stat().st_size for path in Path("out").rglob("part-*") if path.is_file()
    )


# --- progress ---------------------------------------------------------------------------------


def test_progress__is_a_line_now_and_then(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LINE_SECONDS", 0.0)
    lines = run("generate", *JANUARY).err.splitlines()
    assert any(
        re.fullmatch(r"generating +\d+ %  [\d,]+ rows  [\d,]+ rows/s  \w+.*", line)
        for line in lines
    )
    assert run("generate", *JANUARY, "--quiet").err == ""


def test_progress__is_a_bar_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "polargen", "generate", *JANUARY, "--multiplier", "10"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        cwd=tmp_path,
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 65536):
            seen += piece
    out, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0
    text = seen.decode()
    assert "generating" in text
    assert "rows/s" in text
    assert "\x1b[" in text
    assert b"\x1b" not in out
    assert out.startswith(b"normal-ops")


# --- bad luck ---------------------------------------------------------------------------------


@contextmanager
def started(*args: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a long run and wait until its first files are there."""
    process = command("generate", *LONG, *args, cwd=cwd)
    try:
        end = time.monotonic() + 60
        while not list(cwd.glob("out/demo.partial/*/.part-*")) and time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal__rolls_back_and_keeps_the_earlier_data(
    run: Run, tmp_path: Path, number: int, code: int
) -> None:
    assert run("generate", *JANUARY, "--multiplier", "0.1", "-o", "out/demo").code == 0
    before = content(tmp_path)
    with started("-o", "out/demo", cwd=tmp_path) as process:
        process.send_signal(number)
        done = finish(process)
    assert done.code == code
    assert done.out == ""
    wanted = documented("stopped by Ctrl-C")
    wanted = wanted if number == signal.SIGINT else wanted.replace("Ctrl-C", "SIGTERM")
    assert done.err.splitlines()[-1] == wanted
    assert content(tmp_path) == before


@pytest.mark.parametrize("pause_s", [0.0, 0.2, 0.4])
def test_ctrl_c__while_workers_start_shows_no_traceback(tmp_path: Path, pause_s: float) -> None:
    process = command("generate", *LONG, "-o", "out/demo", cwd=tmp_path, start_new_session=True)
    end = time.monotonic() + 60
    while not (tmp_path / "out/demo.partial/anomaly_labels").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(pause_s)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    done = finish(process)
    assert done.code == 130
    assert [
        line
        for line in done.err.splitlines()
        if "generating" not in line and not JOB_LINE.fullmatch(line)
    ] == [documented("stopped by Ctrl-C")]
    assert content(tmp_path) == {}


@pytest.mark.parametrize("pause_s", [0.0, 0.2])
def test_ctrl_c__while_the_run_is_planned_leaves_no_worker(tmp_path: Path, pause_s: float) -> None:
    process = command("generate", *LONG, "-o", "out/demo", cwd=tmp_path, start_new_session=True)
    end = time.monotonic() + 60
    while not (workers := psutil.Process(process.pid).children()) and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(pause_s)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.err.splitlines()[-1].startswith("polargen: stopped by Ctrl-C")
    assert "Traceback" not in done.err
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    assert content(tmp_path) == {}


def test_refused_run__leaves_no_worker(tmp_path: Path) -> None:
    process = command("generate", *LONG, "--tables", "nope", "-o", "out/demo", cwd=tmp_path)
    started: list[psutil.Process] = []
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(process.pid).children() or started
    assert finish(process).code == 2
    assert started
    assert not any(worker.is_running() for worker in started)


def test_killed_worker__rolls_back_and_says_so(tmp_path: Path) -> None:
    with started("-o", "out/demo", cwd=tmp_path) as process:
        workers = psutil.Process(process.pid).children()
        workers[0].kill()
        done = finish(process)
    assert done.code == 1
    assert done.err.splitlines()[-1] == documented("a worker process died")
    assert content(tmp_path) == {}


def test_second_run__into_the_same_folder_is_refused(tmp_path: Path) -> None:
    with started("-o", "out/demo", cwd=tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        done = finish(command("generate", *JANUARY, "-o", "out/demo", cwd=tmp_path))
    assert done.code == 4
    assert done.err.replace(str(tmp_path.resolve()), "/home/you") == (
        documented("is being written by another run") + "\n"
    )


def test_resume__continues_a_killed_run_with_its_seed_and_dates(tmp_path: Path) -> None:
    asked = ("--multiplier", "15", "--quiet", "-o", "out/demo")
    process = command("generate", *asked, "--workers", "2", cwd=tmp_path)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("out/demo.partial/_groups/*.json")) and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    left = json.loads((tmp_path / "out/demo.partial/plan.json").read_text())["run"]["config"]

    other = finish(command("generate", *asked, "--seed", "1", "--resume", cwd=tmp_path))
    assert other.code == 2
    printed = other.err.replace(str(tmp_path.resolve()), "/home/you").strip()
    printed = re.sub(r"'[0-9a-f]{32}'", "'HASH'", printed)
    assert printed == documented("was left by another run")

    done = finish(command("generate", *asked, "--resume", "--json", cwd=tmp_path))
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    for name in ("seed", "startDate", "endDate"):
        assert shown["config"][name] == left[name]
    assert not (tmp_path / "out/demo.partial").exists()


def test_resume__without_an_unfinished_run_starts_one(run: Run) -> None:
    done = run("generate", *JANUARY, "--resume", "-o", "out")
    assert done.code == 0
    note, job = done.err.splitlines()
    assert note == "out: no unfinished run is there to resume, starting a new one"
    assert JOB_LINE.fullmatch(job)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    place = tmp_path / "out"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk__rolls_back_and_says_so(
    run: Run, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The estimate would refuse the run beforehand; a disk may also fill while it runs.
    monkeypatch.setattr("polargen.estimate.Estimate.check", lambda *_: None)
    done = run("generate", *JANUARY, "--multiplier", "2", "-o", "out/demo")
    assert done.code == 4
    job, *printed = done.err.replace(str(small_disk.parent.resolve()), "/home/you").splitlines()
    assert JOB_LINE.fullmatch(job)
    assert printed == [documented("the disk is full")]
    assert content(small_disk) == {}


def test_full_disk__is_refused_where_it_can_be_seen_before(run: Run, small_disk: Path) -> None:
    done = run("generate", *JANUARY, "--multiplier", "20", "-o", "out/demo")
    assert done.code == 3
    assert "choose another disk" in done.err
    assert content(small_disk) == {}


def test_read_only_disk__is_said_to_be(run: Run, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = run("generate", *JANUARY, "--multiplier", "0.1", "-o", "out/demo")
    assert done.code == 4
    printed = done.err.replace(str(small_disk.parent.resolve()), "/home/you").splitlines()
    assert printed == [documented("the file system is read-only")]


def test_closed_pipe__ends_quietly(tmp_path: Path) -> None:
    process = command("describe", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_full_stdout__is_said_to_be(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "polargen", "scenarios"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert found.returncode == 4
    assert found.stderr.startswith("polargen: output: No space left on device")
    assert len(found.stderr.splitlines()) == 1


# --- plan, verify, scenarios, validate, describe, export ------------------------------------


def test_plan__counts_are_those_of_the_run(run: Run, january: Path) -> None:
    shown = json.loads(run("plan", *JANUARY, "--json").out)
    made = Manifest.read(january).tables
    exact = {name: item["rows"] for name, item in shown["tables"].items() if item["exact"]}
    assert exact == {name: made[name].rows for name in exact}
    assert {"users", "companies", "branches", "products", "orders"} <= set(exact)
    assert set(shown["tables"]) == set(TABLES)
    assert shown["planHash"] == Manifest.read(january).plan_hash
    text = run("plan", *JANUARY).out
    assert re.search(r"^orders +1,550 ", text, re.MULTILINE)
    assert "31 days, 1 warehouse, 1 segment, " in text


def test_verify__says_a_line_for_each_rule(run: Run, january: Path) -> None:
    done = run("verify", str(january))
    assert done.code == 0
    numbers = re.findall(r"^([RDS]\d+) ", done.out, re.MULTILINE)
    assert {"R01", "R31", "R51", "S1", "S6"} <= set(numbers)
    assert done.out.endswith(f"{january} keeps every rule\n")
    shown = json.loads(run("verify", str(january), "--json").out)
    assert shown["ok"] is True
    assert shown["files"] == []
    assert [item["rule"] for item in shown["rules"]] == numbers


def test_verify__finds_a_breach_and_fails(run: Run) -> None:
    assert run("generate", *JANUARY, "--format", "csv", "-o", "out").code == 0
    manifest = json.loads(Path("out/manifest.json").read_text())
    part = manifest["tables"]["payments"]["parts"][0]
    path = Path("out", part["file"])
    text = path.read_text()
    amount = re.search(r"\n\d+,\d+,\d+,(\d)", text)
    assert amount is not None
    digit = "1" if amount[1] != "1" else "2"
    path.write_text(text[: amount.start(1)] + digit + text[amount.end(1) :])
    done = run("verify", "out")
    assert done.code == 1
    assert f"files: {part['file']}: altered, its digest is not the one written" in done.out

    part["digest"] = file_digest(path)
    Path("out/manifest.json").write_text(json.dumps(manifest))
    done = run("verify", "out")
    assert done.code == 1
    assert re.search(r"^R15 .* breaches 1\b", done.out, re.MULTILINE)
    assert "out breaks R15" in done.out.splitlines()[-1]
    assert json.loads(run("verify", "out", "--json").out)["failed"][0] == "R15"


def test_scenarios__are_the_six(run: Run) -> None:
    done = run("scenarios")
    for name in SCENARIOS.split(", "):
        assert f"\n{name} " in done.out
    shown = json.loads(run("scenarios", "--json").out)
    assert (shown["count"], shown["defaultScenario"]) == (6, "normal-ops")


def test_validate__says_ok_or_everything_that_is_wrong(run: Run) -> None:
    assert run("validate", "--scenario", "peak-season").out == "peak-season: valid\n"
    Path("wrong.yaml").write_text("extends: normal-ops\nanomalyRat: 1\nentityRates: {users: x}\n")
    done = run("validate", "--scenario", "wrong.yaml")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    shown = run("validate", "--scenario", "wrong.yaml", "--json")
    assert shown.code == 2
    assert [item["line"] for item in json.loads(shown.out)["problems"]] == [2, 3]


def test_describe__has_every_column_with_its_meaning(run: Run) -> None:
    text = " ".join(run("describe").out.split())
    shown = {item["name"]: item for item in json.loads(run("describe", "--json").out)["tables"]}
    assert list(shown) == list(TABLES)
    for name, table in TABLES.items():
        assert f"{name} ({table.json_name}): {table.meaning}" in text
        columns = shown[name]["columns"]
        assert [column["name"] for column in columns] == [item.name for item in table.columns]
        for column, item in zip(columns, table.columns, strict=True):
            assert (column["nullable"], column["references"]) == (item.nullable, item.references)
            assert column["values"] == list(item.values)


def test_describe__diagram_has_every_reference(run: Run) -> None:
    lines = run("describe", "--mermaid").out.splitlines()
    assert lines[0] == "erDiagram"
    references = {
        (parent, name, column)
        for name, table in TABLES.items()
        for column, parent in table.foreign_keys
    }
    found = {
        (match[1], match[2], match[3])
        for line in lines
        if (match := re.fullmatch(r"    (\w+) (?:\|\||\|o)--(?:o\||o\{) (\w+) : (\w+)", line))
    }
    assert found == references


def test_describe__names_the_source_of_each_value(run: Run) -> None:
    Path("mine.yaml").write_text("extends: peak-season\nanomalyRate: 0.5\n")
    done = run("describe", "--scenario", "mine.yaml", "--set", "entityRates.users=9")
    assert re.search(r"^anomalyRate +mine.yaml:2 +0.5$", done.out, re.MULTILINE)
    assert re.search(r"^entityRates.users +--set +9$", done.out, re.MULTILINE)
    assert re.search(
        r"^entityRates.companies +scenarios/peak-season.yaml:\d+ +150$", done.out, re.MULTILINE
    )
    assert re.search(r"^locale +scenarios/normal-ops.yaml:\d+ +eg$", done.out, re.MULTILINE)


@pytest.mark.parametrize("format_name", FORMATS)
def test_export__has_the_rows_of_its_source(run: Run, january: Path, format_name: str) -> None:
    done = run("export", "--from", str(january), "--format", format_name, "-o", "out",
               "--tables", "orders,users")  # fmt: skip
    assert done.code == 0
    assert digests("out") == {name: digests(january)[name] for name in ("users", "orders")}
    assert re.search(r"^orders +1,550 ", done.out, re.MULTILINE)
    files = sorted(path.name for path in Path("out").rglob("*") if path.is_file())
    if format_name == "sql":
        assert files == ["01_users.sql", "02_orders.sql", "manifest.json"]


def test_export__is_refused_in_production(
    run: Run, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_ENV", "prod")
    done = run("export", "--from", str(january), "--format", "csv", "-o", "out")
    assert done.code == 3
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("128MB", 128_000_000), ("1.5 GiB", 1_610_612_736), ("4000000", 4_000_000), ("2k", 2000)],
)
def test_size__is_read_in_any_unit(text: str, size: int) -> None:
    assert options.size_bytes("--target-file-size", text) == size
