"""Declarations of maintenance visits, audit logs and anomaly labels."""

from __future__ import annotations

from dataclasses import dataclass

from polargen.schema.types import Column, Table

VISIT_TYPES = ("periodic", "customer_request")
VISIT_STATUSES = (
    "Completed",
    "Scheduled",
    "In Progress",
    "Follow-up Required",
    "Waiting for Parts",
    "Cancelled",
)
DELAY_REASONS = (
    "Technician held up at another site",
    "Spare part not yet in stock",
    "Customer asked for another day",
    "Vehicle breakdown",
    "Road closed",
)
PROBLEM_REASONS = (
    "Grinder worn",
    "Leaking group head",
    "Low pressure",
    "Scale in boiler",
    "Pump failure",
    "Electrical fault",
    "Steam wand blocked",
    "Water too cold",
)
RESOLUTIONS = ("solved", "partial", "waiting_parts", "not_solved")
NON_RESOLUTION_REASONS = (
    "Spare part not in stock",
    "Needs a specialist",
    "Fault could not be reproduced",
    "Customer did not approve the cost",
    "Not enough time on site",
)
PAYERS = ("company", "customer")

MAINTENANCE_VISITS = Table(
    "maintenance_visits",
    "maintenanceVisits",
    "Visits of technicians to coffee machines.",
    "visit_id",
    (
        Column("visit_id", "key", "Key.", low=1),
        Column("company_id", "key", "Whose machine.", references="companies"),
        Column("branch_id", "key", "Site, if not the company's own.", True, references="branches"),
        Column(
            "root_visit_id",
            "key",
            "First visit of the chain, for follow-ups.",
            True,
            references="maintenance_visits",
        ),
        Column("visit_number", "int", "1 = root, 2 and 3 follow-ups.", low=1, high=3),
        Column("visit_type", "enum", "Why.", values=VISIT_TYPES),
        Column("status", "enum", "Where it stands.", values=VISIT_STATUSES),
        Column("scheduled_date", "date", "Planned day."),
        Column("actual_arrival_at", "instant", "When the technician came.", True),
        Column("resolution_at", "instant", "When the work on site ended.", True),
        Column("delay_days", "int", "Arrival day less scheduled day.", low=0, high=6),
        Column("delay_reason", "enum", "Why late.", True, values=DELAY_REASONS),
        Column("is_significant_delay", "bool", "Later than three days."),
        Column("technician_name", "label", "Who goes."),
        Column("barista_name", "label", "Who goes along to train.", True),
        Column("problem_occurred", "bool", "A fault was found."),
        Column("problem_reasons", "enums", "The faults.", values=PROBLEM_REASONS),
        Column("resolution_status", "enum", "How the fault ended.", True, values=RESOLUTIONS),
        Column(
            "non_resolution_reason", "enum", "Why not solved.", True, values=NON_RESOLUTION_REASONS
        ),
        Column(
            "spare_parts",
            "structs",
            "Parts used.",
            fields=(
                Column("name", "label", "Part."),
                Column("quantity", "int", "Pieces.", low=1),
                Column("unit_price", "money", "EGP a piece.", low=50, high=2500),
                Column("paid_by", "enum", "Who pays.", values=PAYERS),
            ),
        ),
        Column(
            "services",
            "structs",
            "Work done.",
            fields=(
                Column("name", "label", "Service."),
                Column("cost", "money", "EGP each.", low=100, high=1500),
                Column("quantity", "int", "Times.", low=1),
                Column("paid_by", "enum", "Who pays.", values=PAYERS),
            ),
        ),
        Column("parts_cost", "money", "Sum of parts, EGP.", low=0),
        Column("services_cost", "money", "Sum of services, EGP.", low=0),
        Column("labor_cost", "money", "EGP.", low=0, high=500),
        Column("total_cost", "money", "Parts, services and labor, EGP.", low=0),
        Column("report", "label", "What the technician wrote.", True),
        Column("report_signed_by", "label", "Who signed at the site.", True),
        Column("created_at", "instant", "When scheduled."),
        Column("updated_at", "instant", "Last step."),
    ),
    main_date="scheduled_date",
)


@dataclass(frozen=True)
class Action:
    """One kind of audit row and the fact it stands for (R50).

    Attributes:
        name: of the action.
        table: whose rows are the facts; also the row's entity_type, unless `entity` says other.
        time: column of the instant; for ``nested`` the field inside the list.
        where: (column, values) that the fact must have; values None: not null; a value that
            starts with "!" excludes.
        nested: a "structs" column: one audit row for each element after the first.
        actor: column of the user, or None for the system.
        entity: (table, key column in the fact's table) of entity_type and entity_id.
        details: enumeration columns shown in the details.
        since_start: only facts at or after the window's start.
    """

    name: str
    table: str
    time: str
    where: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    nested: str | None = None
    actor: str | None = None
    entity: tuple[str, str] | None = None
    details: tuple[str, ...] = ()
    since_start: bool = False


