"""Faults of a load, at each of its stages: the earlier data stays, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from loads import STAGES, at, load
from server import PASSWORD, Server, name_of, small_disk
from server import server as started

from polargen.database import Database
from polargen.errors import PolargenError
from polargen.sinks import staging

HERE = Path(__file__).parent
LOYALTY = HERE.parent / "docs" / "examples" / "loyalty"
LOST = "terminating connection|server closed the connection|no connection to the server"
PERIOD = ("--from", "2024-01-01", "--to", "2024-01-10", "--seed", "2")
DISK_MB = 64


@dataclass
class Scene:
    """Where a fault strikes.

    Attributes:
        server, database: that is being loaded.
        disk: folder of the small disk that the database is on, if it is.
        mends: what makes it good again.
    """

    server: Server
    database: Database
    disk: Path | None = None
    mends: ExitStack = field(default_factory=ExitStack)

    def sql(self, text: str) -> None:
        """Run a statement; {staging} is the staging schema."""
        found = [name for name in schemas(self) if "__job-" in name]
        self.server.query(name_of(self.database), text.format(staging=f'"{"".join(found)}"'))


def schemas(scene: Scene) -> list[str]:
    """Return the schemas that are not PostgreSQL's own."""
    text = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mock%' ORDER BY 1"
    return scene.server.query(name_of(scene.database), text)


def end_sessions(scene: Scene) -> None:
    """End all sessions of the load, as an administrator does."""
    scene.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = "
        f"'{name_of(scene.database)}' AND application_name LIKE 'polargen%'"
    )


def press_ctrl_c(scene: Scene) -> None:
    """Interrupt the process."""
    raise KeyboardInterrupt


def restart(scene: Scene) -> None:
    """Let the server crash and come back."""
    scene.server.restart()


def fill_disk(scene: Scene) -> None:
    """Leave not a byte on the server's disk."""
    assert scene.disk is not None
    scene.sql("CHECKPOINT")  # what the server has in memory has a place then
    filler = scene.disk / "filler"
    scene.mends.callback(filler.unlink)
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


def hold_table(scene: Scene) -> None:
    """Read an earlier table in a transaction that goes on."""
    session = scene.database.connect("a reader")
    scene.mends.callback(session.close)
    session.execute("BEGIN")
    session.rows("SELECT 1 FROM mock_data.orders LIMIT 1")


