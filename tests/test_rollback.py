"""All or nothing: runs that are killed, stopped or out of disk leave the earlier data as it was."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from polargen.dataset import Dataset

ROOT = Path(__file__).parent.parent
# 78,000 orders in three segments: some groups of blocks, a second or two of work.
LARGE = (
    *("--scenario", "anomaly-heavy", "--set", "entityRates.ordersPerDay=1300"),
    *("--set", "entityRates.products=800", "--from", "2024-02-10", "--to", "2024-04-09"),
    *("--seed", "7", "--workers", "2"),
)
SMALL = ("--from", "2024-01-01", "--to", "2024-01-10", "--seed", "1", "--multiplier", "0.1")
PATIENCE_S = 60.0
_MS_RDONLY, _MS_REMOUNT = 1, 32  # Source: sys/mount.h


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "polargen", "generate", *args, "--quiet"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def generate(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*args),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, while the process lives."""
    limit = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.002)


def groups(out: Path) -> int:
    """Return how many groups of the unfinished run are recorded."""
    folder = out.with_name(out.name + ".partial") / "_groups"
    return len(list(folder.glob("[0-9]*.json"))) if folder.is_dir() else 0


def partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def digests(out: Path) -> dict[str, str]:
    manifest = Dataset.open(out).manifest
    return {name: entry.digest for name, entry in manifest.tables.items()}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that the run has started and that do its work."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the large run, uninterrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = generate(*LARGE, "-o", str(out))
    assert done.returncode == 0, done.stderr
    return digests(out)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set."""
    folder = tmp_path_factory.mktemp("earlier") / "out"
    done = generate(*SMALL, "-o", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def out(earlier: Path, tmp_path: Path) -> Path:
    """A folder that holds the earlier, small data set."""
    return Path(shutil.copytree(earlier, tmp_path / "out"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 60 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(mount), b"tmpfs", 0, b"size=60m") != 0:
        pytest.skip("no permission to mount a tmpfs")
    yield mount
    libc.umount2(bytes(mount), 2)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_kill__of_the_orchestrator_then_resume_gives_the_same_bytes(
    tmp_path: Path, whole: dict[str, str], number: int
) -> None:
    out = tmp_path / "out"
    run = start(*LARGE, "-o", str(out))
    if number:
        wait_for(lambda: groups(out) >= number, run)
    else:
        wait_for(lambda: bool(partial(out).is_dir() and workers(run)), run)
    helpers = workers(run)
    run.kill()
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert not out.exists()
    assert partial(out).is_dir()
    _, alive = psutil.wait_procs(helpers, timeout=PATIENCE_S)
    assert alive == []  # workers notice that their orchestrator is gone
    kept = {
        name: seen
        for record in sorted((partial(out) / "_groups").glob("[0-9]*.json"))
        for name, seen in tree(partial(out)).items()
        if any(part["file"] == name for part in json.loads(record.read_text())["parts"])
    }
    assert kept or number == 0
    again = generate(*LARGE, "-o", str(out), "--resume")
    assert again.returncode == 0, again.stderr
    assert digests(out) == whole
    assert Dataset.open(out).check_files() == []
    assert not partial(out).exists()
    assert {name: seen for name, seen in tree(out).items() if name in kept} == kept


def test_kill__twice_and_resumed_in_another_way_gives_the_same_bytes(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    out = tmp_path / "out"
    for number in (2, 4):
        run = start(*LARGE, "-o", str(out), "--resume")
        wait_for(lambda: groups(out) >= number, run)  # noqa: B023 - used inside the loop
        run.kill()
        run.communicate()
    again = generate(*LARGE[:-2], "--workers", "1", "-o", str(out), "--resume")
    assert again.returncode == 0, again.stderr
    assert digests(out) == whole


def test_kill__leaves_the_earlier_data_and_another_plan_may_not_resume(out: Path) -> None:
    before = tree(out)
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1, run)
    run.kill()
    run.communicate()
    assert tree(out) == before
    other = generate(*SMALL, "-o", str(out), "--resume")
    assert other.returncode == 2
    assert "another run" in other.stderr
    assert tree(out) == before
    fresh = generate(*SMALL, "-o", str(out))  # without --resume it starts anew
    assert fresh.returncode == 0, fresh.stderr
    assert not partial(out).exists()


def test_kill__of_a_worker_rolls_back(out: Path) -> None:
    before, beside = tree(out), sorted(out.parent.iterdir())
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1 and len(workers(run)) == 2, run)
    workers(run)[0].kill()
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert "worker" in said
    assert "rolled back" in said
    assert "Traceback" not in said
    assert tree(out) == before
    assert sorted(out.parent.iterdir()) == beside


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_stop__rolls_back_at_once(out: Path, number: signal.Signals, code: int) -> None:
    before, beside = tree(out), sorted(out.parent.iterdir())
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1 and len(workers(run)) == 2, run)
    helpers, stopped = workers(run), time.monotonic()
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == code
    assert time.monotonic() - stopped < 20.0
    assert "Traceback" not in said
    assert tree(out) == before
    assert sorted(out.parent.iterdir()) == beside
    _, alive = psutil.wait_procs(helpers, timeout=PATIENCE_S)
    assert alive == []


def test_stop__of_a_first_run_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "out"
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1, run)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_disk__that_fills_up_ends_the_run_and_frees_what_it_took(disk: Path, earlier: Path) -> None:
    out = Path(shutil.copytree(earlier, disk / "out"))
    before = tree(out)
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1, run)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:  # until nothing is left
            file.write(bytes(1 << 16))
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 4, said
    assert "disk is full" in said
    assert "Traceback" not in said
    assert tree(out) == before
    assert sorted(path.name for path in disk.iterdir()) == ["filler", "out"]


def test_disk__too_small_for_the_plan_is_refused_before_the_first_row(disk: Path) -> None:
    done = generate(*LARGE, "--multiplier", "50", "-o", str(disk / "out"))
    assert done.returncode == 3
    assert "GB are needed" in done.stderr
    assert list(disk.iterdir()) == []


def test_disk__that_is_read_only_is_refused(disk: Path, earlier: Path) -> None:
    out = Path(shutil.copytree(earlier, disk / "out"))
    before = tree(out)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"tmpfs", bytes(disk), b"tmpfs", _MS_RDONLY | _MS_REMOUNT, None) == 0
    done = generate(*SMALL, "-o", str(out))
    assert done.returncode == 4
    assert "read-only" in done.stderr
    assert tree(out) == before


def test_target__in_use_by_another_run_is_refused(tmp_path: Path, whole: dict[str, str]) -> None:
    out = tmp_path / "out"
    run = start(*LARGE, "-o", str(out))
    wait_for(lambda: groups(out) >= 1, run)
    run.send_signal(signal.SIGSTOP)  # it holds the folder while the second run tries
    second = generate(*SMALL, "-o", str(out))
    run.send_signal(signal.SIGCONT)
    assert second.returncode == 4
    assert "another run" in second.stderr
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    assert digests(out) == whole


def test_target__is_replaced_at_once_by_a_run_that_ends_well(
    out: Path, whole: dict[str, str]
) -> None:
    """At every look, the folder holds the earlier data set or the new one, whole."""
    old = digests(out)
    run = start(*LARGE, "-o", str(out))
    seen = []
    while run.poll() is None:
        seen.append(digests(out))
        time.sleep(0.05)
    assert run.returncode == 0
    assert digests(out) == whole
    assert all(look in (old, whole) for look in seen)
    assert old in seen


def test_target__with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = generate(*SMALL, "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "thesis.txt" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]


def test_production__is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        command(*SMALL, "-o", str(tmp_path / "out")),
        env={**environment(), "NODE_ENV": "production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "NODE_ENV" in done.stderr
    assert list(tmp_path.iterdir()) == []
