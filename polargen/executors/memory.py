"""Keeping memory: blocks allocate and free the same large arrays over and over.

glibc hands large arrays back to the system at once, and each next one costs a page fault for
every 4 KiB: a third of a run's time. Kept in the heap, they are reused; the peak stays the same.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # Source: malloc.h, mallopt
_KEEP_BYTES = 1 << 30
_PAD_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; elsewhere nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, _KEEP_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEEP_BYTES)
    mallopt(_TOP_PAD, _PAD_BYTES)
