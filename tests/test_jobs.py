"""Jobs: written down by the process that runs them, seen by every other one."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from server import PASSWORD
from server import server as started

from polargen.errors import ConfigError, TargetError
from polargen.jobs import FILE, GONE, MOST_JOBS, JobRecord, JobStore, Recorder
from polargen.progress import Progress

LONG = ("--from", "2022-01-01", "--to", "2023-12-31", "--multiplier", "60", "--seed", "1")
SHORT = ("--from", "2024-01-01", "--to", "2024-01-03", "--seed", "1")
CONFIG = {"startDate": "2024-01-01", "endDate": "2024-01-31", "seed": 1, "volumeMultiplier": 1.0}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder, for this process and those it starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("POLARGEN_HOME", str(folder))
    return folder


@pytest.fixture
def store(home: Path) -> JobStore:
    return JobStore()


def add(store: JobStore, job: str = "job-00000001", **values: Any) -> JobRecord:
    given = {"scenario": "normal-ops", "target": "dry run", "config": CONFIG, **values}
    return store.add(job, **given)


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "polargen", *args]


def polargen(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*args), capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def damage(home: Path) -> None:
    """Make the store one that can be opened, but neither read nor written."""
    with closing(sqlite3.connect(home / FILE)) as db, db:
        db.execute("DROP TABLE jobs")


def status_of(store: JobStore, job: str = "job-00000001") -> str:
    record = store.get(job)
    assert record is not None
    return record.status


def until(what: Callable[[], Any]) -> Any:
    """Return the first true answer; fails after a minute."""
    for _ in range(600):
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it never came true")


@pytest.fixture
def running(home: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], JobRecord]]:
    """A run that writes files, and its record while it generates."""
    out = str(tmp_path / "out")
    with subprocess.Popen(command("generate", *LONG, "-o", out, "--quiet")) as process:
        store = JobStore()
        yield process, until(lambda: next(iter(store.list(1, "generating")), None))
        process.kill()


def test_a_job__is_seen_from_another_process_while_it_runs(
    running: tuple[subprocess.Popen[bytes], JobRecord],
) -> None:
    process, record = running
    shown = json.loads(polargen("status", "--job", record.job_id, "--json").stdout)
    assert shown["jobId"] == record.job_id
    assert shown["startedAt"] is not None
    assert shown["completedAt"] is None
    assert shown["config"]["seed"] == 1
    assert record.pid == process.pid
    listed = json.loads(polargen("jobs", "--json").stdout)["jobs"]
    assert [job["jobId"] for job in listed] == [record.job_id]


def test_cancel__rolls_a_run_back(
    running: tuple[subprocess.Popen[bytes], JobRecord], tmp_path: Path
) -> None:
    process, record = running
    done = polargen("cancel", record.job_id)
    assert done.returncode == 0, done.stderr
    assert process.wait() == 143
    ended = JobStore().get(record.job_id)
    assert ended is not None
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert "rolled back" in ended.error["message"]
    assert not list(tmp_path.glob("out*"))
    again = polargen("cancel", record.job_id)
    assert again.returncode == 2
    assert "is cancelled already" in again.stderr


def test_ctrl_c__is_written_down_and_the_earlier_data_stays(home: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert polargen("generate", *SHORT, "-o", out).returncode == 0
    before = files(tmp_path / "out")
    with subprocess.Popen(command("generate", *LONG, "-o", out, "--quiet")) as process:
        store = JobStore()
        record = until(lambda: next(iter(store.list(1, "generating")), None))
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    ended = store.get(record.job_id)
    assert ended is not None
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert ended.error["exitCode"] == 130
    assert files(tmp_path / "out") == before
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]


def test_a_killed_process__leaves_a_failed_job(
    running: tuple[subprocess.Popen[bytes], JobRecord],
) -> None:
    process, record = running
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = JobStore().get(record.job_id)
    assert found is not None
    assert (found.status, found.error) == ("failed", {"message": GONE, "exitCode": None})
    watched = polargen("status", "--job", record.job_id, "--watch")
    assert watched.returncode == 1


def test_status__watches_until_the_job_ends(home: Path) -> None:
    with subprocess.Popen(command("generate", *SHORT, "--multiplier", "200", "--quiet"),
                          stdout=subprocess.DEVNULL):  # fmt: skip
        store = JobStore()
        record = until(lambda: next(iter(store.list(1)), None))
        watched = polargen("status", "--job", record.job_id, "--watch", "--json")
    assert watched.returncode == 0, watched.stderr
    shown = json.loads(watched.stdout)
    assert shown["status"] == "completed"
    assert shown["progress"]["progressPercent"] == 100
    made = shown["progress"]["recordsGenerated"]
    assert sum(shown["result"]["recordCounts"].values()) == sum(made.values())


def test_generate__names_its_job_and_keeps_its_result(home: Path) -> None:
    done = polargen("generate", *SHORT, "--json")
    document = json.loads(done.stdout)
    record = JobStore().get(document["jobId"])
    assert record is not None
    assert done.stderr == ""
    assert polargen("jobs", "--status", "failed").stdout == "no job is failed\n"
    assert (record.status, record.target, record.scenario) == ("completed", "dry run", "normal-ops")
    assert record.result is not None
    assert record.result["recordCounts"] == document["recordCounts"]


def test_a_run_that_fails__keeps_its_sentence(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    done = polargen("generate", *SHORT, "-o", str(tmp_path / "mine" / "out"))
    record = JobStore().list(1)[0]
    assert done.returncode == 4
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["exitCode"] == 4
    assert record.error["message"] in done.stderr


def test_a_run_that_is_refused__keeps_each_reason(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    done = polargen("generate", *SHORT, "-o", str(tmp_path / "out"))
    assert done.returncode == 3
    record = JobStore().list(1)[0]
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["exitCode"] == 3
    assert len(record.error["failures"]) == 1
    failure = record.error["failures"][0]
    assert {"check", "reason", "severity", "remedy"} <= failure.keys()
    assert "NODE_ENV" in failure["reason"]


def test_a_damaged_store__does_not_stop_a_run(home: Path, tmp_path: Path) -> None:
    JobStore()
    damage(home)
    done = polargen("generate", *SHORT, "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not written down") == 1
    assert "see polargen status" not in done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()
    assert polargen("generate", *SHORT, "--quiet").stderr == ""


def test_a_store_damaged_during_a_run__does_not_change_how_it_ends(
    home: Path, tmp_path: Path
) -> None:
    """Committed is committed, and exits with 0."""
    how = ("--from", "2024-01-01", "--to", "2024-01-31", "--multiplier", "10", "--quiet")
    out = str(tmp_path / "out")
    with subprocess.Popen(command("generate", *how, "-o", out), stdout=subprocess.DEVNULL) as run:
        store = JobStore()
        until(lambda: store.list(1, "generating"))
        damage(home)
        assert run.wait() == 0
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_state_folder_that_cannot_be_made__does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POLARGEN_HOME", str(tmp_path / "file" / "home"))
    done = polargen("generate", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "not written down" in done.stderr
    assert polargen("jobs").returncode == 4


def test_no_credentials__are_written_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started()
    database = server.new()
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    monkeypatch.setenv("POLARGEN_DATABASE_URL", database.url)
    done = polargen("generate", *SHORT, "--no-dry-run")
    assert done.returncode == 0, done.stderr
    assert JobStore().list(1)[0].status == "completed"
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"normal-ops" in written
    assert PASSWORD.encode() not in written
    assert PASSWORD not in done.stdout + done.stderr
    server.drop(database)


def test_a_file_of_a_newer_version__is_refused(home: Path) -> None:
    home.mkdir()
    with sqlite3.connect(home / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer polargen"):
        JobStore()


def test_a_file_that_is_no_store__is_refused(home: Path) -> None:
    home.mkdir()
    (home / FILE).write_text("this is no database, and long enough to be read as one" * 40)
    with pytest.raises(TargetError, match="cannot be used"):
        JobStore()


def test_progress__is_written_four_times_a_second_and_at_each_change(store: JobStore) -> None:
    add(store)
    store.begin("job-00000001")
    now, written = 0.0, 0
    recorder = Recorder(store, lambda: now)
    last = ""
    for step in range(100):  # ten seconds, ten looks a second
        now = step / 10
        status = "generating" if step < 95 else "writing"
        recorder.hear(Progress("job-00000001", status=status, current_batch=step))  # type: ignore[arg-type]
        record = store.get("job-00000001")
        assert record is not None
        assert record.progress is not None
        written += (seen := str(record.progress["currentBatch"])) != last
        last = seen
    assert status_of(store) == "writing"
    assert 32 <= written <= 41


def test_a_locked_store__costs_a_look_and_not_the_run(home: Path, store: JobStore) -> None:
    add(store)
    store.begin("job-00000001")
    now = 0.0
    recorder = Recorder(store, lambda: now)
    with closing(sqlite3.connect(home / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        recorder.hear(Progress("job-00000001", status="generating"))
        assert status_of(store) == "initializing"
        other.execute("ROLLBACK")
    now = 1.0
    recorder.hear(Progress("job-00000001", status="generating"))
    assert status_of(store) == "generating"


def test_two_processes__write_at_once(home: Path, store: JobStore) -> None:
    code = (
        "import sys; from polargen.jobs import JobStore\n"
        "from polargen.progress import Progress\n"
        "store = JobStore(); job = f'job-{sys.argv[1]}'\n"
        "store.add(job, scenario='normal-ops', target='x', config={}); store.begin(job)\n"
        "for n in range(200): store.look(Progress(job, status='generating', current_batch=n)"
        ".to_dict())\n"
        "store.finish(job, 'completed', result={'n': 1})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, f"0000000{n}"]) for n in (1, 2)]
    assert [process.wait() for process in both] == [0, 0]
    assert {record.status for record in store.list()} == {"completed"}
    assert len(store.list()) == 2


def test_a_waiting_job__is_begun_once(store: JobStore) -> None:
    add(store)
    assert store.begin("job-00000001") is not None
    assert store.begin("job-00000001") is None


def test_a_waiting_job__never_begins_once_it_is_cancelled(store: JobStore) -> None:
    add(store)
    assert store.cancel("job-00000001").status == "cancelled"
    assert store.begin("job-00000001") is None


def test_a_job_that_begins_as_it_is_cancelled__does_one_of_the_two(store: JobStore) -> None:
    code = (
        "import signal, sys; from polargen.jobs import JobStore\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "store = JobStore(); print('ready', flush=True)\n"
        "for line in sys.stdin: print(store.begin(line.strip()) is not None, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        for number in range(40):
            job = f"job-{number:08x}"
            add(store, job)
            other.stdin.write(f"{job}\n")
            other.stdin.flush()
            time.sleep(number % 8 / 4000)  # begins before, during and after
            cancelled = store.cancel(job).status == "cancelled"
            begun = other.stdout.readline() == "True\n"
            assert begun != cancelled
        other.stdin.close()


def test_a_job_that_rolls_back__is_not_signalled_again(store: JobStore) -> None:
    add(store)
    store.begin("job-00000001")
    store.look(Progress("job-00000001", status="rolling_back").to_dict())
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        assert store.cancel("job-00000001").status == "rolling_back"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == []


def test_an_idempotency_key__names_one_job(store: JobStore) -> None:
    add(store, idempotency_key="a")
    with pytest.raises(ConfigError, match="idempotency"):
        add(store, "job-00000002", idempotency_key="a")
    found = store.by_idempotency_key("a")
    assert found is not None
    assert found.job_id == "job-00000001"
    assert store.by_idempotency_key("b") is None


def test_old_jobs__are_forgotten_and_open_ones_kept(store: JobStore) -> None:
    add(store, "job-0000open")
    for number in range(MOST_JOBS + 5):
        add(store, f"job-{number:08d}")
        store.finish(f"job-{number:08d}", "completed")
    add(store, "job-00000new")
    kept = {record.job_id for record in store.list(2 * MOST_JOBS)}
    assert {"job-0000open", "job-00000new"} <= kept
    assert len(kept) <= MOST_JOBS + 2
    assert "job-00000000" not in kept


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("status", "--job", "job-nowhere1"), "there is no job"),
        (("status",), "there is no job yet"),
        (("cancel", "job-nowhere1"), "there is no such job"),
        (("jobs", "--limit", "many"), "--limit"),
    ],
)
def test_what_is_not_there__is_said_in_a_sentence(
    home: Path, args: tuple[str, ...], said: str
) -> None:
    done = polargen(*args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"), [(["job-00000000"], "is not a job that waits"), ([], "give the id")]
)
def test_a_process_without_a_waiting_job__says_so(home: Path, args: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polargen.run_job", *args],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_s_process__rolls_back_however_often_it_is_told(home: Path, tmp_path: Path) -> None:
    from runs import config, profile

    from polargen.options import RunOptions
    from polargen.run_job import request_of

    out = tmp_path / "out"
    options = RunOptions(format="parquet", out=str(out), workers=1)
    asked = config(start="2022-01-01", end="2023-12-31", multiplier=100.0)
    store = JobStore()
    add(store, request=request_of(asked, profile(), options), target=str(out))
    run = [sys.executable, "-m", "polargen.run_job", "job-00000001"]
    with subprocess.Popen(run) as process:
        until(lambda: store.list(1, "generating"))
        until(lambda: store.list(1)[0].progress["currentBatch"])  # type: ignore[index]
        while process.poll() is None:
            process.terminate()
            time.sleep(0.01)
    assert process.returncode == 130
    assert status_of(store) == "cancelled"
    assert not list(tmp_path.glob("out*"))


def test_a_waiting_job_s_process__takes_its_request_from_the_store(
    home: Path, tmp_path: Path
) -> None:
    """As the HTTP server runs jobs."""
    from runs import config, profile

    from polargen.options import RunOptions
    from polargen.run_job import request_of

    out = tmp_path / "out"
    options = RunOptions(format="csv", out=str(out), tables=("orders", "order_items"), workers=1)
    asked = config(end="2024-01-05")
    request = request_of(asked, profile("peak-season"), options)
    add(JobStore(), request=request, target=str(out))
    done = subprocess.run([sys.executable, "-m", "polargen.run_job", "job-00000001"], check=False)
    assert done.returncode == 0
    record = JobStore().get("job-00000001")
    assert record is not None
    assert record.status == "completed"
    assert record.result is not None
    assert record.result["out"] == str(out)
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "order_items", "orders"]
    assert os.environ["POLARGEN_HOME"] == str(home)
