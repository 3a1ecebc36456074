"""Declarations of the masters: users, companies, branches, products."""

from __future__ import annotations

from polargen.schema.types import Column, Table

ROLES = ("Admin", "Manager", "Sales", "Support")
INDUSTRIES = (
    "Hospitality",
    "Restaurant",
    "Cafe",
    "Hotel",
    "Catering",
    "Corporate Office",
    "Co-working Space",
    "Retail",
    "Healthcare",
    "Education",
)
SIZES = ("small", "medium", "large")
REGIONS = ("A", "B")
COMPANY_STATUSES = ("Active", "New", "Inactive")
MAINTENANCE_LOCATIONS = ("inside_cairo", "outside_cairo", "sahel")
PAYMENT_METHODS = ("transfer", "check")
DUE_TYPES = ("immediate", "days_after_order", "monthly_date", "bulk_schedule")
PAYMENT_GRADES = ("excellent", "good", "fair", "poor", "critical")
CATEGORIES = (
    "Coffee Beans",
    "Ground Coffee",
    "Espresso",
    "Cold Brew",
    "Tea",
    "Syrups",
    "Milk & Alternatives",
    "Equipment",
    "Accessories",
    "Consumables",
)

USERS = Table(
    "users",
    "users",
    "People of SynergyFlow who work with the ERP.",
    "user_id",
    (
        Column("user_id", "key", "Key, 1..n.", low=1),
        Column("email", "text", "Address in a reserved domain.", unique=True),
        Column("display_name", "text", "Full name."),
        Column("photo_url", "text", "Portrait, in a reserved domain.", nullable=True),
        Column("role", "enum", "What the user may do.", values=ROLES),
        Column("is_active", "bool", "Whether the user still works here; others never act."),
        Column("created_at", "instant", "When the account was made, before the window."),
        Column("updated_at", "instant", "Last change of the account."),
    ),
    main_date="created_at",
)

COMPANIES = Table(
    "companies",
    "companies",
    "Customers: cafes, hotels, offices and others.",
    "company_id",
    (
        Column("company_id", "key", "Key, 1..n.", low=1),
        Column("name", "text", "Trade name.", unique=True),
        Column("industry", "enum", "Line of business.", values=INDUSTRIES),
        Column("size", "enum", "Size class.", values=SIZES),
        Column("region", "enum", "Delivery region.", values=REGIONS),
        Column("delivery_days", "ints", "Weekdays of delivery, 0 = Sunday.", low=0, high=6),
        Column("area", "label", "Area; belongs to one region, city and governorate."),
        Column("city", "label", "City of the area."),
        Column("governorate", "label", "Governorate of the area."),
        Column("address", "text", "Street address."),
        Column("latitude", "float", "Degrees north, near the area's centre.", low=22, high=32),
        Column("longitude", "float", "Degrees east, near the area's centre.", low=24, high=37),
        Column("status", "enum", "Standing as a customer.", values=COMPANY_STATUSES),
        Column(
            "status_changed_at",
            "instant",
            "When an Inactive company stopped; no order after it.",
            nullable=True,
            present_when=("status", ("Inactive",)),
        ),
        Column("tax_number", "text", "Tax registration, 123-456-789.", unique=True, longest=11),
        Column("email", "text", "Address in a reserved domain.", unique=True),
        Column("phone", "text", "Egyptian number in E.164.", longest=16),
        Column("manager_name", "text", "Who runs the place."),
        Column(
            "contacts",
            "structs",
            "One to three people to talk to.",
            fields=(
                Column("name", "text", "Full name."),
                Column("position", "label", "Job."),
                Column("phone", "text", "Egyptian number in E.164.", longest=16),
            ),
        ),
        Column("machine_owned", "bool", "Has a coffee machine of its own."),
        Column("machine_leased", "bool", "Leases a coffee machine from SynergyFlow."),
        Column("lease_monthly_cost", "money", "Lease a month, EGP, where leased.", True, low=0.01),
        Column(
            "maintenance_location", "enum", "Zone of the technicians.", values=MAINTENANCE_LOCATIONS
        ),
        Column("warehouse_address", "text", "Where goods go, if not to the address.", True),
        Column("payment_method", "enum", "How the company pays.", values=PAYMENT_METHODS),
        Column("payment_due_type", "enum", "How the due date follows.", values=DUE_TYPES),
        Column(
            "payment_due_days",
            "int",
            "Days after the order: 15, 30, 60, 90.",
            nullable=True,
            present_when=("payment_due_type", ("days_after_order",)),
            low=15,
            high=90,
        ),
        Column(
            "payment_due_day",
            "int",
            "Day of the next month: 1.",
            nullable=True,
            present_when=("payment_due_type", ("monthly_date",)),
            low=1,
            high=1,
        ),
        Column(
            "bulk_payment_frequency",
            "enum",
            "Cycle of bulk payments.",
            nullable=True,
            present_when=("payment_due_type", ("bulk_schedule",)),
            values=("quarterly",),
        ),
        Column(
            "payment_score",
            "float",
            "100 less 2 x mean days late of 12 months' paid and overdue orders; 100 without any.",
            low=0,
            high=100,
        ),
        Column("payment_status", "enum", "Grade of the score.", values=PAYMENT_GRADES),
        Column("total_unpaid_orders", "int", "Delivered orders that are not Paid.", low=0),
        Column("total_outstanding_amount", "money_total", "Their grand totals, EGP.", low=0),
        Column(
            "pending_bulk_payment_amount",
            "money_total",
            "The part of the outstanding amount that is bulk and not yet due, EGP.",
            low=0,
        ),
        Column(
            "last_12_months_revenue",
            "money_total",
            "Grand totals delivered in the 12 months to the as-of instant, EGP.",
            low=0,
        ),
        Column("is_suspended", "bool", "An order is overdue by more than 60 days."),
        Column("suspension_reason", "label", "Why suspended.", nullable=True),
        Column("suspended_at", "instant", "When the mark was set.", nullable=True),
        Column("account_manager_user_id", "key", "Sales user in charge.", references="users"),
        Column("created_at", "instant", "When the company became a customer."),
        Column("updated_at", "instant", "Last change."),
    ),
    main_date="created_at",
)

