"""Words and places that text columns are made of, and how words become unique names.

The packaged words (``data/pools.json``, written by ``scripts/make_pools.py``) are read when first
needed. Another locale than `PACKAGED_LOCALE` takes people and streets from Faker, once a process;
areas, companies and products stay those of the business.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen.draw import I64, permute
from polargen.errors import ScenarioError
from polargen.keys import Base

PACKAGED_LOCALE = "eg"
FAKER_WORDS = 300  # of each kind, from another locale
_FAKER_TRIES = 20 * FAKER_WORDS


@dataclass(frozen=True)
class Area:
    """A part of a city where customers are.

    Attributes:
        name: as in the data.
        city, governorate: that it belongs to.
        region: of delivery. A: Cairo and the Red Sea; B: Giza, west of the Nile, and Alexandria.
        latitude, longitude: of its centre, degrees.
        zone: of the technicians.
        weight: how many customers there are, relative to the region's other areas (ASSUMED).
    """

    name: str
    city: str
    governorate: str
    region: str
    latitude: float
    longitude: float
    zone: str
    weight: int

    @property
    def address(self) -> str:
        """The end of an address: the parts that differ, from small to large."""
        short = self.name.removeprefix(self.city + " - ")
        return ", ".join(dict.fromkeys((short, self.city, self.governorate)))


# Source: DOMAIN, companies; centres from public maps.
AREAS = (
    Area("Maadi", "Cairo", "Cairo", "A", 29.9602, 31.2569, "inside_cairo", 13),
    Area("Zamalek", "Cairo", "Cairo", "A", 30.0609, 31.2197, "inside_cairo", 9),
    Area("Heliopolis", "Cairo", "Cairo", "A", 30.0911, 31.3225, "inside_cairo", 14),
    Area("Nasr City", "Cairo", "Cairo", "A", 30.0561, 31.3301, "inside_cairo", 15),
    Area("New Cairo", "New Cairo", "Cairo", "A", 30.0300, 31.4700, "inside_cairo", 12),
    Area("Downtown", "Cairo", "Cairo", "A", 30.0478, 31.2393, "inside_cairo", 10),
    Area("Mohandessin", "Giza", "Giza", "B", 30.0561, 31.2010, "inside_cairo", 16),
    Area("Dokki", "Giza", "Giza", "B", 30.0385, 31.2118, "inside_cairo", 15),
    Area("6th of October", "6th of October", "Giza", "B", 29.9668, 30.9410, "outside_cairo", 14),
    Area("Sheikh Zayed", "Sheikh Zayed", "Giza", "B", 30.0444, 30.9838, "outside_cairo", 14),
    Area("Giza", "Giza", "Giza", "B", 30.0059, 31.2085, "inside_cairo", 13),
    Area("El Tagamoa", "New Cairo", "Cairo", "A", 30.0131, 31.4289, "inside_cairo", 8),
    Area("5th Settlement", "New Cairo", "Cairo", "A", 30.0055, 31.4478, "inside_cairo", 9),
    Area("Sharm El Sheikh", "Sharm El Sheikh", "South Sinai", "A", 27.9158, 34.3300,
         "outside_cairo", 5),
    Area("Hurghada", "Hurghada", "Red Sea", "A", 27.2279, 33.8200, "outside_cairo", 5),
    Area("Alexandria - Smouha", "Alexandria", "Alexandria", "B", 31.2130, 29.9440, "sahel", 11),
    Area("Alexandria - Roushdy", "Alexandria", "Alexandria", "B", 31.2300, 29.9520, "sahel", 10),
    Area("Alexandria - Kafr Abdo", "Alexandria", "Alexandria", "B", 31.2240, 29.9480, "sahel", 7),
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """Names of people.

    Attributes:
        first, family: pa.StringArray.
        male: how many of the first names, from the start, are men's.
        first_mail, family_mail: what they give in an e-mail address; distinct, letters only.
    """

    first: pa.Array
    family: pa.Array
    male: int
    first_mail: pa.Array
    family_mail: pa.Array


@dataclass(frozen=True)
class Streets:
    """Streets by area.

    Attributes:
        names: pa.StringArray.
        offsets: int64 (areas + 1); streets of area i are offsets[i]:offsets[i + 1].
    """

    names: pa.Array
    offsets: I64


@lru_cache(maxsize=1)
def packaged() -> dict[str, Any]:
    """Return the packaged words as the file has them."""
    text = files("polargen").joinpath("data/pools.json").read_text(encoding="utf-8")
    pools: dict[str, Any] = json.loads(text)
    return pools


@lru_cache(maxsize=256)
def strings(*words: str) -> pa.Array:
    """Return words as a pa.StringArray, one array for the same words."""
    return pa.array(words, type=pa.string())


@lru_cache(maxsize=4)
def people(locale: str = PACKAGED_LOCALE, seed: int = 0) -> People:
    """Return the names of people.

    Args:
        locale: of the scenario.
        seed: of the run; decides the names of another locale than the packaged one.

    Raises:
        ScenarioError: Faker does not know the locale.
    """
    if locale == PACKAGED_LOCALE:
        words = packaged()["people"]
        male, female, family = words["male"], words["female"], words["family"]
    else:
        fake = _faker(locale, seed)
        male = _distinct(fake.first_name_male)
        female = [name for name in _distinct(fake.first_name_female) if name not in male]
        family = _distinct(fake.last_name)
    return People(
        first=strings(*male, *female),
        family=strings(*family),
        male=len(male),
        first_mail=strings(*_mail_words([*male, *female])),
        family_mail=strings(*_mail_words(family)),
    )


@lru_cache(maxsize=4)
def streets(locale: str = PACKAGED_LOCALE, seed: int = 0) -> Streets:
    """Return the streets of each area; another locale has the same ones in all areas.

    Raises:
        ScenarioError: Faker does not know the locale.
    """
    if locale == PACKAGED_LOCALE:
        lists = [packaged()["streets"][area.name] for area in AREAS]
    else:
        lists = [_distinct(_faker(locale, seed).street_name)] * len(AREAS)
    offsets = np.cumsum([0, *(len(names) for names in lists)])
    return Streets(strings(*(name for names in lists for name in names)), offsets.astype(np.int64))


def digits(value: I64, sizes: Sequence[int]) -> list[I64]:
    """Split numbers into digits of a mixed radix, the first digit changing fastest.

    Returns:
        One int64 array for each size, and what is left as the last.
    """
    result = []
    rest = np.asarray(value, dtype=np.int64)
    for size in sizes:
        higher = rest // size
        result.append(rest - higher * size)
        rest = higher
    return [*result, rest]


def combination(index: I64, n: int, sizes: Sequence[int], key: int) -> list[I64]:
    """Choose words for each index such that no two of n indices have the same choice.

    Args:
        index: int64, 0..n-1.
        n: how many there can be.
        sizes: number of words of each part.
        key: of the permutation.

    Returns:
        For each part an int64 index into its words; and last a turn, 0 for all while the
        combinations suffice for n.
    """
    return digits(permute(index, domain_of(n, sizes), key), sizes)


def domain_of(n: int, sizes: Sequence[int]) -> int:
    """Return how many numbers `combination` permutes: whole turns of all choices, n or more."""
    combinations = math.prod(sizes)
    return -(-max(n, 1) // combinations) * combinations


def joined(*parts: pa.Array | str) -> pa.Array:
    """Return texts put together row by row; a plain string stands in each row."""
    return pc.binary_join_element_wise(*parts, "")


def person_names(
    index: I64, key: int, locale: str = PACKAGED_LOCALE, seed: int = 0, men: bool = False
) -> pa.Array:
    """Return a person's name for each index.

    Args:
        index: int64, >= 0; the same index has the same name.
        key: of the permutation; another key gives other people.
        locale, seed: see `people`.
        men: men only.

    Returns:
        pa.StringArray. Names are distinct, beyond first x family names with a middle name, until
        all combinations with a middle name are used up (about four million).
    """
    names = people(locale, seed)
    first, family, turn = _person(index, key, names, men)
    end = names.family.take(pa.array(family))
    if not turn.any():
        return joined(names.first.take(pa.array(first)), " ", end)
    middle = strings("", *(name.as_py() + " " for name in names.first[: names.male]))
    place = np.where(turn == 0, 0, (turn - 1) % names.male + 1)
    return joined(names.first.take(pa.array(first)), " ", middle.take(pa.array(place)), end)


def person_mailboxes(
    index: I64, key: int, locale: str = PACKAGED_LOCALE, seed: int = 0
) -> pa.Array:
    """Return the part before the @ for the same people as `person_names`; all distinct."""
    names = people(locale, seed)
    first, family, turn = _person(index, key, names, men=False)
    box = joined(
        names.first_mail.take(pa.array(first)), ".", names.family_mail.take(pa.array(family))
    )
    return numbered(box, turn, "")


def numbered(names: pa.Array, turn: I64, before: str) -> pa.Array:
    """Return names that are followed by ``before`` and turn + 1 where turn is above 0."""
    if not turn.any():
        return names
    number = joined(before, pa.array(turn + 1).cast(pa.string()))
    return joined(names, pc.if_else(pa.array(turn > 0), number, ""))


def marked(names: pa.Array, base: Base) -> pa.Array:
    """Return names followed by a run's mark, " R2", so that no earlier run has them."""
    return joined(names, f" R{base.mark}") if base.mark else names


