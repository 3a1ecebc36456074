"""Tables that an application made: how they are matched, filled, and refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
from loads import load
from runs import Made, run
from server import PASSWORD, Server, name_of

from polargen import ddl, existing
from polargen.cli import main
from polargen.columns import polars_to_arrow
from polargen.config import problems_in
from polargen.database import Database, Session
from polargen.errors import ConfigError, TargetError
from polargen.keys import Base, Keys
from polargen.runs import runs
from polargen.schema import TABLES, Column, Table
from polargen.sinks.rows import copy_rows

STAGING = "mock_data__job-0000000a"
USER = "INSERT INTO {}.users SELECT 41, 'a@b.example', 'A', NULL, 'Admin', true, now(), now()"
ORDER_STATUSES = "'Pending', 'Processing', 'Shipped', 'Delivered', 'Cancelled', 'Delivery Failed'"
# What an application would choose for each kind of column.
SNAKE = {
    "int": "integer",
    "money": "numeric(12,2)",
    "money_total": "numeric(20,4)",
    "float": "numeric(9,6)",
    "bool": "boolean",
    "instant": "timestamptz",
    "date": "date",
    "enum": "varchar(40)",
    "label": "varchar(255)",
    "text": "text",
    "json": "json",
    "ints": "integer[]",
    "enums": "text[]",
    "structs": "json",
}
CAMEL = {
    **SNAKE,
    "int": "bigint",
    "money": "numeric",
    "float": "double precision",
    "instant": "timestamp(3)",
    "date": "timestamp(3)",
    "enum": "text",
    "label": "text",
    "json": "jsonb",
    "ints": "jsonb",
    "enums": "varchar[]",
    "structs": "text",
}


def snake(table: Table, column: Column | None = None) -> str:
    """Name things as they are declared."""
    return table.name if column is None else column.name


def camel(table: Table, column: Column | None = None) -> str:
    """Name things as JSON does; keys are ``id``."""
    if column is None:
        return table.json_name
    if column.name == table.primary_key:
        return "id"
    first, *others = column.name.split("_")
    return first + "".join(map(str.capitalize, others))


def pascal(table: Table, column: Column | None = None) -> str:
    """Name things as classes are named."""
    name = table.json_name if column is None else column.name.replace("_", " ").title()
    return (name[0].upper() + name[1:]).replace(" ", "")


@dataclass
class Application:
    """A database with an application's tables in ``public``, and clones of them in mock_data."""

    server: Server
    database: Database
    session: Session

    def sql(self, text: str) -> list[str]:
        """Run statements as the application would; return what psql prints."""
        return self.server.query(name_of(self.database), text)

    def make(
        self,
        key: str = "bigint",
        primary: str = "bigint",
        named: Callable[..., str] = snake,
        types: Mapping[str, str] = SNAKE,
        edits: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        tables: Sequence[str] = tuple(TABLES),
    ) -> None:
        """Make tables and clone them.

        Args:
            key: type of references.
            primary: type of primary keys, with their defaults.
            named: gives the name of a table, and of a column.
            types: by kind of column.
            edits: other types, by "table.column"; "" leaves a column out.
            extra: further columns by table.
            tables: to make.
        """
        edits, extra, statements = (
            edits or {},
            extra or {},
            ["CREATE SCHEMA IF NOT EXISTS mock_data"],
        )
        for table in (TABLES[name] for name in tables):
            lines = []
            for column in table.columns:
                kind = key if table.is_key(column) else types.get(column.kind, "bigint")
                if column.name == table.primary_key:
                    kind = f"{primary} PRIMARY KEY"
                kind = edits.get(f"{table.name}.{column.name}", kind)
                rule = "" if column.nullable else " NOT NULL"
                if kind:
                    lines.append(f'"{named(table, column)}" {kind}{rule}')
            lines += [extra[table.name]] if table.name in extra else []
            name = named(table)
            statements.append(f'CREATE TABLE public."{name}" ({", ".join(lines)})')
            statements.append(
                f'CREATE TABLE mock_data."{name}" (LIKE public."{name}" INCLUDING ALL)'
            )
        self.sql("; ".join(statements))

    def mapping(self, *names: str) -> existing.Mapping:
        """Map tables, all of them without names."""
        wanted = [TABLES[name] for name in names or TABLES]
        return existing.map_existing(self.session, wanted)

    def fill(self, mapping: existing.Mapping, offsets: Mapping[str, int] | None = None) -> None:
        """Stage a small data set and insert it, in one transaction."""
        mapping.refuse()
        assert pickle.loads(pickle.dumps(mapping)) == mapping
        keys = keys_of(mapping, offsets)
        session = self.session
        session.execute(f'CREATE SCHEMA "{STAGING}"')
        for item in mapping.tables:
            session.execute(ddl.create_table(STAGING, item.table, keys=keys))
            rows = polars_to_arrow(item.table, data()[item.table.name])
            session.copy(STAGING, item.table.name, copy_rows(item.table, rows, keys))
        with session.transaction():
            for item in mapping.tables:
                for statement in existing.insert_statements(item, STAGING, "mock_data"):
                    session.execute(statement)

    def holds_what_was_staged(self, mapping: existing.Mapping, shown: Mapping[str, str]) -> None:
        """Compare every column that was written with what was staged for it.

        Args:
            mapping: by which it was written.
            shown: by kind of column, the staged value as the target must show it as text.
        """
        for item in mapping.tables:
            table, wrong = item.table, []
            for column in item.columns:
                kind = "key" if table.is_key(table[column.name]) else table[column.name].kind
                staged = shown.get(kind, "s.{}::text").format(f'"{column.name}"')
                differs = f't."{column.target}"::text IS DISTINCT FROM {staged}'
                wrong.append(f"max(CASE WHEN {differs} THEN '{column.name} ' ELSE '' END)")
            count = (
                f'SELECT count(*), concat({", ".join(wrong)}) FROM "{STAGING}".{table.name} s '
                f'FULL JOIN mock_data."{item.target_name}" t '
                f'ON t."{item.key_name}"::text = s."{table.primary_key}"::text'
            )
            assert self.sql(count) == [f"{len(data()[table.name])}|"], table.name


