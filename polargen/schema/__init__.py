"""Every table and column, declared once.

Polars and Arrow schemas, checks, the data dictionary and the DDL are derived from these
declarations. `TABLES` holds them in an order in which every table comes after those it refers to.
"""

from __future__ import annotations

from polargen.schema.masters import BRANCHES, COMPANIES, PRODUCTS, USERS
from polargen.schema.sales import (
    DISCOUNTS,
    INVENTORY_MOVEMENTS,
    ORDER_ITEMS,
    ORDERS,
    PAYMENTS,
    REFUNDS,
    SHIPMENTS,
)
from polargen.schema.service import ANOMALY_LABELS, AUDIT_LOGS, MAINTENANCE_VISITS
from polargen.schema.types import NESTED, Column, Kind, Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        USERS,
        COMPANIES,
        BRANCHES,
        PRODUCTS,
        ORDERS,
        ORDER_ITEMS,
        PAYMENTS,
        REFUNDS,
        INVENTORY_MOVEMENTS,
        SHIPMENTS,
        DISCOUNTS,
        MAINTENANCE_VISITS,
        AUDIT_LOGS,
        ANOMALY_LABELS,
    )
}

ENTITIES: tuple[str, ...] = tuple(name for name in TABLES if name != ANOMALY_LABELS.name)

__all__ = ["ENTITIES", "NESTED", "TABLES", "Column", "Kind", "Table"]
