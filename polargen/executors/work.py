"""The work of one task: make a group's blocks and hand them to the sink.

A task is a group number and `WorkSettings`; it needs nothing else, may run twice, and in any
process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from polargen.blocks import (
    BLOCK_ROWS,
    KEYS_PER_UNIT,
    Block,
    BlockContext,
    blocks_of,
)
from polargen.columns import Frame
from polargen.digest import digest
from polargen.errors import RunError, VerificationError
from polargen.executors.memory import release_excess
from polargen.generators import BaseGenerator, all_tables, generators, invalid_data
from polargen.generators.labels import Labels
from polargen.generators.totals import PackedTotals, Totals
from polargen.generators.world import build_world
from polargen.plan import Plan
from polargen.schema import Table
from polargen.schema.masters import COMPANIES, PRODUCTS
from polargen.schema.service import ANOMALY_LABELS
from polargen.sinks import PartRecord, SinkSettings

if TYPE_CHECKING:
    import polars as pl

_ENOUGH_GROUPS = 24
_MOST_JOINED = 8


@dataclass(frozen=True)
class WorkSettings:
    """What a worker needs for every task.

    Attributes:
        plan: of the run.
        sink: where frames go.
        blocks_per_group: neighbouring blocks of orders that share files.
        check: run the cheap rules on each block.
    """

    plan: Plan
    sink: SinkSettings
    blocks_per_group: int = 1
    check: bool = True


@dataclass(frozen=True)
class BlockResult:
    """What one block made.

    Attributes:
        block: number.
        rows, digests: by table.
        tally: anomaly type -> (eligible, labelled).
    """

    block: int
    rows: Mapping[str, int]
    digests: Mapping[str, str]
    tally: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class GroupResult:
    """What one group made.

    Attributes:
        group: number.
        parts: as the sink recorded them.
        blocks: in order.
        totals: sums of the group's orders, None without orders or once they are added up.
        seconds: spent by table maker ("orders", ...), and by "checks", "digests", "sink".
    """

    group: int
    parts: tuple[PartRecord, ...]
    blocks: tuple[BlockResult, ...]
    totals: PackedTotals | None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what a resumed run needs of a finished group."""
        return {
            "blocks": [
                {
                    "block": block.block,
                    "rows": dict(block.rows),
                    "digests": dict(block.digests),
                    "tally": {kind: list(pair) for kind, pair in block.tally.items()},
                }
                for block in self.blocks
            ],
            "totals": None if self.totals is None else self.totals.to_json(),
            "seconds": dict(self.seconds),
        }

    @classmethod
    def from_json(
        cls, group: int, parts: tuple[PartRecord, ...], extra: Mapping[str, Any]
    ) -> GroupResult:
        """Read what `to_json` gave."""
        blocks = tuple(
            BlockResult(
                block["block"],
                block["rows"],
                block["digests"],
                {kind: (pair[0], pair[1]) for kind, pair in block["tally"].items()},
            )
            for block in extra["blocks"]
        )
        totals = None if extra["totals"] is None else PackedTotals.from_json(extra["totals"])
        return cls(group, parts, blocks, totals, extra["seconds"])


