"""Make polargen/data/calendar.json: Cairo's offsets, public holidays and Ramadan, 1990-2050.

The package reads only the file, so that updates of libraries never change what a seed produces.
Run it from the repository's root after `pip install holidays hijridate tzdata`.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
from hijridate import Hijri

FIRST_YEAR, LAST_YEAR = 1989, 2051  # a year of margin on both ends
CAIRO = ZoneInfo("Africa/Cairo")
EPOCH = date(1970, 1, 1)
TARGET = Path(__file__).parents[1] / "polargen" / "data" / "calendar.json"


def transitions() -> list[list[int]]:
    """Return [instant in UTC seconds, offset in seconds from it on]."""
    found = []
    moment = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    last: int | None = None
    while moment.year <= LAST_YEAR:
        offset = _offset(moment)
        if offset != last:
            found.append([int(moment.timestamp()), offset])
            last = offset
        moment += timedelta(hours=1)
    return found


def _offset(moment: datetime) -> int:
    offset = moment.astimezone(CAIRO).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def public_holidays() -> list[int]:
    """Return the epoch days of Egypt's public holidays."""
    days = holidays.country_holidays("EG", years=range(FIRST_YEAR, LAST_YEAR + 1))
    return sorted((day - EPOCH).days for day in days)


def ramadans() -> list[list[int]]:
    """Return [first, last] epoch day of each Ramadan."""
    spans = []
    for year in range(1409, 1475):
        first = Hijri(year, 9, 1).to_gregorian()
        last = first + timedelta(days=Hijri(year, 9, 1).month_length() - 1)
        span = [(date(d.year, d.month, d.day) - EPOCH).days for d in (first, last)]
        spans.append(span)
    return spans


def main() -> None:
    """Write the file."""
    TARGET.parent.mkdir(exist_ok=True)
    document = {
        "first_day": (date(FIRST_YEAR, 1, 1) - EPOCH).days,
        "last_day": (date(LAST_YEAR, 12, 31) - EPOCH).days,
        "offsets": transitions(),
        "holidays": public_holidays(),
        "ramadans": ramadans(),
    }
    TARGET.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