def sql(text: str) -> Callable[[Scene], None]:
    """Return what runs a statement."""
    return lambda scene: scene.sql(text)


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        stage: at which it strikes.
        act: what happens then.
        says: pattern of the sentence that the user gets.
        code: exit code.
        mode: of the load.
        before: SQL on the earlier data.
        small: the database is on a small disk.
    """

    stage: str
    act: Callable[[Scene], None]
    says: str
    code: int = 4
    mode: str = "replace"
    before: str = ""
    small: bool = False


ROWS = "writing rows: orders"  # a stage of append and existing
FULL = "No space left on device.*; free space on the server's disk"
ROLLED_BACK = "stopped by Ctrl-C; the run was rolled back, the earlier data is as it was"
AT_STAGES = {
    f"{name} at {stage}": Fault(stage, act, says, code, mode)
    for mode, stages in (("replace", STAGES), ("append", (ROWS,)))
    for stage in stages
    for name, act, says, code in (
        ("sessions end", end_sessions, LOST, 4),
        ("Ctrl-C", press_ctrl_c, ROLLED_BACK, 130),
        ("server restarts", restart, LOST, 4),
    )
}
FAULTS = {
    **AT_STAGES,
    "disk full at COPY": Fault("generating audit_logs", fill_disk, FULL, small=True),
    "disk full at indexes": Fault("writing keys", fill_disk, FULL, small=True),
    "disk full at INSERT": Fault(ROWS, fill_disk, FULL, mode="append", small=True),
    "key twice": Fault(
        "validating",
        sql("INSERT INTO {staging}.users SELECT * FROM {staging}.users LIMIT 1"),
        r'could not create unique index "users_pkey" \(Key \(user_id\)=\(\d+\) is duplicated\)',
    ),
    "reference to nothing": Fault(
        "validating",
        sql("DELETE FROM {staging}.companies WHERE company_id = 1"),
        "violates foreign key constraint .*the rows break the schema's rules",
    ),
    "value out of range": Fault(
        "validating",
        sql(
            "UPDATE {staging}.order_items SET quantity = -1 WHERE order_item_id = "
            "(SELECT min(order_item_id) FROM {staging}.order_items)"
        ),
        'check constraint "order_items_quantity_range" .*is violated by some row',
    ),
    "rule of the target": Fault(
        ROWS,
        lambda scene: None,
        'violates check constraint "few"',
        mode="append",
        before="DO $$ BEGIN EXECUTE format('ALTER TABLE mock_data.payments ADD CONSTRAINT few "
        "CHECK (payment_id <= %s)', (SELECT max(payment_id) FROM mock_data.payments)); END $$",
    ),
    "wrong sums": Fault(
        "writing verifying",
        sql("UPDATE {staging}.orders SET subtotal = subtotal + 1 WHERE order_id = 7"),
        "the data breaks R12 .*; the run was rolled back",
        code=1,
    ),
    "rows lost": Fault(
        "validating", sql("TRUNCATE {staging}.polargen_groups"), r"0 of \d groups are loaded"
    ),
    "table lost": Fault(
        "writing keys", sql("DROP TABLE {staging}.payments"), 'relation ".*payments" does not exist'
    ),
    "table held": Fault(
        "writing swap",
        hold_table,
        "canceling statement due to lock timeout; others hold the tables",
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A real server with a loaded database, of which each test gets a copy."""
    found = started()
    found.query("postgres", "CREATE DATABASE loaded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOCK_DATA_ENABLED", "true")
        load(Database(found.url("loaded")), seed=1)
    yield found
    found.query("postgres", "DROP DATABASE loaded")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loads are enabled, and wait for others' locks for a short time only."""
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    monkeypatch.setenv("POLARGEN_HOME", str(tmp_path))
    monkeypatch.setattr(staging, "_LOCK_TIMEOUT", "500ms")


@pytest.fixture
def scene(server: Server) -> Iterator[Scene]:
    """A loaded database."""
    made = server.new("TEMPLATE loaded")
    yield Scene(server, made)
    server.drop(made)


@pytest.fixture
def crowded(server: Server) -> Iterator[Scene]:
    """A loaded database on a small disk."""
    with small_disk(server.owner, DISK_MB) as folder:
        server.query("postgres", f"CREATE TABLESPACE crowded LOCATION '{folder}'")
        made = server.new("TEMPLATE loaded TABLESPACE crowded")
        yield Scene(server, made, folder)
        server.drop(made)
        server.query("postgres", "DROP TABLESPACE crowded")


def dump(scene: Scene) -> list[str]:
    """Return all that the database holds."""
    return scene.server.dump(name_of(scene.database))


