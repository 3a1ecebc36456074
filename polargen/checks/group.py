"""A group's frames with what rules ask of them together: parents, instants of statuses, excuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from polargen.checks.base import Context
from polargen.checks.rows import I64, Array, Bool, Rows, Source, pick

MASTERS = ("users", "companies", "branches", "products")
# Tables whose rows belong to an order.
ORDER_FAMILY = ("orders", "order_items", "shipments", "payments", "discounts", "refunds")
NEVER = -1
_INVALID = "invalid_data"
_T = TypeVar("_T")

Reads = Iterable[tuple[str, str]]


class Group:
    """The frames of one group, and the masters.

    Args:
        frames: by table; tables left out have no rows.
        masters: rows of users, companies, branches and products, at least the columns that
            `polargen.checks.verify.MASTER_COLUMNS` names; empty where only cheap rules are checked.
        context: of the run.

    Attributes:
        excuses: of the group's own labels and of those on masters.
    """

    def __init__(
        self,
        frames: Mapping[str, Source],
        masters: Mapping[str, Rows],
        context: Context,
    ) -> None:
        self.context = context
        self.masters = masters
        self._rows = {name: Rows(context.tables[name], frame) for name, frame in frames.items()}
        self._cache: dict[Any, Any] = {}
        self.excuses = Excuses()

    @classmethod
    def of_masters(cls, masters: Mapping[str, Rows], context: Context) -> Group:
        """Return a group whose only rows are the masters, for what is judged at the end."""
        group = cls({}, masters, context)
        group._rows.update(masters)
        return group

    def __getitem__(self, table: str) -> Rows:
        if table not in self._rows:
            self._rows[table] = Rows.empty(table)
        return self._rows[table]

    def add(self, table: str, frame: Source) -> None:
        """Add the frame of one more table."""
        self._rows[table] = Rows(self.context.tables[table], frame)

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables with rows."""
        return tuple(name for name, rows in self._rows.items() if len(rows))

    def cached(self, key: Any, make: Callable[[], _T]) -> _T:
        """Return what ``make`` gives, made once a group."""
        if key not in self._cache:
            self._cache[key] = make()
        result: _T = self._cache[key]
        return result

    def target(self, table: str) -> Rows:
        """Return the rows that a reference to ``table`` is looked up in."""
        return self.masters[table] if table in self.masters else self[table]

    def at(self, table: str, column: str) -> I64:
        """Return the row that each reference points to, -1 for null or none; int64."""

        def find() -> I64:
            rows = self[table]
            references = rows.table[column].references
            assert references is not None, f"{table}.{column} is no reference"
            found = self.target(references).index.find(rows[column])
            found[~rows.valid(column)] = NEVER
            return found

        return self.cached(("at", table, column), find)

    def of(self, table: str, column: str, wanted: str) -> Array:
        """Gather a column of the rows that a reference points to; arbitrary where there is none."""
        references = self[table].table[column].references
        assert references is not None
        return pick(self.target(references)[wanted], self.at(table, column))

    def entered(self, status: str) -> I64:
        """Return when each order entered a status by its history, µs UTC, -1 if it did not."""

        def find() -> I64:
            orders = self["orders"]
            history = orders.lists("status_history")
            code = orders.table["status"].code(status)
            marked = np.flatnonzero(history["status"] == code)
            result = np.full(len(orders), NEVER, dtype=np.int64)
            result[history.parent[marked]] = history["at"][marked]
            return result

        return self.cached(("entered", status), find)

    def links(self, table: str, index: I64) -> dict[str, I64]:
        """Return the rows that rows of a table hang on: kind -> ids, -1 for none.

        Args:
            table: of the rows.
            index: which rows; few.

        Returns:
            kinds are tables: "orders", "maintenance_visits" (the chain's root) and the masters.
        """
        rows = self[table]
        result: dict[str, I64] = {}
        if table in MASTERS:
            result[table] = rows.key[index]
            if table == "branches":
                result["companies"] = rows["company_id"][index]
            return result
        if table in ORDER_FAMILY or table == "inventory_movements":
            result["orders"] = rows["order_id"][index]
            order = self["orders"].index.find(result["orders"])
            for kind, column in (
                ("companies", "company_id"),
                ("branches", "branch_id"),
                ("users", "created_by_user_id"),
            ):
                ids = pick(self["orders"][column], order)
                result[kind] = np.where(order >= 0, ids, NEVER)
        if table == "maintenance_visits":
            result["maintenance_visits"] = self.chain()[index]
        for column, kind in rows.table.foreign_keys:
            if kind in MASTERS and kind not in result:
                result[kind] = np.where(rows.valid(column)[index], rows[column][index], NEVER)
        return result

    def chain(self) -> I64:
        """Return each visit's root: its own key where it is one."""
        visits = self["maintenance_visits"]
        return np.where(visits.valid("root_visit_id"), visits["root_visit_id"], visits.key)

    def documents(self, table: str, index: I64) -> dict[str, I64]:
        """Return what rows are part of: kind -> ids, -1 where a row is part of another kind."""
        rows = self[table]
        if table in ORDER_FAMILY:
            return {"orders": rows["order_id"][index]}
        if table == "inventory_movements":
            ordered = rows.valid("order_id")[index]
            return {
                "orders": np.where(ordered, rows["order_id"][index], NEVER),
                "products": np.where(ordered, NEVER, rows["product_id"][index]),
            }
        if table == "maintenance_visits":
            return {table: self.chain()[index]}
        return {table: rows.key[index]}

    def entities(self, table: str, index: I64) -> list[tuple[str, I64, I64]]:
        """Return the rows that audit rows or labels speak of: (table, their rows, places)."""
        rows = self[table]
        column = "entity_type" if table == "audit_logs" else "entity"
        codes, ids = rows[column][index], rows["entity_id"][index]
        result = []
        for code in np.unique(codes):
            name = rows.table[column].values[int(code)]
            places = np.flatnonzero(codes == code)
            found = self[name].index.find(ids[places])
            result.append((name, found, places))
        return result


