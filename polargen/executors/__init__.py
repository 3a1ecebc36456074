"""Executors: where groups of blocks are made.

An executor takes group numbers and hands back results in any order. The local one uses processes
of this machine; another engine can take the same tasks, which need nothing but their settings.
"""

from __future__ import annotations

from polargen.executors.local import LocalExecutor
from polargen.executors.work import (
    BlockResult,
    GroupResult,
    WorkSettings,
    groups_of,
    joined_blocks,
    run_group,
)

__all__ = [
    "BlockResult",
    "GroupResult",
    "LocalExecutor",
    "WorkSettings",
    "groups_of",
    "joined_blocks",
    "run_group",
]
