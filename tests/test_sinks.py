"""Contract of the sinks: written = generated, all or nothing, in every format."""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hand_made import Run, arrow

from polargen.columns import arrow_to_polars
from polargen.dataset import Dataset
from polargen.errors import ConfigError, TargetError
from polargen.schema import TABLES, Column, Table
from polargen.sinks import SINKS, SinkSettings
from polargen.sinks import folder as folder_module
from polargen.sinks.files import FileSink
from polargen.sinks.memory import MemorySink

FILE_SINKS = tuple(name for name, sink in SINKS.items() if issubclass(sink, FileSink))
CODECS = [(name, codec or "none") for name in FILE_SINKS for codec in SINKS[name].codecs]
FEW = tuple(TABLES[name] for name in ("users", "orders", "maintenance_visits"))


def run(out: Path, format: str = "parquet", **changes: object) -> Run:
    """Return a small run to OUT."""
    return Run(replace(SinkSettings(format, str(out), FEW), **changes).open_sink())


def tree(folder: Path) -> dict[str, bytes]:
    """Return all that lies in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(mount), b"tmpfs", 0, b"size=400k") != 0:
        pytest.skip("no permission to mount a tmpfs")
    yield mount
    libc.umount2(bytes(mount), 2)


@pytest.fixture(params=["exchange", "two renames"])
def swap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to put a folder in the place of another."""
    if request.param == "two renames":
        monkeypatch.setattr(folder_module, "exchange", lambda one, other: False)


@pytest.mark.parametrize(("format", "codec"), CODECS)
def test_file_sinks__read_back_what_was_written(tmp_path: Path, format: str, codec: str) -> None:
    tables = tuple(TABLES.values())
    made = Run(SinkSettings(format, str(tmp_path / "out"), tables, codec).open_sink())
    manifest = made.finish()
    data = Dataset.open(tmp_path / "out")
    assert data.manifest == manifest
    assert list(data.tables) == list(TABLES)
    for table in tables:
        want = arrow_to_polars(table, pa.concat_tables(made.written[table.name]))
        got = pl.concat(data.read(table.name, group) for group in data.groups)
        assert dict(got.schema) == table.polars_schema
        assert got.equals(want), table.name
    assert data.check_files() == []
    assert data.check_content() == []


def test_memory_sink__gives_frames_in_block_order() -> None:
    made = Run(SinkSettings("memory", "", FEW).open_sink())
    made.finish()
    assert isinstance(made.sink, MemorySink)
    for table in FEW:
        want = arrow_to_polars(table, pa.concat_tables(made.written[table.name]))
        assert made.sink.frames[table.name].equals(want)


def test_memory_sink__records_cross_a_process_border() -> None:
    made = Run(SinkSettings("memory", "", FEW).open_sink())
    parts = pickle.loads(pickle.dumps(made.make(0)))
    assert [part.rows for part in parts] == [12, 12, 12]
    assert parts[0].data.equals(pa.concat_tables(made.rows(FEW[0], 0)))


@pytest.mark.parametrize("format", FILE_SINKS)
def test_settings__are_small_and_picklable(tmp_path: Path, format: str) -> None:
    settings = SinkSettings(format, str(tmp_path / "out"), tuple(TABLES.values()))
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("format", FILE_SINKS)
def test_tables_without_rows__have_an_empty_part(tmp_path: Path, format: str) -> None:
    run_ = Run(SinkSettings(format, str(tmp_path / "out"), FEW).open_sink(), ((0,), (0, 0)))
    manifest = run_.finish()
    data = Dataset.open(tmp_path / "out")
    for table in FEW:
        assert [part.rows for part in manifest.tables[table.name].parts] == [0]
        frame = data.read(table.name, 0)
        assert frame.height == 0
        assert dict(frame.schema) == table.polars_schema
    assert data.check_files() == []


@pytest.mark.parametrize("format", FILE_SINKS)
def test_groups_without_rows_of_a_table__write_no_part_of_it(tmp_path: Path, format: str) -> None:
    made = Run(SinkSettings(format, str(tmp_path / "out"), FEW).open_sink(), ((0,), (3,)))
    manifest = made.finish()
    assert [part.group for part in manifest.tables["orders"].parts] == [1]


