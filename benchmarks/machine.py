"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]


def describe(work_dir: Path) -> dict[str, Any]:
    """Return cores, CPU, memory, kernel, Python, file system and load of this machine."""
    return {
        "cores": cores(),
        "cpu": _cpu(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "file_system": _file_system(work_dir),
        "load_before": round(os.getloadavg()[0], 2),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    """Return the CPU's model, with its family and number where the name alone says little."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    first = text.split("\n\n")[0].splitlines()
    found = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)
    }
    name = found.get("model name", platform.machine())
    if "cpu family" in found:
        name += f" (family {found['cpu family']}, model {found.get('model', '?')})"
    return name


def _file_system(folder: Path) -> str:
    best = ("unknown", "")
    for part in psutil.disk_partitions(all=True):
        mount = Path(part.mountpoint)
        if folder.resolve().is_relative_to(mount) and len(part.mountpoint) > len(best[1]):
            best = (str(part.fstype), part.mountpoint)
    return best[0]
