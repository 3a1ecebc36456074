"""Declarations of the order's family: orders to refunds."""

from __future__ import annotations

from polargen.schema.masters import REGIONS
from polargen.schema.types import Column, Table

ORDER_STATUSES = ("Pending", "Processing", "Shipped", "Delivered", "Cancelled", "Delivery Failed")
PAYMENT_STATUSES = ("Paid", "Pending", "Overdue")
DISCOUNT_TYPES = ("percentage", "fixed")
CANCELLATION_REASONS = (
    "Customer request",
    "Duplicate order",
    "Out of stock",
    "Wrong product ordered",
    "Customer unreachable",
    "Budget not approved",
)
MOVEMENT_TYPES = ("ORDER_FULFILLMENT", "RETURN", "RESTOCK", "ADJUSTMENT")
LOCATIONS = ("main", "returns")
SHIPMENT_STATUSES = ("pending", "dispatched", "in_transit", "delivered", "failed")
ATTEMPT_STATUSES = ("success", "failed", "rescheduled")
FAILURE_REASONS = (
    "Customer not present",
    "Address not found",
    "Site closed",
    "Vehicle breakdown",
    "Traffic delay",
    "Refused at the door",
)
PAYMENT_CHANNELS = ("Bank Transfer", "Check", "Card", "Cash")
SCOPES = ("order", "item")
DISCOUNT_REASONS = (
    "Volume discount",
    "Loyal customer",
    "Seasonal offer",
    "New customer",
    "Contract price",
    "Clearance",
    "Goodwill",
    "Bundle offer",
    "Early payment",
    "Manager approval",
)
RETURN_REASONS = (
    "Damaged in transit",
    "Wrong item delivered",
    "Quality complaint",
    "Near expiry date",
    "Ordered too much",
    "Packaging damaged",
    "Does not fit the machine",
    "Taste not as expected",
)
REFUND_STATUSES = ("pending", "approved", "completed", "rejected")
REJECTION_REASONS = (
    "Outside the return period",
    "Goods already used",
    "No proof of damage",
    "Hygiene seal broken",
    "Not bought from us",
)

ORDERS = Table(
    "orders",
    "orders",
    "Orders of companies, with their life up to the as-of instant.",
    "order_id",
    (
        Column("order_id", "key", "Key; rises with order_date, duplicates aside.", low=1),
        Column("order_number", "text", "Number on paper.", unique=True, longest=24),
        Column("company_id", "key", "Who ordered.", references="companies"),
        Column(
            "branch_id", "key", "Site of the company, if not its own.", True, references="branches"
        ),
        Column("warehouse", "int", "Warehouse that serves the order, 0-based.", low=0),
        Column("created_by_user_id", "key", "Sales user on duty.", references="users"),
        Column("order_date", "instant", "When the order was placed."),
        Column("delivery_schedule", "enum", "Region of the site.", values=REGIONS),
        Column("delivery_date", "date", "Promised day: next schedule day, no holiday."),
        Column("payment_due_date", "date", "Due by the end of this day."),
        Column("status", "enum", "Where the order stands.", values=ORDER_STATUSES),
        Column(
            "payment_status",
            "enum",
            "Only Delivered orders are Paid or Overdue.",
            values=PAYMENT_STATUSES,
        ),
        Column("item_count", "int", "Lines.", low=1, high=7),
        Column("subtotal", "money", "Sum of quantity x unit_price, EGP.", low=0),
        Column("item_discount_total", "money", "Sum of the lines' discounts, EGP.", low=0),
        Column(
            "discount_type", "enum", "Kind of the order's discount.", True, values=DISCOUNT_TYPES
        ),
        Column("discount_value", "money", "Percent, or EGP as agreed.", True, low=0),
        Column("discount_amount", "money", "EGP off the net; 0 without a discount.", low=0),
        Column("tax_total", "money", "VAT of lines less VAT of the discount, EGP.", low=0),
        Column("grand_total", "money", "What is to be paid, EGP.", low=0.01),
        Column(
            "paid_at", "instant", "Last payment.", True, present_when=("payment_status", ("Paid",))
        ),
        Column("days_overdue", "int", "As-of date less due date where Overdue, else 0.", low=0),
        Column(
            "cancellation_reason",
            "enum",
            "Why cancelled.",
            True,
            present_when=("status", ("Cancelled",)),
            values=CANCELLATION_REASONS,
        ),
        Column(
            "cancelled_at",
            "instant",
            "When cancelled.",
            True,
            present_when=("status", ("Cancelled",)),
        ),
        Column("delivery_notes", "label", "What the driver should know.", True),
        Column(
            "duplicate_of_order_id",
            "key",
            "The order that this one repeats by mistake.",
            True,
            references="orders",
        ),
        Column(
            "status_history",
            "structs",
            "Each status with its instant, from the order on.",
            fields=(
                Column("status", "enum", "Status entered.", values=ORDER_STATUSES),
                Column("at", "instant", "When."),
            ),
        ),
        Column("created_at", "instant", "Equals order_date."),
        Column("updated_at", "instant", "Last step of status or payment."),
    ),
    main_date="order_date",
)