@pytest.mark.parametrize("format", FILE_SINKS)
def test_tables__limits_what_is_written(tmp_path: Path, format: str) -> None:
    made = run(tmp_path / "out", format, tables=FEW[:1])
    made.open()
    with made.sink.settings.open_group(0) as writer:
        writer.write(FEW[0], arrow(FEW[0], 3))
        writer.write(FEW[1], arrow(FEW[1], 3))
        assert [part.table for part in writer.close()] == [FEW[0].name]
    made.sink.abort()


@pytest.mark.parametrize("format", FILE_SINKS)
def test_abort__leaves_nothing(tmp_path: Path, format: str) -> None:
    made = run(tmp_path / "deep" / "er" / "out", format)
    made.open()
    made.record(0)
    assert names(tmp_path / "deep" / "er") == ["out.partial"]
    made.sink.abort()
    made.sink.abort()
    assert names(tmp_path) == []


def test_abort__keeps_parents_that_were_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    made = run(tmp_path / "mine" / "out")
    made.open()
    made.sink.abort()
    assert names(tmp_path) == ["mine"]


def test_abort__of_a_sink_that_was_never_opened_is_harmless(tmp_path: Path) -> None:
    run(tmp_path / "out").sink.abort()
    assert names(tmp_path) == []


@pytest.mark.parametrize("format", FILE_SINKS)
def test_failed_run__leaves_the_earlier_data(tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    run(out).finish()
    before = tree(out)
    made = run(out, format)
    made.open("plan-2")
    made.record(0)
    assert tree(out) == before
    made.sink.abort()
    assert tree(out) == before
    assert names(tmp_path) == ["out"]


@pytest.mark.usefixtures("swap")
def test_commit__replaces_an_earlier_data_set(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(out, "csv").finish()
    run(out, "parquet").finish()
    assert names(tmp_path) == ["out"]
    assert names(out) == ["maintenance_visits", "manifest.json", "orders", "users"]
    assert Dataset.open(out).check_files() == []
    assert {path.suffix for path in (out / "orders").iterdir()} == {".parquet"}


def test_commit__fills_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(tmp_path / "out").finish()
    assert Dataset.open(tmp_path / "out").check_files() == []


def test_commit__follows_a_link_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    run(tmp_path / "out").finish()
    assert (tmp_path / "out").is_symlink()
    assert Dataset.open(tmp_path / "real").check_files() == []


@pytest.mark.parametrize("where", ["a.txt", "orders/a.txt", "orders/deep/a.txt"])
def test_open__refuses_a_data_set_with_foreign_files(tmp_path: Path, where: str) -> None:
    out = tmp_path / "out"
    run(out).finish()
    (out / where).parent.mkdir(exist_ok=True)
    (out / where).write_text("mine")
    before = tree(out)
    with pytest.raises(ConfigError, match=rf"out holds other files \({where}\): choose another"):
        run(out).open()
    assert tree(out) == before
    assert names(tmp_path) == ["out"]


def test_open__refuses_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in "abcd":
        (out / f"{name}.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"\(a.txt, b.txt, c.txt, ...\)") as refused:
        run(out).open()
    assert refused.value.exit_code == 2
    assert len(tree(out)) == 4


def test_open__refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        run(tmp_path / "out").open()


def test_open__refuses_a_folder_of_the_partial_name_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"out.partial holds other files"):
        run(tmp_path / "out").open()
    assert (tmp_path / "out.partial" / "thesis.txt").read_text() == "mine"


def test_commit__refuses_files_that_came_while_the_run_was_going(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run(out)
    made.open()
    made.record(0)
    made.record(1)
    out.mkdir()
    (out / "a.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        made.sink.commit(made.manifest())
    made.sink.abort()
    assert tree(tmp_path) == {"out/a.txt": b"mine"}


def test_open__refuses_a_mount_point(tiny_disk: Path) -> None:
    with pytest.raises(ConfigError, match="is a mount point: choose a folder inside it"):
        run(tiny_disk).open()


def test_lock__a_second_run_to_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = run(tmp_path / "out")
    first.open()
    first.record(0)
    code = (
        "import sys; from polargen.sinks import SinkSettings; from polargen.errors import *\n"
        "try: SinkSettings('csv', sys.argv[1], ()).open_sink().open('plan-1', {}, True)\n"
        "except TargetError as error: print(error)"
    )
    second = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is being written by another run" in second.stdout
    with pytest.raises(TargetError, match="another run"):
        run(tmp_path / "out").open()
    first.record(1)
    first.sink.commit(first.manifest())
    assert Dataset.open(tmp_path / "out").check_content() == []


def test_lock__is_free_again_after_commit_and_abort(tmp_path: Path) -> None:
    run(tmp_path / "out").finish()
    made = run(tmp_path / "out")
    made.open()
    made.sink.abort()
    run(tmp_path / "out").finish()


@pytest.mark.parametrize("format", FILE_SINKS)
def test_full_disk__is_said_and_leaves_the_earlier_data(tiny_disk: Path, format: str) -> None:
    out = tiny_disk / "out"
    small = Run(SinkSettings(format, str(out), FEW[:1]).open_sink(), ((2,),))
    small.finish()
    before = tree(out)
    big = Run(SinkSettings(format, str(out), FEW, "none").open_sink(), ((20_000,),))
    big.open()
    with pytest.raises(TargetError, match=r"out: the disk is full; free some space") as failed:
        big.record(0)
    assert failed.value.exit_code == 4
    big.sink.abort()
    assert tree(out) == before
    assert names(tiny_disk) == ["out"]


def test_full_disk__at_the_start_leaves_no_trace(tiny_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (tiny_disk / "ballast").write_bytes(bytes(500_000))
    size = sum(len(text) for text in tree(tiny_disk).values())
    (tiny_disk / "ballast").write_bytes(bytes(size))
    with pytest.raises(TargetError, match="the disk is full"):
        run(tiny_disk / "out").open()
    assert names(tiny_disk) == ["ballast"]


def test_read_only_file_system__is_said(tiny_disk: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 32 | 1  # MS_REMOUNT | MS_RDONLY
    assert libc.mount(b"tmpfs", bytes(tiny_disk), b"tmpfs", flags, b"size=400k") == 0
    with pytest.raises(TargetError, match="the file system is read-only; choose another folder"):
        run(tiny_disk / "deep" / "out").open()


def test_resume__keeps_whole_groups_and_makes_the_rest_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = run(out)
    killed.open()
    killed.record(0)
    killed.make(1)  # its parts are there, its record is not
    _kill(killed)
    again = run(out)
    again.open(resume=True)
    kept = again.sink.existing_groups()
    assert list(kept) == [0]
    assert kept[0].extra == {"group": 0}
    assert sum(part.rows for part in kept[0].parts) == 36
    again.record(1)
    again.sink.commit(again.manifest())
    resumed = tree(out)
    run(tmp_path / "straight").finish()
    assert resumed == tree(tmp_path / "straight")


def test_resume__after_a_real_kill(tmp_path: Path) -> None:
    run(tmp_path / "out", "csv").finish()
    before = tree(tmp_path / "out")
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from test_sinks import run\n"
        "made = run(Path(sys.argv[1])); made.open(); made.record(0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out"), here], check=False)
    assert killed.returncode == -9
    assert tree(tmp_path / "out") == before
    again = run(tmp_path / "out")
    again.open(resume=True)
    assert list(again.sink.existing_groups()) == [0]
    again.record(1)
    again.sink.commit(again.manifest())
    assert Dataset.open(tmp_path / "out").check_content() == []
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "no record", "half a record"])
def test_resume__makes_damaged_groups_again(tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    killed = run(out)
    killed.open()
    killed.record(0)
    killed.record(1)
    _kill(killed)
    part = tmp_path / "out.partial" / "orders" / "part-00001.parquet"
    record = tmp_path / "out.partial" / "_groups" / "00001.json"
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    elif damage == "changed":
        part.write_bytes(part.read_bytes()[:-9] + b"x" + part.read_bytes()[-8:])
    elif damage == "missing":
        part.unlink()
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text(record.read_text()[:50])
    again = run(out)
    again.open(resume=True)
    assert list(again.sink.existing_groups()) == [0]
    again.record(1)
    again.sink.commit(again.manifest())
    assert Dataset.open(out).check_content() == []


@pytest.mark.parametrize("change", ["plan", "format", "tables"])
def test_resume__refuses_another_run_and_keeps_its_work(tmp_path: Path, change: str) -> None:
    killed = run(tmp_path / "out")
    killed.open()
    killed.record(0)
    _kill(killed)
    before = tree(tmp_path)
    other = run(
        tmp_path / "out",
        "csv" if change == "format" else "parquet",
        tables=FEW[:2] if change == "tables" else FEW,
    )
    with pytest.raises(ConfigError, match=rf"left by another run \(its {change}.* do not resume"):
        other.open("plan-2" if change == "plan" else "plan-1", resume=True)
    assert tree(tmp_path) == before


def test_resume__with_nothing_to_resume_starts_anew(tmp_path: Path) -> None:
    made = run(tmp_path / "out")
    made.open(resume=True)
    assert made.sink.existing_groups() == {}
    made.sink.abort()


def test_open__without_resume_throws_a_killed_run_away(tmp_path: Path) -> None:
    killed = run(tmp_path / "out")
    killed.open()
    killed.record(0)
    _kill(killed)
    made = run(tmp_path / "out")
    made.open()
    assert made.sink.existing_groups() == {}
    assert [name for name in tree(tmp_path / "out.partial") if "part-" in name] == []
    made.sink.abort()


def test_group__made_twice_is_the_same_and_leaves_no_draft(tmp_path: Path) -> None:
    made = run(tmp_path / "out")
    made.open()
    assert made.make(0) == made.make(0)
    with pytest.raises(KeyError), made.sink.settings.open_group(1) as writer:
        writer.write(FEW[0], arrow(FEW[1], 10))
    files = [name for name in tree(tmp_path / "out.partial") if "/" in name]
    assert sorted(files) == sorted(f"{t.name}/part-00000.parquet" for t in FEW)
    made.sink.abort()


def test_commit__removes_drafts_and_parts_of_earlier_tries(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(out, target_file_size_bytes=1)
    first.open()
    first.make(0)
    writer = first.sink.settings.open_group(1)
    writer.write(FEW[0], arrow(FEW[0], 10))
    _kill(first)
    made = run(out, target_file_size_bytes=None)
    made.open()
    made.record(0)
    (tmp_path / "out.partial" / "users" / "part-00000-7.parquet").write_text("a longer try")
    made.record(1)
    made.sink.commit(made.manifest())
    assert Dataset.open(out).check_files() == []


def test_writer__after_the_run_was_aborted_makes_no_folder(tmp_path: Path) -> None:
    made = run(tmp_path / "out")
    made.open()
    made.sink.abort()
    with pytest.raises(TargetError, match="cannot be written"):
        made.make(0)
    assert names(tmp_path) == []


@pytest.mark.parametrize("moment", ["before the exchange", "after it", "between two renames"])
def test_killed_while_committing__the_next_run_finds_whole_data(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(out, "csv").finish()
    made = run(out, "parquet")
    made.open()
    made.record(0)
    made.record(1)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    if moment == "before the exchange":
        monkeypatch.setattr(folder_module, "exchange", kill)
    elif moment == "after it":
        monkeypatch.setattr(Path, "rename", kill)
    else:
        monkeypatch.setattr(folder_module, "exchange", lambda one, other: False)
        real = Path.rename
        steps = iter((real, kill))
        monkeypatch.setattr(Path, "rename", lambda self, to: next(steps)(self, to))
    with pytest.raises(KeyboardInterrupt):
        made.sink.commit(made.manifest())
    _kill(made)
    monkeypatch.undo()
    following = run(out)
    following.open()
    data = Dataset.open(out)
    assert data.manifest.format == ("parquet" if moment == "after it" else "csv")
    assert data.check_content() == []
    following.sink.abort()
    assert names(tmp_path) == ["out"]
    assert data.check_files() == []


@pytest.mark.parametrize("format", FILE_SINKS)
def test_target_file_size__splits_a_group_into_files_near_it(tmp_path: Path, format: str) -> None:
    target = 20_000
    table = TABLES["discounts"]
    settings = SinkSettings(
        format, str(tmp_path / "out"), (table,), "none", target_file_size_bytes=target
    )
    made = Run(settings.open_sink(), ((3000, 3000), (10,)))
    manifest = made.finish()
    parts = manifest.tables["discounts"].parts
    in_first = [part for part in parts if part.group == 0]
    assert len(in_first) > 3
    assert in_first[1].file.startswith("discounts/part-00000-1.")
    assert all(part.bytes < 2 * target for part in parts)
    data = Dataset.open(tmp_path / "out")
    assert data.check_content() == []
    assert data.check_files() == []


def test_batch_size__changes_no_byte_of_text(tmp_path: Path) -> None:
    run(tmp_path / "one", "csv", batch_size=3).finish()
    run(tmp_path / "two", "csv", batch_size=100_000).finish()
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("format", ["csv", "json"])
def test_pooled_text__of_chunks_with_pools_of_their_own(format: str) -> None:
    table = Table(
        "notes", "notes", "Notes.", "id",
        (Column("id", "key", "Key."), Column("said", "label", "Text.", True)),
    )  # fmt: skip
    said = [["a", 'b "b"', None], ["c", "a", "d"]]  # the same codes mean another text
    chunks = [pa.array(texts * 8000, pa.string()).dictionary_encode() for texts in said]
    column = pa.chunked_array([chunk.cast(table.arrow_schema.field(1).type) for chunk in chunks])
    rows = pa.table([pa.array(range(48_000), pa.int64()), column], schema=table.arrow_schema)
    file = io.BytesIO()
    encoder = SINKS[format].encoder(table, file, SinkSettings(format, "", (table,)))
    encoder.write(rows)
    encoder.close()
    read = {"csv": pl.read_csv, "json": pl.read_ndjson}[format](io.BytesIO(file.getvalue()))
    assert read["said"].to_list() == said[0] * 8000 + said[1] * 8000
    assert read["id"].to_list() == list(range(48_000))


@pytest.mark.parametrize(("format", "codec"), CODECS)
def test_files__are_the_same_bytes_each_time(tmp_path: Path, format: str, codec: str) -> None:
    run(tmp_path / "one", format, compression=codec).finish()
    run(tmp_path / "two", format, compression=codec).finish()
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_compression__unknown_codecs_and_levels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'brotli' is none of parquet's codecs \(zstd, snappy"):
        run(tmp_path / "out", compression="brotli")
    with pytest.raises(ConfigError, match=r"99 is not in gzip's 1..9"):
        run(tmp_path / "out", "csv", compression="gzip", compression_level=99)
    with pytest.raises(ConfigError, match="no compression has none"):
        run(tmp_path / "out", "csv", compression_level=3)
    with pytest.raises(ConfigError, match="'xlsx' is unknown, must be one of"):
        run(tmp_path / "out", "xlsx")


@pytest.mark.parametrize(("format", "codec"), CODECS)
def test_compression__takes_a_level(tmp_path: Path, format: str, codec: str) -> None:
    if codec in ("none", "snappy"):
        pytest.skip("has no levels")
    run(tmp_path / "out", format, compression=codec, compression_level=3).finish()
    assert Dataset.open(tmp_path / "out").check_content() == []


def test_tables_of_plug_ins__are_written_like_any_other(tmp_path: Path) -> None:
    table = Table(
        "loyalty_points",
        "loyaltyPoints",
        "Points.",
        "id",
        (
            Column("id", "key", "Key."),
            Column("kinds", "enums", "Kinds.", values=("a", "b")),
            Column("bits", "structs", "Nested.", fields=(Column("ok", "bool", "Whether.", True),)),
        ),
    )
    for format in FILE_SINKS:
        out = tmp_path / format
        made = Run(SinkSettings(format, str(out), (table,)).open_sink())
        made.finish()
        assert Dataset.open(out, {table.name: table}).check_content() == []


def _kill(run_: Run) -> None:
    """Let go of the lock as a kill does, and leave everything else."""
    held = run_.sink._folder._lock  # type: ignore[attr-defined]
    fcntl.flock(held, fcntl.LOCK_UN)
    os.close(held)
    run_.sink._folder._lock = None  # type: ignore[attr-defined]