BRANCHES = Table(
    "branches",
    "branches",
    "Further sites of some companies.",
    "branch_id",
    (
        Column("branch_id", "key", "Key, 1..n.", low=1),
        Column("company_id", "key", "The company.", references="companies"),
        Column("name", "text", "Name of the site."),
        Column("area", "label", "Area; belongs to one region, city and governorate."),
        Column("region", "enum", "Delivery region.", values=REGIONS),
        Column("city", "label", "City of the area."),
        Column("governorate", "label", "Governorate of the area."),
        Column("address", "text", "Street address."),
        Column("latitude", "float", "Degrees north.", low=22, high=32),
        Column("longitude", "float", "Degrees east.", low=24, high=37),
        Column("phone", "text", "Egyptian number in E.164.", longest=16),
        Column("email", "text", "Address in a reserved domain."),
        Column("manager_name", "text", "Who runs the site."),
        Column("machine_owned", "bool", "Has a coffee machine of its own."),
        Column("machine_leased", "bool", "Leases a coffee machine from SynergyFlow."),
        Column("delivery_days", "ints", "Weekdays of delivery, 0 = Sunday.", low=0, high=6),
        Column("created_at", "instant", "When the site opened, not before the company."),
    ),
    main_date="created_at",
)

PRODUCTS = Table(
    "products",
    "products",
    "What SynergyFlow sells.",
    "product_id",
    (
        Column("product_id", "key", "Key, 1..n.", low=1),
        Column("sku", "text", "Stock keeping unit.", unique=True, longest=24),
        Column("name", "text", "Name on the price list.", unique=True),
        Column("description", "text", "One sentence."),
        Column("category", "enum", "Category; decides the price range.", values=CATEGORIES),
        Column("unit_price", "money", "Price a piece, EGP, without VAT.", low=0.01),
        Column("unit_cost", "money", "Cost a piece, EGP.", low=0.01),
        Column("is_variant", "bool", "A variant of another product."),
        Column("parent_product_id", "key", "The product varied.", True, references="products"),
        Column("variant_name", "label", "Size, roast or grind of a variant.", True),
        Column("manufacturer", "label", "Maker."),
        Column("popularity_rank", "int", "1 = most popular.", low=1, unique=True),
        Column("warehouse", "int", "Where it is stocked, 0-based.", low=0),
        Column("reorder_point", "int", "Stock level that triggers a restock.", low=38),
        Column("reorder_quantity", "int", "Pieces of a restock.", low=1),
        Column("opening_stock", "int", "Stock at the window's start.", low=1),
        Column("stock", "int", "Closing stock, location main.", low=0),
        Column("total_sold", "key", "Pieces of its ORDER_FULFILLMENT movements.", low=0),
        Column("is_active", "bool", "On the price list."),
        Column("created_at", "instant", "Listed since, before the window."),
        Column("updated_at", "instant", "Last change."),
    ),
    main_date="created_at",
)
