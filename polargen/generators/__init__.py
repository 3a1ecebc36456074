"""The built-in generators, one for each document family."""

from __future__ import annotations

from polargen.generators.audit_logs import AuditLogGenerator
from polargen.generators.base import BaseGenerator, all_tables, generators, register_generator
from polargen.generators.companies import CompanyGenerator
from polargen.generators.discounts import DiscountGenerator
from polargen.generators.inventory import InventoryGenerator
from polargen.generators.maintenance import MaintenanceGenerator
from polargen.generators.orders import OrderGenerator
from polargen.generators.payments import PaymentGenerator
from polargen.generators.products import ProductGenerator
from polargen.generators.refunds import RefundGenerator
from polargen.generators.shipments import ShipmentGenerator
from polargen.generators.users import UserGenerator

BUILT_IN: tuple[type[BaseGenerator], ...] = (
    UserGenerator,
    CompanyGenerator,
    ProductGenerator,
    OrderGenerator,
    ShipmentGenerator,
    PaymentGenerator,
    DiscountGenerator,
    RefundGenerator,
    InventoryGenerator,
    MaintenanceGenerator,
    AuditLogGenerator,
)

__all__ = ["BUILT_IN", "BaseGenerator", "all_tables", "generators", "register_generator"]