class Excuses:
    """Fields that carry an invalid value on purpose, and the rows that this excuses.

    A row is excused when it hangs on the document that a labelled field is part of, or a labelled
    row hangs on its document: an order's rows share an order, a company's sums rest on its orders.
    """

    def __init__(self) -> None:
        # (table, column) -> kind -> ids, of documents and of what labelled rows hang on
        self._documents: dict[tuple[str, str], dict[str, list[I64]]] = {}
        self._links: dict[tuple[str, str], dict[str, list[I64]]] = {}
        self._keys: dict[tuple[str, str], list[I64]] = {}

    def __bool__(self) -> bool:
        return bool(self._documents or self._links)

    def add_group(self, group: Group) -> None:
        """Add the invalid_data labels of a group."""
        labels = group["anomaly_labels"]
        chosen = np.flatnonzero(labels.has("anomaly_type", _INVALID) & labels.valid("field"))
        if not len(chosen):
            return
        fields = labels.text("field").gather(chosen).to_numpy()
        for table, rows, places in group.entities("anomaly_labels", chosen):
            for name in np.unique(fields[places].astype(str)):
                here = rows[(fields[places] == name) & (rows >= 0)]
                if len(here):
                    self._add(group, table, str(name), here)

    def _add(self, group: Group, table: str, column: str, index: I64) -> None:
        pair = (table, column)
        for kind, ids in group.documents(table, index).items():
            ids = ids[ids != NEVER]
            if len(ids):
                self._documents.setdefault(pair, {}).setdefault(kind, []).append(ids)
        self._keys.setdefault(pair, []).append(group[table].key[index])
        links = self._links.setdefault(pair, {})
        for linked, values in group.links(table, index).items():
            links.setdefault(linked, []).append(values)

    def add(self, other: Excuses) -> None:
        """Add the excuses of another group."""
        for mine, theirs in ((self._documents, other._documents), (self._links, other._links)):
            for pair, kinds in theirs.items():
                for kind, ids in kinds.items():
                    mine.setdefault(pair, {}).setdefault(kind, []).extend(ids)
        for pair, keys in other._keys.items():
            self._keys.setdefault(pair, []).extend(keys)

    def of_masters(self, reads: Reads) -> Excuses:
        """Return what labels on some fields excuse of the masters' rows, each id once."""
        result = Excuses()
        for pair in reads:
            for source, target in (
                (self._documents, result._documents),
                (self._links, result._links),
            ):
                for kind, ids in source.get(pair, {}).items():
                    if kind in MASTERS:
                        target.setdefault(pair, {})[kind] = [np.unique(np.concatenate(ids))]
        return result

    def labelled(self, rows: Rows, column: str) -> Bool:
        """Return which rows carry a label on exactly this column."""
        keys = self._keys.get((rows.table.name, column))
        if not keys:
            return np.zeros(len(rows), dtype=bool)
        return np.isin(rows.key, np.concatenate(keys))

    def covers(
        self, reads: Reads, group: Group, table: str, index: I64, part_of: str | None = None
    ) -> Bool:
        """Return which of some rows are excused by a label on one of the fields read.

        Args:
            reads: (table, column) pairs.
            group: that holds the rows.
            table: of the rows.
            index: which rows.
            part_of: kind of document that the rows are judged as part of, if not their own.
        """
        if table in ("audit_logs", "anomaly_labels"):
            result = np.zeros(len(index), dtype=bool)
            for name, rows, places in group.entities(table, index):
                known = rows >= 0
                result[places[known]] = self.covers(reads, group, name, rows[known], part_of)
            return result
        links = group.links(table, index)
        documents = group.documents(table, index)
        if part_of is not None:
            documents = {part_of: links[part_of]}
        result = np.zeros(len(index), dtype=bool)
        for pair in reads:
            for linked, lists in self._documents.get(pair, {}).items():
                if linked in links:
                    result |= np.isin(links[linked], np.concatenate(lists))
            for linked, lists in self._links.get(pair, {}).items():
                if linked in documents:
                    ids = documents[linked]
                    result |= (ids != NEVER) & np.isin(ids, np.concatenate(lists))
        return result
