"""Ground truth: one row for each field that an anomaly changed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen.blocks import BlockContext
from polargen.calendar import US_PER_DAY
from polargen.columns import Array, Frame, Nullable, enum_labels, fixed_text, string_array, to_arrow
from polargen.schema import TABLES, Column
from polargen.schema.service import ANOMALY_LABELS, ANOMALY_TYPES, ENTITY_TYPES, SEVERITIES

_CLOCK_AT = (11, 12, 14, 15, 17, 18, 20, 21, 22, 23, 24, 25)  # figures of HH:MM:SS.ffffff


@dataclass
class Labels:
    """Collects label rows of one block; `frame` gives them as a table."""

    _parts: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        anomaly: Array | str,
        entity: str,
        field_name: str | None,
        entity_id: Array,
        original: Array | Nullable | pa.Array | None,
        injected: Array | Nullable | pa.Array | None,
        severity: Array | str,
        event_at: Array,
        cluster_id: Array | None = None,
    ) -> None:
        """Add one row for each entity.

        Args:
            anomaly: codes of `ANOMALY_TYPES`, or one name for all.
            entity: table name.
            field_name: changed column, None for the row as a whole.
            entity_id: int64 keys.
            original, injected: the column's values before and after, as generators hold them.
            severity: uint8 codes, or one name for all.
            event_at: int64 µs.
            cluster_id: int64, 0 for none.
        """
        n = len(entity_id)
        if n == 0:
            return
        column = None if field_name is None else TABLES[entity][field_name]
        if isinstance(anomaly, str):
            anomaly = np.full(n, ANOMALY_TYPES.index(anomaly), dtype=np.uint8)
        if isinstance(severity, str):
            severity = np.full(n, SEVERITIES.index(severity), dtype=np.uint8)
        self._parts.append(
            {
                "anomaly_type": anomaly,
                "entity": np.full(n, ENTITY_TYPES.index(entity), dtype=np.uint8),
                "entity_id": entity_id,
                "field": pa.repeat(pa.scalar(field_name, pa.string()), n),
                "original_value": as_text(column, original, n),
                "injected_value": as_text(column, injected, n),
                "severity": severity,
                "cluster_id": np.zeros(n, dtype=np.int64) if cluster_id is None else cluster_id,
                "event_at": event_at,
            }
        )

    def frame(self, ctx: BlockContext) -> Frame:
        """Return all rows, with keys reserved for the block."""

        def joined(name: str, dtype: type) -> Array:
            parts: list[Array] = [np.asarray(part[name], dtype=dtype) for part in self._parts]
            return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)

        def text(name: str) -> Nullable:
            array = pa.chunked_array(
                [part[name] for part in self._parts], type=pa.string()
            ).combine_chunks()
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            return Nullable(array.fill_null(""), valid)

        cluster = joined("cluster_id", np.int64)
        n = len(cluster)
        return Frame(
            ANOMALY_LABELS,
            {
                "label_id": ctx.key_start("anomaly_labels") + np.arange(n, dtype=np.int64),
                "anomaly_type": joined("anomaly_type", np.uint8),
                "entity": joined("entity", np.uint8),
                "entity_id": joined("entity_id", np.int64),
                "field": text("field"),
                "original_value": text("original_value"),
                "injected_value": text("injected_value"),
                "severity": joined("severity", np.uint8),
                "cluster_id": Nullable(cluster, cluster > 0),
                "event_at": joined("event_at", np.int64),
            },
        )


def as_text(column: Column | None, values: Array | Nullable | pa.Array | None, n: int) -> pa.Array:
    """Return a column's values as labels show them.

    Instants ``2024-01-03T10:15:23.482913Z``, dates ISO, money ``123.45``, truth true or false,
    enumerations and text as they are, null as null.
    """
    if values is None or column is None:
        return pa.nulls(n, pa.string())
    if column.kind == "enum":
        codes = values.values if isinstance(values, Nullable) else values
        mask = ~values.valid if isinstance(values, Nullable) else None
        index = pa.array(np.asarray(codes, dtype=np.int32), mask=mask)
        return enum_labels(column.values).take(index)
    if column.kind == "instant":
        valid = values.valid if isinstance(values, Nullable) else np.ones(n, dtype=bool)
        us = values.values if isinstance(values, Nullable) else values
        assert isinstance(us, np.ndarray)
        shown = _instants(np.where(valid, us, 0))
        return shown if valid.all() else pc.if_else(pa.array(valid), shown, None)
    nullable = Column(column.name, column.kind, "", nullable=True, values=column.values)
    array = to_arrow(nullable, values, "label")
    return array.cast(pa.string())


def _instants(us: Array) -> pa.Array:
    """Write instants by their figures; a cast to text takes ten times as long."""
    day = us // US_PER_DAY
    minute, rest_us = np.divmod(us - day * US_PER_DAY, 60_000_000)
    clock = (minute // 60 * 100 + minute % 60) * 100_000_000 + rest_us  # HHMMSSffffff
    distinct, place = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(distinct.astype("datetime64[D]")).astype("S10")
    text = np.tile(np.frombuffer(b"0000-00-00T00:00:00.000000Z", dtype=np.uint8), (len(us), 1))
    text[:, :10] = dates.view(np.uint8).reshape(-1, 10)[place]
    figures = np.frombuffer(fixed_text("", clock, 12).buffers()[2], dtype=np.uint8)
    text[:, _CLOCK_AT] = figures.reshape(-1, 12)
    return string_array(text)