@cache
def data() -> Made:
    """Ten days with everything in them."""
    return run("anomaly-heavy", {"entityRates.ordersPerDay": 60.0}, end="2024-01-10")


def keys_of(mapping: existing.Mapping, offsets: Mapping[str, int] | None = None) -> Keys:
    """Return the keys of a run into mapped tables."""
    every = all(item.key_kind == "uuid" for item in mapping.tables)
    used = tuple(offsets.items()) if offsets else ()
    return Keys(Base(2 if used else 1, None, used), mapping.uuid_tables, every)


@pytest.fixture
def app(server: Server) -> Iterator[Application]:
    """An empty database, and a session on it."""
    database = server.new()
    session = database.connect()
    yield Application(server, database, session)
    session.close()
    server.drop(database)


def refused(mapping: existing.Mapping) -> list[str]:
    """Return the problems, which one error names."""
    with pytest.raises(ConfigError) as caught:
        mapping.refuse()
    assert [str(problem) for problem in problems_in(caught.value)] == list(mapping.problems)
    return list(mapping.problems)


# --- what fits ----------------------------------------------------------------------------


def test_snake_case_clones__with_identities_and_enums_hold_every_row(app: Application) -> None:
    app.sql(f"CREATE TYPE public.order_status AS ENUM ({ORDER_STATUSES}, 'Lost')")
    app.make(
        primary="bigint GENERATED ALWAYS AS IDENTITY",
        edits={
            "orders.status": "public.order_status",
            "orders.order_date": "timestamp",
            "orders.warehouse": "",
        },
        extra={
            "orders": "tenant_id integer NOT NULL DEFAULT 7, note text, "
            "size integer GENERATED ALWAYS AS (item_count * 2) STORED, "
            "serial_no bigint GENERATED BY DEFAULT AS IDENTITY"
        },
    )
    before = app.server.dump(name_of(app.database), "public")
    mapping = app.mapping()
    app.fill(mapping)
    app.holds_what_was_staged(
        mapping,
        {
            "float": "(s.{}::numeric(9,6))::text",
            "money_total": "(s.{}::numeric(20,4))::text",
            "instant": "CASE WHEN pg_typeof(t.{0}) = 'timestamp'::regtype "
            "THEN (s.{0} AT TIME ZONE 'UTC')::text ELSE s.{0}::text END",
            "enums": "ARRAY(SELECT jsonb_array_elements_text(s.{}))::text",
        },
    )
    (orders,) = (item for item in mapping.tables if item.table.name == "orders")
    assert orders.left == (
        ("tenant_id", "default"),
        ("note", "null"),
        ("size", "generated"),
        ("serial_no", "identity"),
    )
    assert orders.unused == ("warehouse",)
    assert app.sql(
        "SELECT count(*) > 0, bool_and(tenant_id = 7 AND note IS NULL AND size = 2 * item_count), "
        "count(DISTINCT serial_no) = count(*) FROM mock_data.orders"
    ) == ["t|t|t"]
    assert app.server.dump(name_of(app.database), "public") == before


def test_camel_case_clones__with_uuid_keys_hold_every_row(app: Application) -> None:
    app.make("uuid", "uuid DEFAULT gen_random_uuid()", camel, CAMEL)
    mapping = app.mapping()
    app.fill(mapping)
    app.holds_what_was_staged(
        mapping,
        {
            "instant": "date_trunc('milliseconds', s.{} AT TIME ZONE 'UTC')::text",
            "date": "s.{}::timestamp::text",
            "money_total": "(s.{}::numeric(20,4))::text",
            "ints": "to_jsonb(s.{})::text",
            "enums": "ARRAY(SELECT jsonb_array_elements_text(s.{}))::text",
        },
    )
    assert mapping.uuid_tables == set(TABLES)
    places = {item.table.name: (item.target_name, item.key_name) for item in mapping.tables}
    assert places["order_items"] == ("orderItems", "id")
    assert app.sql(
        'SELECT count(*) > 0, count(*) = count(p.id) FROM mock_data."orderItems" i '
        'LEFT JOIN mock_data.products p ON p.id = i."productId"'
    ) == ["t|t"]