def assert_nothing_left(scene: Scene, before: list[str]) -> None:
    """Assert that the earlier data is as it was, and that the next load cleans up."""
    assert scene.server.dump(name_of(scene.database), "mock_data") == before
    scene.mends.close()
    load(scene.database, seed=3)
    assert schemas(scene) == ["mock_data"]
    seeds = "SELECT seed FROM mock_data.polargen_runs WHERE replaced_at IS NULL"
    assert scene.server.query(name_of(scene.database), seeds) == ["3"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_fault__leaves_the_old_data_and_nothing_else(
    fault: Fault, request: pytest.FixtureRequest
) -> None:
    scene: Scene = request.getfixturevalue("crowded" if fault.small else "scene")
    if fault.before:
        scene.sql(fault.before)
    before, everything = scene.server.dump(name_of(scene.database), "mock_data"), dump(scene)
    target = replace(scene.database, load_mode=fault.mode)  # type: ignore[arg-type]
    strike = at(fault.stage, lambda: fault.act(scene))
    with pytest.raises(PolargenError, match=fault.says) as caught:
        load(target, seed=2, hear=strike, how={"verify": True})
    assert caught.value.exit_code == fault.code
    assert PASSWORD not in str(caught.value)
    assert dump(scene) == everything
    assert_nothing_left(scene, before)


def process(*arguments: str, paths: tuple[Path, ...] = ()) -> subprocess.Popen[str]:
    """Start Python in a process of its own, beside this folder and others."""
    path = os.pathsep.join(map(str, (HERE, *paths, *sys.path)))
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "mode"), [*((stage, "replace") for stage in STAGES), (ROWS, "append")]
)
def test_killed_process__leaves_the_old_data(scene: Scene, stage: str, mode: str) -> None:
    before = scene.server.dump(name_of(scene.database), "mock_data")
    run = process(str(HERE / "loads.py"), scene.database.url, stage, "2", mode)
    _, said = run.communicate()
    assert run.returncode == -signal.SIGKILL, said
    assert_nothing_left(scene, before)


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGINT, 130, "stopped by Ctrl-C; the run was rolled back"),
        (signal.SIGTERM, 143, "stopped by SIGTERM; the run was rolled back"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_signal__while_two_workers_copy_leaves_the_old_data(
    scene: Scene, number: int, code: int, says: str
) -> None:
    before = scene.server.dump(name_of(scene.database), "mock_data")
    how = ("--multiplier", "30", "--workers", "2", "--no-dry-run", "--database", scene.database.url)
    run = process("-m", "polargen", "generate", *PERIOD, "--to", "2024-12-31", *how)
    copied = (
        "SELECT coalesce(sum(pg_relation_size(c.oid)), 0) > 0 FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = relnamespace WHERE nspname LIKE 'mock_data__job-%' AND relname = 'orders'"
    )
    while scene.server.query(name_of(scene.database), copied) == ["f"]:
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)
    run.send_signal(number)
    _, said = run.communicate()
    assert run.returncode == code, said
    assert says in said
    assert PASSWORD not in said
    assert_nothing_left(scene, before)


BROKEN = """
import sys
from dataclasses import replace

from polargen import register_generator
from polargen.cli import main
from polargen_loyalty import LOYALTY_POINTS, LoyaltyGenerator

columns = LOYALTY_POINTS.columns
few = tuple(replace(item, high=10) if item.name == "points" else item for item in columns)


class Broken(LoyaltyGenerator):
    tables = (replace(LOYALTY_POINTS, columns=few),)


register_generator(Broken)
sys.exit(main(sys.argv[1:]))
"""


def test_plugin__whose_rows_break_the_range_that_it_declares_is_rolled_back(scene: Scene) -> None:
    before, everything = scene.server.dump(name_of(scene.database), "mock_data"), dump(scene)
    how = ("--no-dry-run", "--database", scene.database.url, "--no-check", "--workers", "1")
    run = process("-c", BROKEN, "generate", *PERIOD, *how, paths=(LOYALTY,))
    _, said = run.communicate()
    assert run.returncode == 4, said
    assert 'check constraint "loyalty_points_points_range" of relation "loyalty_points"' in said
    assert "the rows break the schema's rules" in said
    assert dump(scene) == everything
    assert_nothing_left(scene, before)


def test_worker__that_is_killed_is_told_and_rolled_back(scene: Scene) -> None:
    before, everything = scene.server.dump(name_of(scene.database), "mock_data"), dump(scene)

    def end_workers() -> None:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        for child in children:
            if b"polargen.executors" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

    strike = at("generating audit_logs", end_workers)
    asked = {"seed": 2, "multiplier": 60.0, "end": "2024-03-30", "how": {"workers": 2}}
    with pytest.raises(PolargenError, match="a worker process died") as caught:
        load(scene.database, hear=strike, **asked)  # type: ignore[arg-type]
    assert caught.value.exit_code == 1
    assert dump(scene) == everything
    assert_nothing_left(scene, before)


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("server closed the connection unexpectedly\n\tThis probably means", "server closed the"),
        ("no connection to the server\n", "no connection to the server"),
        ("\n", "no connection to the server"),
    ],
)
def test_lost_session__is_said_after_a_statement_of_several_lines(reason: str, says: str) -> None:
    query = "ALTER TABLE \"x\"\n  ADD CHECK (a <> 'b': c)"
    error = Exception(f"INTERNAL: [libpq] Failed to execute query '{query}': {reason}")
    shown = str(Database("postgresql://u@h/db").error(error))
    assert says in shown
    assert shown.endswith("the session was lost; run the command again")
    assert "ALTER" not in shown