def _person(index: I64, key: int, names: People, men: bool) -> tuple[I64, I64, I64]:
    firsts = names.male if men else len(names.first)
    pairs = firsts * len(names.family)
    turn = np.asarray(index, dtype=np.int64) // pairs
    first, family, _ = digits(
        permute(index - turn * pairs, pairs, key), (firsts, len(names.family))
    )
    return first, family, turn


def _faker(locale: str, seed: int) -> Any:
    from faker import Faker  # imported only where another locale is asked for

    try:
        fake = Faker(locale)
    except AttributeError:
        raise ScenarioError(
            f"locale: {locale!r} is unknown, give {PACKAGED_LOCALE} or a locale of Faker"
        ) from None
    fake.seed_instance(seed)
    return fake


def _distinct(word: Callable[[], str]) -> list[str]:
    """Return up to `FAKER_WORDS` distinct words in the order in which they come."""
    found: dict[str, None] = {}
    for _ in range(_FAKER_TRIES):
        found[word()] = None
        if len(found) == FAKER_WORDS:
            break
    return list(found)


def _mail_words(names: Sequence[str]) -> list[str]:
    """Return distinct words of the letters a-z, one for each name."""
    result: dict[str, None] = {}
    for place, name in enumerate(names):
        plain = unicodedata.normalize("NFKD", name.lower())
        word = "".join(letter for letter in plain if "a" <= letter <= "z")
        if not word or word in result:
            word += "x" + "".join(chr(ord("a") + int(digit)) for digit in str(place))
        while word in result:
            word += "x"
        result[word] = None
    return list(result)