def test_names__match_in_any_spelling(app: Application) -> None:
    app.make(named=pascal, tables=("users", "order_items"))
    mapping = app.mapping()
    items = {item.table.name: item for item in mapping.tables}
    assert mapping.problems == ()
    assert items["order_items"].target_name == "OrderItems"
    assert items["order_items"].target("line_no") == "LineNo"
    assert items["users"].target("photo_url") == "PhotoUrl"
    assert items["users"].unused == ()
    assert "companies: mock_data has no such table, left out" in mapping.notes


def test_keys_of_text__hold_the_numbers(app: Application) -> None:
    app.make("text", "varchar(24)")
    mapping = app.mapping()
    app.fill(mapping)
    app.holds_what_was_staged(
        mapping,
        {
            "float": "(s.{}::numeric(9,6))::text",
            "money_total": "(s.{}::numeric(20,4))::text",
            "enums": "ARRAY(SELECT jsonb_array_elements_text(s.{}))::text",
        },
    )
    assert mapping.text_tables == set(TABLES)
    assert mapping.uuid_tables == frozenset()


def test_keys_of_both_kinds__stand_side_by_side(app: Application) -> None:
    """Users have uuids, all else numbers; what names rows of any table is text."""
    users = [
        f"{table.name}.{column.name}"
        for table in TABLES.values()
        for column in table.columns
        if column.references == "users"
    ]
    edits = {**dict.fromkeys(users, "uuid"), "users.user_id": "uuid PRIMARY KEY"}
    app.make(
        edits={**edits, "audit_logs.entity_id": "varchar(36)", "anomaly_labels.entity_id": "text"}
    )
    mapping = app.mapping()
    assert mapping.uuid_tables == {"users"}
    app.fill(mapping)
    assert app.sql(
        "SELECT count(*) > 0, count(*) = count(u.user_id) FROM mock_data.audit_logs l "
        "LEFT JOIN mock_data.users u ON u.user_id::text = l.entity_id WHERE entity_type = 'users'"
    ) == ["t|t"]
    assert app.sql(
        "SELECT count(*) > 0, count(*) = count(o.order_id) FROM mock_data.audit_logs l "
        "LEFT JOIN mock_data.orders o ON o.order_id::text = l.entity_id "
        "WHERE entity_type = 'orders'"
    ) == ["t|t"]


def test_domains_and_own_types__take_what_their_base_takes(app: Application) -> None:
    app.sql(
        "CREATE SCHEMA app; "
        "CREATE DOMAIN app.base AS numeric(14,2) CHECK (VALUE > -1000000); "
        "CREATE DOMAIN app.money AS app.base NOT NULL; "
        "CREATE DOMAIN app.stamp AS timestamptz DEFAULT now(); "
        "CREATE TYPE app.\"Role\" AS ENUM ('Admin', 'Manager', 'Sales', 'Support'); "
        'CREATE DOMAIN app.role AS app."Role"; '
        f"{CITEXT}"
    )
    app.make(
        tables=("users", "order_items"),
        edits={
            "users.email": "public.citext",
            "users.role": "app.role",
            "users.updated_at": "app.stamp",
            "order_items.unit_price": "app.money",
        },
    )
    mapping = app.mapping()
    app.fill(mapping)
    app.holds_what_was_staged(mapping, {"float": "(s.{}::numeric(9,6))::text"})


# The extension's own type, as far as a test needs it: the wheel's server comes without it.
CITEXT = (
    "CREATE TYPE public.citext; "
    "CREATE FUNCTION public.citextin(cstring) RETURNS public.citext LANGUAGE internal "
    "IMMUTABLE STRICT AS 'textin'; "
    "CREATE FUNCTION public.citextout(public.citext) RETURNS cstring LANGUAGE internal "
    "IMMUTABLE STRICT AS 'textout'; "
    "CREATE TYPE public.citext (INPUT = public.citextin, OUTPUT = public.citextout, LIKE = text); "
    "CREATE CAST (text AS public.citext) WITHOUT FUNCTION AS ASSIGNMENT"
)


def test_enum_lists__go_into_lists_of_the_applications_type(app: Application) -> None:
    reasons = ", ".join(
        ddl.literal(value) for value in TABLES["maintenance_visits"]["problem_reasons"].values
    )
    app.sql(f"CREATE TYPE public.reason AS ENUM ({reasons})")
    app.make(
        tables=("maintenance_visits",),
        edits={"maintenance_visits.problem_reasons": "public.reason[]"},
    )
    mapping = app.mapping("maintenance_visits")
    app.fill(mapping)
    assert app.sql(
        "SELECT count(*) > 0, bool_and(to_jsonb(t.problem_reasons) = s.problem_reasons) "
        f'FROM mock_data.maintenance_visits t JOIN "{STAGING}".maintenance_visits s '
        "USING (visit_id) WHERE jsonb_array_length(s.problem_reasons) > 0"
    ) == ["t|t"]


