"""How and where customers are reached: phones, addresses, coordinates, tax numbers, domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen import pools, streams
from polargen.columns import Array, Gather, Nested, fixed_text, string_array
from polargen.draw import F64, I64, chance, integers, permute
from polargen.pools import AREAS

if TYPE_CHECKING:
    from polargen.plan import Plan

MOBILE_CODES = (0, 1, 2, 5)  # 010, 011, 012, 015; Source: Egypt's numbering plan
_SUBSCRIBERS = 10**8
_LANDLINE_SHARE = 0.3  # of sites in Greater Cairo; ASSUMED
_FIRST_LANDLINE, _LANDLINES = 2_000_000, 8_000_000
_HIGHEST_HOUSE = 180
_HALF_SPREAD_MICRODEGREES = 3_500  # twice this is about 700 m; ASSUMED
_DELIVERY_DAYS = np.array([[0, 2, 4], [1, 3, 6]], dtype=np.int8)  # by region; Source: DOMAIN
_IN_CAIRO_SHARE = np.array(
    [_LANDLINE_SHARE if area.governorate in ("Cairo", "Giza") else 0.0 for area in AREAS]
)
_GIZA = np.array([area.governorate == "Giza" for area in AREAS])
_AREA_NAMES = pools.strings(*(area.name for area in AREAS))
_CITIES = tuple(dict.fromkeys(area.city for area in AREAS))
_GOVERNORATES = tuple(dict.fromkeys(area.governorate for area in AREAS))
_CITY_OF = np.array([_CITIES.index(area.city) for area in AREAS], dtype=np.int32)
_GOVERNORATE_OF = np.array([_GOVERNORATES.index(a.governorate) for a in AREAS], dtype=np.int32)


def mobiles(plan: Plan, name: str, index: I64) -> pa.Array:
    """Return Egyptian mobile numbers in E.164, distinct for index below 4 x 10**8."""
    numbers = len(MOBILE_CODES) * _SUBSCRIBERS
    value = permute(index % numbers, numbers, plan.name_key(name))
    code = np.array(MOBILE_CODES, dtype=np.int64)[value // _SUBSCRIBERS]
    return fixed_text("+201", code * _SUBSCRIBERS + value % _SUBSCRIBERS, 9)


def site_phones(plan: Plan, name: str, index: I64, area: Array) -> pa.Array:
    """Return phone numbers in E.164: mobiles, and some landlines in Greater Cairo."""
    share = _IN_CAIRO_SHARE[area]
    has_landline = chance(plan.keyed(name + ".landline", index), share)
    number = permute(index % _LANDLINES, _LANDLINES, plan.name_key(name + ".number"))
    exchange = np.where(_GIZA[area], 3, 2)
    landline = fixed_text("+202", exchange * 10**7 + _FIRST_LANDLINE + number, 8)
    return pc.if_else(pa.array(has_landline), landline, mobiles(plan, name, index))


def tax_numbers(plan: Plan, index: I64) -> pa.Array:
    """Return distinct tax numbers like 123-456-789, also among all runs in the same tables."""
    number = index + plan.base.offset("companies")
    low = 10**8 if plan.companies <= 9 * 10**8 else 0
    key = streams.name_key(plan.text_seed, "companies.tax_number")
    number = low + permute(number, 10**9 - low, key)
    plain = fixed_text("", number, 9)
    text = np.frombuffer(plain.buffers()[2], dtype=np.uint8)[: 9 * len(index)].reshape(-1, 3, 3)
    dashed = np.full((len(index), 3, 4), ord("-"), dtype=np.uint8)
    dashed[:, :, :3] = text
    return string_array(dashed.reshape(-1, 12)[:, :11])


def addresses(plan: Plan, name: str, index: I64, area: Array) -> pa.Array:
    """Return street addresses: house, street of the area, area, city or governorate."""
    streets = pools.streets(plan.scenario.locale, plan.seed)
    first, stop = streets.offsets[area], streets.offsets[area.astype(np.int64) + 1]
    street = integers(plan.keyed(name + ".street", index), first, stop - 1)
    house = integers(plan.keyed(name + ".house", index), 1, _HIGHEST_HOUSE)
    ends = pools.strings(*(f", {part.address}" for part in AREAS))
    return pools.joined(
        pa.array(house).cast(pa.string()),
        " ",
        streets.names.take(pa.array(street)),
        ends.take(pa.array(area)),
    )


def coordinates(plan: Plan, name: str, index: I64, area: Array) -> tuple[F64, F64]:
    """Return latitude and longitude near the area's centre, degrees to six decimals."""
    result = []
    for axis in ("latitude", "longitude"):
        centre = np.array([round(getattr(part, axis) * 1e6) for part in AREAS])[area]
        # The sum of two uniform offsets: most sites are close to the centre.
        offset = np.zeros(len(index), dtype=np.int64)
        for turn in (0, 1):
            bits = plan.keyed(f"{name}.{axis}", index, turn)
            offset += integers(bits, -_HALF_SPREAD_MICRODEGREES, _HALF_SPREAD_MICRODEGREES)
        result.append((centre + offset) / 1e6)
    return result[0], result[1]


def places(area: Array) -> dict[str, Gather]:
    """Return the columns area, city and governorate."""
    return {
        "area": Gather(area.astype(np.int32), _AREA_NAMES),
        "city": Gather(_CITY_OF[area], pools.strings(*_CITIES)),
        "governorate": Gather(_GOVERNORATE_OF[area], pools.strings(*_GOVERNORATES)),
    }


def delivery_days(region: Array) -> Nested:
    """Return the weekdays of delivery of each region code."""
    offsets = np.arange(len(region) + 1, dtype=np.int32) * np.int32(3)
    return Nested(offsets, {"item": _DELIVERY_DAYS[region].reshape(-1)})


def slugs(names: pa.Array) -> pa.Array:
    """Return names as parts of an internet address: lower case, hyphens between words."""
    lower = pc.utf8_lower(names)
    plain = pc.replace_substring_regex(lower, pattern="[^a-z0-9]+", replacement="-")
    return pc.utf8_trim(plain, characters="-")