ORDER_ITEMS = Table(
    "order_items",
    "orderItems",
    "Lines of orders.",
    "order_item_id",
    (
        Column("order_item_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order.", references="orders"),
        Column("line_no", "int", "1 = first line.", low=1, high=7),
        Column("product_id", "key", "What was ordered.", references="products"),
        Column("product_name", "label", "Its name."),
        Column("quantity", "int", "Pieces, 1..19 without orderValueRange.", low=1),
        Column("unit_price", "money", "The product's price, EGP.", low=0.01),
        Column(
            "discount_type", "enum", "Kind of the line's discount.", True, values=DISCOUNT_TYPES
        ),
        Column("discount_value", "money", "Percent, or EGP as agreed.", True, low=0),
        Column("discount_amount", "money", "EGP off the line; 0 without a discount.", low=0),
        Column("line_total", "money", "quantity x unit_price - discount_amount, EGP.", low=0.01),
        Column("tax_rate", "int", "VAT in percent.", low=14, high=14),
        Column("tax_amount", "money", "VAT of line_total, EGP.", low=0),
    ),
    unique_together=(("order_id", "product_id"), ("order_id", "line_no")),
)

INVENTORY_MOVEMENTS = Table(
    "inventory_movements",
    "inventoryMovements",
    "Every change of stock.",
    "movement_id",
    (
        Column("movement_id", "key", "Key; rises with a product's instants.", low=1),
        Column("product_id", "key", "The product.", references="products"),
        Column("location", "enum", "main, or returns (stands at zero).", values=LOCATIONS),
        Column("movement_type", "enum", "Why stock changed.", values=MOVEMENT_TYPES),
        Column("quantity", "int", "Pieces, signed."),
        Column("previous_stock", "int", "Before.", low=0),
        Column("new_stock", "int", "After.", low=0),
        Column("order_id", "key", "The order fulfilled or come back.", True, references="orders"),
        Column("order_item_id", "key", "Its line.", True, references="order_items"),
        Column("refund_id", "key", "The refund that brought it back.", True, references="refunds"),
        Column("reference", "label", "Order number, or number of the stock document.", longest=24),
        Column(
            "created_by_user_id",
            "key",
            "Who booked it; null: the system.",
            True,
            references="users",
        ),
        Column("notes", "label", "Remark.", True),
        Column("created_at", "instant", "When booked."),
    ),
    main_date="created_at",
)

SHIPMENTS = Table(
    "shipments",
    "shipments",
    "One for each accepted order, unless cancelled before dispatch.",
    "shipment_id",
    (
        Column("shipment_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order.", references="orders", unique=True),
        Column("status", "enum", "Where it stands.", values=SHIPMENT_STATUSES),
        Column("scheduled_delivery_date", "date", "The promise, unless moved."),
        Column("dispatched_at", "instant", "A working morning.", True),
        Column(
            "actual_delivery_at",
            "instant",
            "The successful attempt.",
            True,
            present_when=("status", ("delivered",)),
        ),
        Column("attempt_count", "int", "Attempts so far.", low=0, high=3),
        Column(
            "attempts",
            "structs",
            "Each attempt.",
            fields=(
                Column("attempt_number", "int", "1 = first.", low=1, high=3),
                Column("attempted_at", "instant", "When."),
                Column("status", "enum", "How it went.", values=ATTEMPT_STATUSES),
                Column("failure_reason", "enum", "Why it failed.", True, values=FAILURE_REASONS),
                Column("notes", "label", "Remark.", True),
            ),
        ),
        Column("delay_days", "int", "Actual less promised day; 0 while not delivered."),
        Column("driver_name", "label", "Who drives."),
        Column("vehicle_id", "label", "The driver's vehicle.", longest=16),
        Column("created_at", "instant", "When the order was accepted."),
        Column("updated_at", "instant", "Last step."),
    ),
    main_date="created_at",
)

