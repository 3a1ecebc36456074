"""Keeping memory, in bounds: blocks allocate and free the same large arrays over and over.

glibc hands large arrays back to the system at once, and each next one costs a page fault for
every 4 KiB: a third of a run's time. Kept in the heap, they are reused. The heap wears into pieces
that fit nothing, so what is free is handed back whenever the process has grown past a bound.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # Source: malloc.h, mallopt
_KEEP_BYTES = 1 << 30
_PAD_BYTES = 64 << 20
# Resident. Measured: a worker that writes CSV stays just below; one with the masters of 300 million
# rows passes it by 30 MB before it gives back.
_BOUND_BYTES = 340 << 20


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; elsewhere nothing happens."""
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, _KEEP_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEEP_BYTES)
    mallopt(_TOP_PAD, _PAD_BYTES)


def release_excess() -> None:
    """Hand free memory back to the system if this process holds more than its bound."""
    trim = _glibc("malloc_trim")
    if trim is not None and resident_bytes() > _BOUND_BYTES:
        trim(0)


def resident_bytes() -> int:
    """Return the resident memory of this process; Linux only."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _glibc(name: str) -> Any:
    """Return a function of glibc, None where the system has another C library."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