def joined_blocks(plan: Plan) -> int:
    """Return how many neighbouring blocks of orders share files where no size is asked for.

    Mostly one. A large run joins more, which makes fewer files; it still has so many groups that
    no worker waits long for the last one of another.
    """
    orders = sum(block.kind == "orders" for block in blocks_of(plan))
    return max(1, min(orders // _ENOUGH_GROUPS, _MOST_JOINED))


def groups_of(plan: Plan, blocks_per_group: int = 1) -> tuple[tuple[Block, ...], ...]:
    """Return the run's groups: neighbouring blocks that share files.

    Blocks of orders go in runs of ``blocks_per_group``; others join until they hold as many rows
    as a block of orders. Masters come last and alone.
    """
    result: list[tuple[Block, ...]] = []
    current: list[Block] = []
    for block in blocks_of(plan):
        if current and not _joins(current, block, blocks_per_group):
            result.append(tuple(current))
            current = []
        current.append(block)
    if current:
        result.append(tuple(current))
    return tuple(result)


def _joins(current: list[Block], block: Block, blocks_per_group: int) -> bool:
    if (block.kind == "masters") != (current[-1].kind == "masters"):
        return False
    if block.kind == "orders":
        return current[-1].kind == "orders" and len(current) < blocks_per_group
    if current[-1].kind == "orders":
        return False
    return sum(item.units for item in current) + block.units <= BLOCK_ROWS


def totals_for(group: Sequence[Block], totals: Totals) -> PackedTotals:
    """Return what the masters of a group need of a run's totals."""

    def rows(table: str) -> range:
        blocks = [block for block in group if block.table == table]
        first, stop = (block.first for block in blocks), (block.stop for block in blocks)
        return range(min(first, default=0), max(stop, default=0))

    return totals.packed(rows(COMPANIES.name), rows(PRODUCTS.name))


def run_group(settings: WorkSettings, group: int, totals: Totals | None = None) -> GroupResult:
    """Make one group and write it.

    Args:
        settings: of the run.
        group: number.
        totals: of all facts, for groups of masters.

    Raises:
        VerificationError: a row breaks one of the cheap rules.
        TargetError: the target failed.
    """
    plan = settings.plan
    seconds: dict[str, float] = {}
    results: list[BlockResult] = []
    own: Totals | None = None
    with settings.sink.open_group(group) as writer:
        for block in groups_of(plan, settings.blocks_per_group)[group]:
            if block.kind == "orders" and own is None:
                own = Totals.zero(plan.companies, plan.products)
            frames, context = make_block(plan, block, totals or own, seconds)
            results.append(_deliver(settings, block, frames, context, writer.write, seconds))
            del context
        started = time.perf_counter()
        parts = tuple(writer.close())
        _spend(seconds, "sink", started)
    release_excess()
    packed = None if own is None else own.packed()
    return GroupResult(group, parts, tuple(results), packed, seconds)


def make_block(
    plan: Plan, block: Block, totals: Totals | None, seconds: dict[str, float]
) -> tuple[dict[str, Frame], BlockContext]:
    """Run every generator that has rows in a block.

    Returns:
        Frames by table, anomaly_labels among them, and the context with what generators left.
    """
    started = time.perf_counter()
    context = BlockContext(plan, block, build_world(plan), Labels(), totals)
    _spend(seconds, "world", started)
    frames: dict[str, Frame] = {}
    for generator in generators():
        if block.kind not in generator.kinds:
            continue
        if block.kind == "masters" and block.table not in _master_tables(generator):
            continue
        started = time.perf_counter()
        upstream = {name: frames[name] for name in generator.depends_on if name in frames}
        made = generator().generate(context, upstream)
        for name, frame in made.items():
            frames[name] = _as_frame(generator.name, name, frame)
        _spend(seconds, generator.name, started)
    invalid_data.inject(context, frames)
    frames[ANOMALY_LABELS.name] = context.labels.frame(context)
    context.book = None  # it refers back to the context, and would wait for the collector
    for name, frame in frames.items():
        room = KEYS_PER_UNIT.get(name, 0) * block.units
        if room and len(frame) > room:
            raise RunError(
                f"{name}: block {block.number} made {len(frame):,} rows but {room:,} keys are "
                "reserved for it; please report this scenario"
            )
    return frames, context


def _master_tables(generator: type[BaseGenerator]) -> tuple[str, ...]:
    return (*(table.name for table in generator.tables), *generator.depends_on)


def _as_frame(generator: str, name: str, frame: Frame | pl.DataFrame) -> Frame:
    table = _tables().get(name)
    if table is None:
        raise RunError(f"generator {generator!r} made a table {name!r} that it does not declare")
    return frame if isinstance(frame, Frame) else Frame.from_polars(table, frame)


@lru_cache(maxsize=1)
def _tables() -> Mapping[str, Table]:
    return all_tables()


def _deliver(
    settings: WorkSettings,
    block: Block,
    frames: dict[str, Frame],
    context: BlockContext,
    write: Callable[[Table, pa.Table], None],
    seconds: dict[str, float],
) -> BlockResult:
    if settings.check:
        started = time.perf_counter()
        _check(settings.plan, block, frames)
        _spend(seconds, "checks", started)
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    for name in list(frames):  # each is let go at once, so that the next reuses its memory
        frame = frames.pop(name)
        rows[name] = len(frame)
        started = time.perf_counter()
        arrow = frame.to_arrow()
        _spend(seconds, "arrow", started)
        started = time.perf_counter()
        digests[name] = digest(frame.table, arrow)
        _spend(seconds, "digests", started)
        started = time.perf_counter()
        write(frame.table, arrow)
        _spend(seconds, "sink", started)
    return BlockResult(block.number, rows, digests, dict(context.tally))


def _check(plan: Plan, block: Block, frames: Mapping[str, Frame]) -> None:
    from polargen import checks  # only here: without checks a run does without Polars

    context = checks.Context(plan.first_day, plan.last_day, plan.as_of_us)
    report = checks.check_block(frames, context)
    if not report.ok:
        broken = [report[number] for number in report.failed]
        listed = "; ".join(
            f"{found.rule} ({found.title}): {found.breaches:,} rows, such as {found.examples[:1]}"
            for found in broken
        )
        raise VerificationError(
            f"block {block.number} breaks {listed}; the run was rolled back, please report this"
        )


def _spend(seconds: dict[str, float], name: str, started: float) -> None:
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