def test_partitioned_tables__are_filled_like_others(app: Application) -> None:
    app.make(tables=("audit_logs",))
    app.sql(
        "DROP TABLE mock_data.audit_logs; "
        "CREATE TABLE mock_data.audit_logs (LIKE public.audit_logs, "
        "PRIMARY KEY (audit_log_id, created_at)) PARTITION BY RANGE (created_at); "
        "CREATE TABLE mock_data.early PARTITION OF mock_data.audit_logs "
        "FOR VALUES FROM ('2023-12-01') TO ('2024-01-05'); "
        "CREATE TABLE mock_data.late PARTITION OF mock_data.audit_logs DEFAULT"
    )
    mapping = app.mapping("audit_logs")
    app.fill(mapping)
    app.holds_what_was_staged(mapping, {})
    parts = app.sql("SELECT DISTINCT tableoid::regclass FROM mock_data.audit_logs ORDER BY 1")
    assert parts == ["mock_data.early", "mock_data.late"]


def test_defaults_on_an_applications_sequence__are_never_drawn(app: Application) -> None:
    app.make("integer", "serial")
    app.sql(USER.format("public"))
    app.sql("SELECT setval('public.users_user_id_seq', 41)")
    mapping = app.mapping()
    app.fill(mapping)
    assert app.sql("SELECT last_value FROM public.users_user_id_seq") == ["41"]
    assert all(item.sequences == () for item in mapping.tables)


# --- keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "primary", ["bigint GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY"]
)
def test_identities__go_on_above_the_largest_key(app: Application, primary: str) -> None:
    app.make(primary=primary, tables=("users",))
    app.fill(app.mapping())
    users = len(data()["users"])
    columns = "email, display_name, role, is_active, created_at, updated_at"
    new = app.sql(
        f"INSERT INTO mock_data.users ({columns}) SELECT {columns} FROM mock_data.users LIMIT 1 "
        "RETURNING user_id"
    )
    assert new[0] == str(users + 1)


def test_sequences_of_the_clone__go_on_above_the_largest_key(app: Application) -> None:
    app.make(tables=("users",))
    app.sql(
        'CREATE SEQUENCE mock_data."odd \'%s"" name" OWNED BY mock_data.users.user_id; '
        "ALTER TABLE mock_data.users ALTER user_id SET DEFAULT "
        "nextval('mock_data.\"odd ''%s\"\" name\"')"
    )
    app.fill(app.mapping())
    value = app.sql("SELECT nextval('mock_data.\"odd ''%s\"\" name\"')")
    assert value == [str(len(data()["users"]) + 1)]


def test_identities__never_go_back(app: Application) -> None:
    app.make(primary="bigint GENERATED ALWAYS AS IDENTITY (START WITH 5000)", tables=("users",))
    app.fill(app.mapping())
    assert app.sql("SELECT nextval('mock_data.users_user_id_seq')") == ["5000"]


def test_identities__are_as_before_when_the_transaction_is_undone(app: Application) -> None:
    app.make(primary="bigint GENERATED ALWAYS AS IDENTITY", tables=("users", "products"))
    app.sql("ALTER TABLE mock_data.products ADD CHECK (stock < 0)")
    before = app.server.dump(name_of(app.database), "mock_data")
    with pytest.raises(TargetError, match="stock"):
        app.fill(app.mapping())
    assert app.server.dump(name_of(app.database), "mock_data") == before


def test_largest_keys__are_those_of_rows_that_are_there(app: Application) -> None:
    app.make(tables=("users", "products"))
    app.make(
        "text", "text", tables=("companies",), edits={"companies.account_manager_user_id": "bigint"}
    )
    app.make("uuid", "uuid DEFAULT gen_random_uuid()", tables=("branches", "orders"),
             edits={"branches.company_id": "text", "orders.company_id": "text",
                    "orders.created_by_user_id": "bigint"})  # fmt: skip
    assert set(existing.largest_keys(app.session, app.mapping()).values()) == {0}
    app.sql(USER.format("mock_data"))
    company = TABLES["companies"]
    columns = ", ".join(
        f"ALTER {c.name} DROP NOT NULL" for c in company.columns if c.name != "company_id"
    )
    app.sql(f"ALTER TABLE mock_data.companies {columns}")
    app.sql("INSERT INTO mock_data.companies (company_id) VALUES ('9'), ('120'), ('x-7'), "
            "('99999999999999999999')")  # fmt: skip
    assert existing.largest_keys(app.session, app.mapping()) == {
        "users": 41,
        "companies": 120,
        "branches": 0,
        "products": 0,
        "orders": 0,
    }


def test_largest_keys__are_not_below_a_unique_rank(app: Application) -> None:
    """Ranks of a table with uuids go on above those that are there."""
    app.make("uuid", "uuid DEFAULT gen_random_uuid()", tables=("products",))
    rest = ", ".join(
        f"ALTER {c.name} DROP NOT NULL"
        for c in TABLES["products"].columns
        if c.name != "product_id"
    )
    app.sql(f"ALTER TABLE mock_data.products {rest}")
    app.sql("INSERT INTO mock_data.products (popularity_rank) VALUES (12)")
    assert existing.largest_keys(app.session, app.mapping("products")) == {"products": 12}