ACTIONS: tuple[Action, ...] = (
    Action(
        "order.created",
        "orders",
        "order_date",
        actor="created_by_user_id",
        details=("delivery_schedule",),
    ),
    Action("order.status_changed", "orders", "at", nested="status_history"),
    Action(
        "order.cancelled",
        "orders",
        "cancelled_at",
        where=(("status", ("Cancelled",)),),
        details=("cancellation_reason",),
    ),
    Action(
        "order.delivery_confirmed",
        "shipments",
        "actual_delivery_at",
        where=(("status", ("delivered",)),),
        entity=("orders", "order_id"),
    ),
    Action(
        "order.payment_marked",
        "payments",
        "payment_date",
        actor="recorded_by_user_id",
        details=("method",),
    ),
    Action(
        "discount.applied",
        "discounts",
        "applied_at",
        actor="applied_by_user_id",
        details=("scope", "type"),
    ),
    Action("refund.requested", "refunds", "requested_at", details=("return_reason",)),
    Action(
        "refund.approved",
        "refunds",
        "reviewed_at",
        where=(("status", ("approved", "completed")),),
        actor="reviewed_by_user_id",
    ),
    Action(
        "refund.rejected",
        "refunds",
        "reviewed_at",
        where=(("status", ("rejected",)),),
        actor="reviewed_by_user_id",
        details=("rejection_reason",),
    ),
    Action("refund.completed", "refunds", "processed_at", where=(("status", ("completed",)),)),
    Action(
        "product.stock_adjusted",
        "inventory_movements",
        "created_at",
        where=(("movement_type", ("ADJUSTMENT",)), ("location", ("main",))),
        actor="created_by_user_id",
        details=("location",),
    ),
    Action(
        "product.restocked",
        "inventory_movements",
        "created_at",
        where=(("movement_type", ("RESTOCK",)),),
        actor="created_by_user_id",
        details=("location",),
    ),
    Action(
        "company.created", "companies", "created_at", since_start=True, details=("status", "region")
    ),
    Action(
        "company.status_changed",
        "companies",
        "status_changed_at",
        where=(("status_changed_at", None),),
        since_start=True,
        details=("status",),
    ),
    Action(
        "company.suspended",
        "companies",
        "suspended_at",
        where=(("suspended_at", None),),
        since_start=True,
    ),
    Action(
        "maintenance.scheduled",
        "maintenance_visits",
        "created_at",
        where=(("visit_number", ("1",)),),
        since_start=True,
        details=("visit_type",),
    ),
    Action(
        "maintenance.follow_up_created",
        "maintenance_visits",
        "created_at",
        where=(("visit_number", ("2", "3")),),
        since_start=True,
        details=("visit_type",),
    ),
    Action(
        "maintenance.started",
        "maintenance_visits",
        "actual_arrival_at",
        where=(("actual_arrival_at", None),),
        details=("visit_type",),
    ),
    Action(
        "maintenance.completed",
        "maintenance_visits",
        "resolution_at",
        where=(("status", ("Completed",)),),
        details=("resolution_status",),
    ),
    Action(
        "maintenance.cancelled",
        "maintenance_visits",
        "updated_at",
        where=(("status", ("Cancelled",)),),
        details=("visit_type",),
    ),
)
FACTLESS_ACTIONS = (
    "user.login",
    "user.logout",
    "system.backup_completed",
    "system.stock_report_sent",
    "system.invoices_sent",
)
ACTION_NAMES = tuple(action.name for action in ACTIONS) + FACTLESS_ACTIONS
ENTITY_TYPES = (
    "users",
    "companies",
    "branches",
    "products",
    "orders",
    "order_items",
    "inventory_movements",
    "shipments",
    "payments",
    "discounts",
    "refunds",
    "maintenance_visits",
    "audit_logs",
)

AUDIT_LOGS = Table(
    "audit_logs",
    "auditLogs",
    "What happened, at its own instant, from the window's start on.",
    "audit_log_id",
    (
        Column("audit_log_id", "key", "Key.", low=1),
        Column("user_id", "key", "Who; null: the system.", True, references="users"),
        Column("action", "enum", "What happened.", values=ACTION_NAMES),
        Column("entity_type", "enum", "Table of the entity.", values=ENTITY_TYPES),
        Column(
            "entity_id",
            "key",
            "Its key; null for system.* rows.",
            True,
            references_by="entity_type",
        ),
        Column("details", "json", "What else is worth knowing."),
        Column("ip_address", "label", "Where the user sat; null: the system.", True, longest=15),
        Column("created_at", "instant", "When."),
    ),
    main_date="created_at",
)

ANOMALY_TYPES = (
    "payment_delay",
    "delivery_delay",
    "order_cancellation",
    "maintenance_failure",
    "stock_shortage",
    "duplicate_orders",
    "invalid_data",
)
SEVERITIES = ("low", "medium", "high")

ANOMALY_LABELS = Table(
    "anomaly_labels",
    "anomalyLabels",
    "Ground truth: each field that an anomaly changed.",
    "label_id",
    (
        Column("label_id", "key", "Key.", low=1),
        Column("anomaly_type", "enum", "What befell the row.", values=ANOMALY_TYPES),
        Column("entity", "enum", "Table of the row.", values=ENTITY_TYPES),
        Column("entity_id", "key", "Key of the row.", references_by="entity"),
        Column("field", "label", "Changed column; null: the row as a whole.", True),
        Column("original_value", "text", "Text of the value in the base world; null: null.", True),
        Column("injected_value", "text", "Text of the value in the row; null: null.", True),
        Column("severity", "enum", "How bad.", values=SEVERITIES),
        Column("cluster_id", "key", "Burst or shortage window it belongs to.", True),
        Column("event_at", "instant", "When it befell."),
    ),
    main_date="event_at",
)
