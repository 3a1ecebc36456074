"""Words are packaged, Egyptian where it matters, and become names that are unique."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from master_rows import usual_plan

from polargen import pools
from polargen.errors import ScenarioError
from polargen.generators import contacts
from polargen.schema.masters import CATEGORIES, INDUSTRIES, MAINTENANCE_LOCATIONS, REGIONS

ROOT = Path(__file__).parent.parent
# Source: DOMAIN, companies
AREA_NAMES = (
    "Maadi",
    "Zamalek",
    "Heliopolis",
    "Nasr City",
    "New Cairo",
    "Downtown",
    "Mohandessin",
    "Dokki",
    "6th of October",
    "Sheikh Zayed",
    "Giza",
    "El Tagamoa",
    "5th Settlement",
    "Sharm El Sheikh",
    "Hurghada",
    "Alexandria - Smouha",
    "Alexandria - Roushdy",
    "Alexandria - Kafr Abdo",
)


def test_pools__are_what_their_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_pools", ROOT / "scripts" / "make_pools.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.TARGET.read_text(encoding="utf-8") == script.text_of()


def test_import__needs_no_faker() -> None:
    code = "import sys, polargen.pools as p; p.people(); p.streets(); print('faker' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"


def test_areas__are_those_of_the_business() -> None:
    assert tuple(area.name for area in pools.AREAS) == AREA_NAMES
    for area in pools.AREAS:
        assert area.region in REGIONS
        assert area.zone in MAINTENANCE_LOCATIONS
        assert 27 < area.latitude < 31.5
        assert 29.5 < area.longitude < 34.5
    assert {area.governorate: area.region for area in pools.AREAS} == {
        "Cairo": "A",
        "South Sinai": "A",
        "Red Sea": "A",
        "Giza": "B",
        "Alexandria": "B",
    }


def test_areas__addresses_name_no_place_twice() -> None:
    assert [area.address for area in pools.AREAS[9:18:3]] == [
        "Sheikh Zayed, Giza",
        "5th Settlement, New Cairo, Cairo",
        "Smouha, Alexandria",
    ]
    assert pools.AREAS[10].address == "Giza"


def test_pools__have_words_for_everything() -> None:
    words = pools.packaged()
    assert set(words["streets"]) == set(AREA_NAMES)
    assert set(words["companies"]["industries"]) == set(INDUSTRIES)
    assert set(words["products"]) == set(CATEGORIES)
    assert min(len(streets) for streets in words["streets"].values()) >= 7


def test_person_names__depend_on_index_and_key_alone() -> None:
    names = pools.person_names(np.arange(500), 1).to_pylist()
    again = pools.person_names(np.arange(499, -1, -1), 1).to_pylist()
    assert names == again[::-1]
    other = pools.person_names(np.arange(500), 2).to_pylist()
    assert sum(a == b for a, b in zip(names, other, strict=True)) < 5


def test_person_names__are_a_first_and_a_family_name() -> None:
    words = pools.packaged()["people"]
    for name in pools.person_names(np.arange(1000), 3).to_pylist():
        first, _, family = name.partition(" ")
        assert first in words["male"] or first in words["female"]
        assert family in words["family"]


def test_person_names__of_men() -> None:
    men = set(pools.packaged()["people"]["male"])
    names = pools.person_names(np.arange(0, 100_000, 7), 3, men=True).to_pylist()
    assert {name.split(" ")[0] for name in names} == men


def test_people__a_million_have_distinct_names_and_mailboxes() -> None:
    index = np.arange(1_000_000)
    assert _distinct(pools.person_names(index, 5)) == len(index)
    boxes = pools.person_mailboxes(index, 5)
    assert _distinct(boxes) == len(index)
    assert pc.all(pc.match_substring_regex(boxes, "^[a-z]+\\.[a-z]+[0-9]*$")).as_py()


def test_mailboxes__are_those_of_the_names() -> None:
    names = pools.person_names(np.arange(200), 9).to_pylist()
    boxes = pools.person_mailboxes(np.arange(200), 9).to_pylist()
    for name, box in zip(names, boxes, strict=True):
        assert re.sub("[^a-z]", "", name.lower()) == box.replace(".", "")


@pytest.mark.parametrize("n", [1, 59, 60, 61, 1000])
def test_combination__is_unique_also_beyond_the_words(n: int) -> None:
    first, second, turn = pools.combination(np.arange(n), n, (12, 5), 77)
    assert len(set(zip(first.tolist(), second.tolist(), turn.tolist(), strict=True))) == n
    assert first.max() < 12
    assert second.max() < 5
    assert (turn.max() == 0) == (n <= 60)


@pytest.mark.parametrize("locale", ["de_DE", "ja_JP"])
def test_locale__people_and_streets_come_from_faker(locale: str) -> None:
    index = np.arange(2000)
    names = pools.person_names(index, 5, locale, 42)
    assert _distinct(names) == len(index)
    boxes = pools.person_mailboxes(index, 5, locale, 42)
    assert _distinct(boxes) == len(index)
    assert pc.all(pc.match_substring_regex(boxes, "^[a-z]+\\.[a-z]+[0-9]*$")).as_py()
    assert len(pools.streets(locale, 42).names) >= len(pools.AREAS)
    pools.people.cache_clear()
    assert pools.person_names(index, 5, locale, 42) == names
    assert pools.person_names(index, 5, locale, 43) != names


def test_locale__unknown_is_refused_by_name() -> None:
    with pytest.raises(ScenarioError, match="locale: 'xx_YY' is unknown"):
        pools.people("xx_YY", 1)


def test_phones__are_valid_egyptian_numbers() -> None:
    plan, index = usual_plan(), np.arange(0, 400_000, 97)
    area = (index % len(pools.AREAS)).astype(np.int16)
    mobiles = contacts.mobiles(plan, "test.mobile", index).to_pylist()
    sites = contacts.site_phones(plan, "test.site", index, area).to_pylist()
    kinds = set()
    for text in mobiles + sites:
        number = phonenumbers.parse(text)
        assert phonenumbers.is_valid_number_for_region(number, "EG"), text
        assert text == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        kinds.add(phonenumbers.number_type(number))
    assert kinds == {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE}
    assert {text[:5] for text in mobiles} == {"+2010", "+2011", "+2012", "+2015"}


def test_phones__landlines_stand_in_greater_cairo() -> None:
    plan, index = usual_plan(), np.arange(5000)
    area = (index % len(pools.AREAS)).astype(np.int16)
    sites = contacts.site_phones(plan, "test.site", index, area).to_pylist()
    there = {pools.AREAS[place].governorate for place, text in zip(area, sites, strict=True)
             if text.startswith("+202")}  # fmt: skip
    assert there == {"Cairo", "Giza"}


def _distinct(texts: pa.Array) -> int:
    return int(pc.count_distinct(texts).as_py())