def test_taken_run__is_the_largest_that_codes_carry(app: Application) -> None:
    app.make(tables=("orders", "payments"))
    for name in ("orders", "payments"):
        rest = ", ".join(
            f"ALTER {c.name} DROP NOT NULL"
            for c in TABLES[name].columns
            if c.name != TABLES[name].primary_key
        )
        app.sql(f"ALTER TABLE mock_data.{name} {rest}")
    mapping = app.mapping("orders", "payments")
    assert existing.taken_run(app.session, mapping) == 0
    app.sql("INSERT INTO mock_data.orders (order_id, order_number) VALUES (1, 'A-1'), (2, 'SOX-4')")
    assert existing.taken_run(app.session, mapping) == 0
    app.sql("INSERT INTO mock_data.orders (order_id, order_number) VALUES (3, 'SO-0000000003')")
    assert existing.taken_run(app.session, mapping) == 1
    app.sql(
        "INSERT INTO mock_data.payments (payment_id, reference) VALUES (1, 'PMT12-000000000001')"
    )
    assert existing.taken_run(app.session, mapping) == 12


def test_too_narrow__names_each_key_column_that_ends_below_the_plan(app: Application) -> None:
    tables = ("users", "products", "orders", "audit_logs")
    app.make(
        tables=tables,
        edits={
            "orders.order_id": "varchar(3) PRIMARY KEY",
            "orders.duplicate_of_order_id": "text",
            "orders.created_by_user_id": "smallint",
            "audit_logs.entity_id": "text",
            "audit_logs.audit_log_id": "integer PRIMARY KEY",
        },
    )
    mapping = app.mapping(*tables)
    assert mapping.problems == ()
    fits = {"users": 32_767, "orders": 999, "audit_logs": 2**31 - 1, "products": 2**31 - 1}
    assert existing.too_narrow(mapping, fits) == []
    over = {name: last + 1 for name, last in fits.items()}
    assert existing.too_narrow(mapping, over) == [
        "mock_data.products: has keys up to 2,147,483,648, above which products.popularity_rank "
        "would go on, an integer; empty the table, or leave it out with --tables",
        "mock_data.orders.order_id: is character varying(3), but orders.order_id goes up to "
        "1,000; make it wider",
        "mock_data.orders.created_by_user_id: is smallint, but orders.created_by_user_id goes up "
        "to 32,768; make it wider",
        "mock_data.audit_logs.audit_log_id: is integer, but audit_logs.audit_log_id goes up to "
        "2,147,483,648; make it wider",
    ]


# --- what is refused ----------------------------------------------------------------------

