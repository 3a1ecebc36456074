"""The ADBC driver of PostgreSQL: the wheel's, or a faster build that the environment names."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from polargen.errors import ConfigError

VARIABLE = "POLARGEN_ADBC_DRIVER"
_NOT_LOADED = "[Driver Manager]"
_PRICE = Decimal("44.12")


def connect(url: str) -> Any:
    """Return an ADBC connection in autocommit.

    Args:
        url: of a PostgreSQL database.

    Raises:
        ConfigError: the driver that ``POLARGEN_ADBC_DRIVER`` names cannot be loaded, or writes
            money wrong.
        adbc_driver_manager.Error: the server cannot be reached or refuses.
    """
    chosen = os.environ.get(VARIABLE, "").strip()
    if not chosen:
        from adbc_driver_postgresql import dbapi as wheel

        return wheel.connect(url, autocommit=True)
    from adbc_driver_manager import dbapi

    try:
        connection = dbapi.connect(chosen, url, autocommit=True)
    except dbapi.Error as error:
        if _NOT_LOADED not in str(error):
            raise
        raise _unusable(chosen, str(error).partition(_NOT_LOADED)[2].splitlines()[0]) from None
    try:
        with connection.cursor() as cursor:
            # Source: apache/arrow-adbc issue 3485: up to version 1.10, it arrives as 4412.00.
            cursor.execute("SELECT $1::text", (_PRICE,))
            arrived = cursor.fetchone()[0]
        if arrived != str(_PRICE):
            raise _unusable(chosen, f"{_PRICE} arrives as {arrived}")
    except BaseException:
        connection.close()
        raise
    return connection


def _unusable(chosen: str, why: str) -> ConfigError:
    return ConfigError(
        f"{VARIABLE} is {chosen!r}, which cannot be used: {why.strip()}; name the library of an "
        "ADBC driver for PostgreSQL of version 1.12 or later, or unset the variable"
    )
