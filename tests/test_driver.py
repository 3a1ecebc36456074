"""Another ADBC driver than the wheel's: what reaches the server by it, and what is refused."""

from __future__ import annotations

import ctypes.util
import shutil
from pathlib import Path

import adbc_driver_postgresql
import pytest
from loads import load
from server import Server, name_of

from polargen.cli import main
from polargen.database import Database
from polargen.database_set import verify_database
from polargen.driver import VARIABLE

(LIBRARY,) = Path(adbc_driver_postgresql.__file__).parent.glob("libadbc_driver_postgresql.*")


def test_chosen_driver__loads_what_the_wheel_loads(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_wheel, by_chosen = server.new(), server.new()
    load(by_wheel)
    chosen = shutil.copy(LIBRARY, tmp_path / f"another{LIBRARY.suffix}")
    monkeypatch.setenv(VARIABLE, str(chosen))
    load(by_chosen, how={"workers": 2})
    assert verify_database(by_chosen).failed == []
    sums = "SELECT md5(string_agg(t::text, ',' ORDER BY order_id)) FROM mock_data.orders t"
    assert server.query(name_of(by_chosen), sums) == server.query(name_of(by_wheel), sums)
    if (maps := Path("/proc/self/maps")).exists():
        assert str(chosen) in maps.read_text(encoding="utf-8")
    server.drop(by_wheel)
    server.drop(by_chosen)


@pytest.mark.parametrize("chosen", ["/nowhere/driver.so", "no_such_driver", "text", "library"])
def test_chosen_driver__that_is_none_is_refused_in_one_sentence(
    server: Server,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    chosen: str,
) -> None:
    if chosen == "text":
        (tmp_path / "text.so").write_text("no library")
        chosen = str(tmp_path / "text.so")
    elif chosen == "library":
        chosen = str(ctypes.util.find_library("c"))
    monkeypatch.setenv(VARIABLE, chosen)
    asked = ["generate", "--no-dry-run", "--database", database.url, "--to", "2024-01-02"]
    assert main([*asked, "--from", "2024-01-01"]) == 2
    _place, said = capsys.readouterr().err.splitlines()
    assert said.startswith(f"polargen: {VARIABLE} is {chosen!r}, which cannot be used: ")
    assert said.endswith("or unset the variable")
    query = "SELECT count(*) FROM pg_namespace WHERE nspname ~ 'mock'"
    assert server.query(name_of(database), query) == ["0"]