TYPE = "ALTER TABLE mock_data.{} ALTER {} TYPE {} USING NULL"
CLONED = ("users", "companies", "products", "orders", "maintenance_visits", "audit_logs")
CHECKED = ORDER_STATUSES.replace("'Cancelled', 'Delivery Failed'", "'Lost'")
# What is done to clones -> what is said.
REFUSED = {
    "a fixed length": (
        TYPE.format("orders", "status", "char(20)"),
        "mock_data.orders.status: is character(20), but orders.status is text; make it text",
    ),
    "a length below a value's": (
        TYPE.format("orders", "status", "varchar(14)"),
        "mock_data.orders.status: is character varying(14), but orders.status has texts of up to "
        "15 characters; make it text",
    ),
    "a short length for free text": (
        TYPE.format("users", "display_name", "varchar(254)"),
        "mock_data.users.display_name: is character varying(254), but users.display_name is text "
        "of any length; make it text, or varchar(255)",
    ),
    "an enum without some values": (
        f"CREATE TYPE public.st AS ENUM ({CHECKED}); "
        + TYPE.format("orders", "status", "public.st"),
        "mock_data.orders.status: is public.st, which lacks 'Cancelled', 'Delivery Failed' of "
        "orders.status; make it text",
    ),
    "an enum for free text": (
        "CREATE TYPE public.area AS ENUM ('Maadi'); "
        + TYPE.format("companies", "area", "public.area"),
        "mock_data.companies.area: is public.area, but companies.area is text; make it text",
    ),
    "a list of an enum without some values": (
        "CREATE TYPE public.why AS ENUM ('Grinder worn', 'Low pressure', 'Pump failure', "
        "'Electrical fault', 'Steam wand blocked', 'Water too cold', 'Scale in boiler'); "
        + TYPE.format("maintenance_visits", "problem_reasons", "public.why[]"),
        "mock_data.maintenance_visits.problem_reasons: is public.why[], which lacks "
        "'Leaking group head' of maintenance_visits.problem_reasons; make it text[]",
    ),
    "money in floats": (
        TYPE.format("orders", "grand_total", "double precision"),
        "mock_data.orders.grand_total: is double precision, but orders.grand_total is "
        "numeric(12,2); make it numeric(12,2)",
    ),
    "money type": (
        TYPE.format("orders", "subtotal", "money"),
        "mock_data.orders.subtotal: is money, but orders.subtotal is numeric(12,2); make it "
        "numeric(12,2)",
    ),
    "too few decimals": (
        TYPE.format("orders", "subtotal", "numeric(12,1)"),
        "mock_data.orders.subtotal: is numeric(12,1), but orders.subtotal is numeric(12,2); make "
        "it numeric(12,2)",
    ),
    "too few digits": (
        TYPE.format("companies", "last_12_months_revenue", "numeric(17,2)"),
        "mock_data.companies.last_12_months_revenue: is numeric(17,2), but "
        "companies.last_12_months_revenue is numeric(18,2); make it numeric(18,2)",
    ),
    "too few digits of a whole number": (
        TYPE.format("products", "stock", "numeric(10,1)"),
        "mock_data.products.stock: is numeric(10,1), but products.stock is integer; make it "
        "integer",
    ),
    "rounded coordinates": (
        TYPE.format("companies", "latitude", "numeric(8,5)"),
        "mock_data.companies.latitude: is numeric(8,5), but companies.latitude is double "
        "precision; make it double precision",
    ),
    "a count that may be too large": (
        TYPE.format("products", "total_sold", "integer"),
        "mock_data.products.total_sold: is integer, but products.total_sold is bigint; make it "
        "bigint",
    ),
    "a day for an instant": (
        TYPE.format("orders", "order_date", "date"),
        "mock_data.orders.order_date: is date, but orders.order_date is timestamptz; make it "
        "timestamptz",
    ),
    "odd decimals of a second": (
        TYPE.format("orders", "order_date", "timestamptz(1)"),
        "mock_data.orders.order_date: is timestamp(1) with time zone, but orders.order_date has "
        "microseconds; make it timestamptz, or timestamp(3)",
    ),
    "an instant for a day": (
        TYPE.format("orders", "delivery_date", "timestamptz"),
        "mock_data.orders.delivery_date: is timestamp with time zone, but orders.delivery_date is "
        "date; make it date",
    ),
    "text for truth": (
        TYPE.format("users", "is_active", "text"),
        "mock_data.users.is_active: is text, but users.is_active is boolean; make it boolean",
    ),
    "text for a list of numbers": (
        TYPE.format("companies", "delivery_days", "text"),
        "mock_data.companies.delivery_days: is text, but companies.delivery_days is smallint[]; "
        "make it smallint[]",
    ),
    "a short text for JSON": (
        TYPE.format("orders", "status_history", "varchar(999)"),
        "mock_data.orders.status_history: is character varying(999), but orders.status_history is "
        "jsonb; make it jsonb",
    ),
    "a reference of another kind": (
        TYPE.format("orders", "company_id", "uuid"),
        "mock_data.orders.company_id: is uuid, but keys of companies are numbers; make it bigint",
    ),
    "a key of no kind": (
        TYPE.format("audit_logs", "audit_log_id", "numeric(20)"),
        "mock_data.audit_logs.audit_log_id: is numeric(20,0), but keys of audit_logs are numbers; "
        "make it bigint",
    ),
    "an entity of another kind": (
        TYPE.format("audit_logs", "entity_id", "uuid"),
        "mock_data.audit_logs.entity_id: is uuid, but keys are numbers; make it bigint",
    ),
    "a column that must be there": (
        "ALTER TABLE mock_data.orders ADD tenant_id integer NOT NULL",
        "mock_data.orders.tenant_id: is NOT NULL without a default, and we have no values for it; "
        "give it a default, or drop NOT NULL",
    ),
    "a value that must be there": (
        "ALTER TABLE mock_data.orders ALTER branch_id SET NOT NULL",
        "mock_data.orders.branch_id: is NOT NULL, but orders.branch_id may be null; drop NOT NULL",
    ),
    "a domain that takes no null": (
        "CREATE DOMAIN public.there AS text NOT NULL; "
        "ALTER TABLE mock_data.orders ALTER delivery_notes TYPE public.there",
        "mock_data.orders.delivery_notes: is NOT NULL, but orders.delivery_notes may be null; "
        "drop NOT NULL",
    ),
    "a default on another schema's sequence": (
        "CREATE SEQUENCE public.paper; ALTER TABLE mock_data.orders ADD paper_no bigint DEFAULT "
        "nextval('public.paper')",
        "mock_data.orders.paper_no: its default draws from public.paper, outside mock_data; drop "
        "the default, or give it another",
    ),
    "two columns of one name": (
        'ALTER TABLE mock_data.orders ADD "orderDate" timestamptz',
        "mock_data.orders: order_date, orderDate are all named like order_date; rename all but one",
    ),
    "two tables of one name": (
        'CREATE TABLE mock_data."auditLogs" ()',
        "mock_data: auditLogs, audit_logs are all named like audit_logs; rename all but one",
    ),
    "no key": (
        "ALTER TABLE mock_data.audit_logs DROP audit_log_id, ADD id bigint DEFAULT 1",
        "mock_data.audit_logs: has neither audit_log_id nor a primary key id; add one of them",
    ),
    "a view": (
        "DROP TABLE mock_data.audit_logs; "
        "CREATE VIEW mock_data.audit_logs AS SELECT * FROM public.audit_logs",
        "mock_data.audit_logs: is a view; make it a table",
    ),
    "a unique index": (
        "CREATE UNIQUE INDEX names ON mock_data.users (display_name, role)",
        "mock_data.users: display_name, role must be unique, but is not in our rows; drop the "
        "unique index names",
    ),
    "a check of an enumeration": (
        f"ALTER TABLE mock_data.orders ADD CONSTRAINT known CHECK (status IN ({CHECKED}))",
        "mock_data.orders.status: refuses 'Cancelled', 'Delivery Failed' of orders.status; drop "
        "the check known, or let it take them",
    ),
    "a foreign key to a table of others": (
        "ALTER TABLE mock_data.orders ADD CONSTRAINT made FOREIGN KEY (company_id) "
        "REFERENCES public.companies",
        "mock_data.orders.company_id: must be in public.companies, which does not get the keys of "
        "our rows; drop the foreign key made",
    ),
    "a table of polargen": (
        "COMMENT ON TABLE mock_data.audit_logs IS 'Logs. Made by polargen.'",
        "mock_data.audit_logs: was made by polargen; add to it with --load-mode append",
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_does_not_fit__is_refused(app: Application, change: str) -> None:
    statements, sentence = REFUSED[change]
    app.make(tables=CLONED)
    app.sql(statements)
    assert refused(app.mapping(*CLONED)) == [sentence]


def test_what_does_not_fit__is_said_all_at_once(app: Application) -> None:
    app.make(tables=CLONED)
    app.sql("; ".join(REFUSED[name][0] for name in ("money type", "no key", "a unique index")))
    assert len(refused(app.mapping(*CLONED))) == 3


def test_nothing_that_matches__is_refused(app: Application) -> None:
    sentence = (
        "mock_data: holds no table named like one of ours (users, companies, branches, ...); make "
        "them first, like CREATE TABLE mock_data.orders (LIKE public.orders INCLUDING ALL)"
    )
    assert refused(app.mapping()) == [sentence]
    assert app.mapping().notes == ()
    app.sql("CREATE SCHEMA mock_data; CREATE TABLE mock_data.customers (id bigint)")
    assert refused(app.mapping()) == [sentence]


def test_rules_that_hold__are_no_problem(app: Application) -> None:
    """Foreign keys among the clones, unique columns, checks that take every value."""
    app.make(named=camel, types=CAMEL)
    references = [
        f'ALTER TABLE mock_data."{camel(table)}" ADD FOREIGN KEY ("{camel(table, column)}") '
        f'REFERENCES mock_data."{camel(TABLES[column.references])}"'
        for table in TABLES.values()
        for column in table.columns
        if column.references is not None
    ]
    app.sql(
        "; ".join(references) + "; CREATE UNIQUE INDEX ON mock_data.users (email, role); "
        'CREATE UNIQUE INDEX ON mock_data."orderItems" ("lineNo", "orderId"); '
        "CREATE UNIQUE INDEX ON mock_data.users (role) WHERE email = ''; "
        "ALTER TABLE mock_data.orders ADD public_id uuid UNIQUE DEFAULT gen_random_uuid(); "
        f"ALTER TABLE mock_data.orders ADD CHECK (status IN ({ORDER_STATUSES}))"
    )
    app.fill(app.mapping())


def test_foreign_keys__to_a_table_that_is_left_out_are_refused(app: Application) -> None:
    app.make(tables=("users", "companies"))
    app.sql("ALTER TABLE mock_data.companies ADD FOREIGN KEY (account_manager_user_id) "
            "REFERENCES mock_data.users")  # fmt: skip
    assert app.mapping("users", "companies").problems == ()
    (sentence,) = refused(app.mapping("companies"))
    assert sentence.startswith(
        "mock_data.companies.account_manager_user_id: must be in mock_data.users"
    )


def test_sequences_of_another_owner__are_refused(app: Application) -> None:
    app.make(primary="bigint GENERATED ALWAYS AS IDENTITY", tables=("users",))
    app.sql(
        "DROP ROLE IF EXISTS loader; CREATE ROLE loader LOGIN; "
        "GRANT USAGE ON SCHEMA mock_data TO loader; GRANT ALL ON mock_data.users TO loader"
    )
    url = app.server.url(name_of(app.database), "loader")
    session = Database(url).connect()
    mapping = existing.map_existing(session, [TABLES["users"]])
    session.close()
    assert refused(mapping) == [
        "mock_data.users: belongs to postgres, and its sequence must go on above our keys; "
        "connect as postgres"
    ]


# --- tables of polargen -------------------------------------------------------------------


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_own_tables__map_to_themselves(app: Application, id_type: str) -> None:
    load(replace(app.database, id_type=id_type), "anomaly-heavy")  # type: ignore[arg-type]
    mapping = existing.map_own(app.session, list(TABLES.values()))
    mapping.refuse()
    assert not mapping.foreign
    assert mapping.uuid_tables == (set(TABLES) if id_type == "uuid" else set())
    for item in mapping.tables:
        assert item.target_name == item.table.name
        assert [(c.name, c.target, c.sql) for c in item.columns] == [
            (c.name, c.name, f'"{c.name}"') for c in item.table.columns
        ]
        assert (item.left, item.unused, item.sequences) == ((), (), ())
    largest = existing.largest_keys(app.session, mapping)
    ranks = app.sql("SELECT max(popularity_rank) FROM mock_data.products")
    assert largest["products"] == int(ranks[0])
    assert existing.taken_run(app.session, mapping) == 1


def test_own_tables__of_another_version_are_refused(app: Application) -> None:
    load(app.database)
    app.sql(
        "ALTER TABLE mock_data.users DROP photo_url; DROP TABLE mock_data.anomaly_labels; "
        "COMMENT ON TABLE mock_data.audit_logs IS 'Mine.'; "
        "ALTER TABLE mock_data.orders DROP CONSTRAINT orders_status_values, "
        f"ADD CONSTRAINT orders_status_values CHECK (status IN ({CHECKED})) NOT VALID"
    )
    assert refused(existing.map_own(app.session, list(TABLES.values()))) == [
        "mock_data.users: lacks photo_url, another version made it; load with --load-mode replace",
        "mock_data.audit_logs: was not made by polargen; load with --load-mode replace",
        "mock_data.anomaly_labels: is not there; load with --load-mode replace",
        "mock_data.orders.status: refuses 'Cancelled', 'Delivery Failed' of orders.status; drop "
        "the check orders_status_values, or let it take them",
    ]


# --- the report ---------------------------------------------------------------------------


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def plan(app: Application, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run `polargen plan` on the database."""

    def command(*args: str, url: str = app.database.url) -> Done:
        capsys.readouterr()
        given = ("--from", "2024-01-01", "--to", "2024-01-10", "--seed", "1", "--database", url)
        code = main(["plan", *given, *args])
        return Done(code, *capsys.readouterr())

    return command


def test_plan__shows_where_rows_go_and_writes_nothing(
    app: Application, plan: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_DATA_ENABLED", "false")
    app.make(
        "uuid",
        "uuid DEFAULT gen_random_uuid()",
        camel,
        CAMEL,
        edits={"orders.warehouse": ""},
        extra={"orders": "tenant_id integer DEFAULT 7"},
    )
    before = app.server.dump(name_of(app.database))
    done = plan("--load-mode", "existing")
    assert done.code == 0
    assert "into mock_data:\n" in done.out
    assert "order_items          orderItems" in done.out
    assert (
        "orders: left to the server: tenant_id (default)\norders: has no place for warehouse\n"
        in (done.out)
    )
    assert done.out.endswith("the rows fit\n")
    assert PASSWORD not in done.out + done.err
    shown = json.loads(plan("--load-mode", "existing", "--json").out)
    assert shown["mapping"]["ok"] is True
    orders = shown["mapping"]["tables"]["orders"]
    assert (orders["target"], orders["keys"]) == ("orders", "uuid")
    assert orders["columns"]["order_id"] == "id"
    assert orders["left"] == {"tenant_id": "default"}
    assert orders["unused"] == ["warehouse"]
    assert app.server.dump(name_of(app.database)) == before


def test_plan__of_what_does_not_fit_returns_2(app: Application, plan: Callable[..., Done]) -> None:
    app.make(tables=CLONED, edits={"audit_logs.audit_log_id": "smallint PRIMARY KEY"})
    app.sql(REFUSED["money type"][0])
    done = plan("--load-mode", "existing", "--tables", ",".join(CLONED))
    assert done.code == 2
    problems = [line for line in done.out.splitlines() if line.startswith("problem: ")]
    assert problems[0] == f"problem: {REFUSED['money type'][1]}"
    assert problems[1].startswith("problem: mock_data.audit_logs.audit_log_id: is smallint, but ")
    assert done.out.endswith("2 problems, the load would be refused\n")
    shown = json.loads(plan("--load-mode", "existing", "--tables", "orders", "--json").out)
    assert shown["mapping"]["problems"] == [REFUSED["money type"][1]]


def test_plan__counts_what_earlier_runs_were_promised(
    app: Application, plan: Callable[..., Done]
) -> None:
    load(app.database)
    done = plan("--load-mode", "append")
    assert (done.code, done.out.count("problem: ")) == (0, 0)
    (record,) = runs(app.session)
    assert record.ranges["orders"][1] < 2**20
    app.sql(
        "UPDATE mock_data.polargen_runs SET keys = jsonb_set(keys, '{ranges,orders,1}', "
        f"'{2**31 - 1}'); "
        "ALTER TABLE mock_data.order_items ALTER order_id TYPE integer"
    )
    done = plan("--load-mode", "append")
    assert done.code == 2
    assert "problem: mock_data.order_items.order_id: is integer, but order_items.order_id goes" in (
        done.out
    )


@pytest.mark.parametrize("option", [("--tables", "orders"), ("--schema", "mock_data")])
def test_plan__without_a_load_mode_looks_at_no_database(
    option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *option]) == 2
    assert f"{option[0]}: only tables that are there decide how rows go" in capsys.readouterr().err