PAYMENTS = Table(
    "payments",
    "payments",
    "Money received for Paid orders.",
    "payment_id",
    (
        Column("payment_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order paid.", references="orders"),
        Column("company_id", "key", "Who paid.", references="companies"),
        Column("amount", "money", "EGP.", low=0.01),
        Column("method", "enum", "How.", values=PAYMENT_CHANNELS),
        Column("reference", "text", "Unique; one for all rows of a bulk cycle.", longest=24),
        Column("installment_no", "int", "1 = first.", low=1, high=2),
        Column("bulk_cycle_id", "label", "Quarterly cycle of the company.", True, longest=32),
        Column("payment_date", "instant", "When received."),
        Column("days_from_due", "int", "Payment day less due date, days."),
        Column(
            "recorded_by_user_id",
            "key",
            "Who recorded it; null: the bank's feed.",
            True,
            references="users",
        ),
        Column("created_at", "instant", "Equals payment_date."),
    ),
    main_date="payment_date",
)

DISCOUNTS = Table(
    "discounts",
    "discounts",
    "One row for each discounted order and line.",
    "discount_id",
    (
        Column("discount_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order.", references="orders"),
        Column(
            "order_item_id",
            "key",
            "The line, of scope item.",
            True,
            present_when=("scope", ("item",)),
            references="order_items",
        ),
        Column("scope", "enum", "Of the whole order or of a line.", values=SCOPES),
        Column("type", "enum", "Kind.", values=DISCOUNT_TYPES),
        Column("value", "money", "Percent, or EGP as agreed.", low=0),
        Column("amount", "money", "EGP taken off.", low=0),
        Column("reason", "enum", "Why.", values=DISCOUNT_REASONS),
        Column("applied_by_user_id", "key", "Who granted it.", references="users"),
        Column("applied_at", "instant", "With the order."),
    ),
    main_date="applied_at",
)

REFUNDS = Table(
    "refunds",
    "refunds",
    "Goods that customers sent back.",
    "refund_id",
    (
        Column("refund_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order.", references="orders", unique=True),
        Column("payment_id", "key", "The last payment of the order.", references="payments"),
        Column("return_reason", "enum", "Why.", values=RETURN_REASONS),
        Column(
            "returned_items",
            "structs",
            "What comes back.",
            fields=(
                Column("order_item_id", "key", "The line.", references="order_items"),
                Column("quantity", "int", "Pieces.", low=1),
                Column("amount", "money", "EGP asked back.", low=0),
            ),
        ),
        Column("amount", "money", "EGP asked back in all.", low=0),
        Column("status", "enum", "Where it stands.", values=REFUND_STATUSES),
        Column("requested_at", "instant", "When asked."),
        Column(
            "reviewed_by_user_id",
            "key",
            "Manager or Admin.",
            True,
            present_when=("status", ("approved", "completed", "rejected")),
            references="users",
        ),
        Column(
            "reviewed_at",
            "instant",
            "When decided.",
            True,
            present_when=("status", ("approved", "completed", "rejected")),
        ),
        Column(
            "rejection_reason",
            "enum",
            "Why rejected.",
            True,
            present_when=("status", ("rejected",)),
            values=REJECTION_REASONS,
        ),
        Column(
            "processed_at",
            "instant",
            "When the money went back.",
            True,
            present_when=("status", ("completed",)),
        ),
        Column("created_at", "instant", "Equals requested_at."),
        Column("updated_at", "instant", "Last step."),
    ),
    main_date="requested_at",
)
