"""Write `polargen/data/pools.json`: the words that names, addresses and products are made of.

Run from the root of the repository: ``python scripts/make_pools.py``. The result is checked in, so
that no library's update changes a byte of the data. The words are our own, in `words.yaml`: Faker
has no Egyptian names in Latin letters. What is unique by construction is proven here: no two
combinations of words read the same, and no two people or companies give the same e-mail address.
"""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent / "words.yaml"
TARGET = Path(__file__).parent.parent / "polargen" / "data" / "pools.json"


def words(text: str) -> list[str]:
    """Split a list at commas."""
    return [" ".join(word.split()) for word in text.split(",")]


def choices(part: dict[str, str], is_first: bool, leads: bool) -> list[str]:
    """Return one part of a product's name, with the blank that joins it to the others.

    Blanks stand before a word, or after it where the name begins with parts that may be missing.
    """
    (kind, text), *_ = part.items()
    joined = [f"{word} " if leads else word if is_first else f" {word}" for word in words(text)]
    return ["", *joined] if kind == "optional" else joined


def name_parts(parts: list[dict[str, str]]) -> list[list[str]]:
    """Return the parts of a product's name, to be put together without blanks."""
    lead = next(place for place, part in enumerate(parts) if "words" in part)
    return [choices(part, place <= lead, place < lead) for place, part in enumerate(parts)]


def slug(name: str) -> str:
    """Return what a name gives in an e-mail address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def no_twins(values: list[str], what: str) -> None:
    """Stop if two values are equal."""
    if len(set(values)) < len(values):
        seen: set[str] = set()
        twice = [value for value in values if value in seen or seen.add(value)]
        raise SystemExit(f"{what}: twice: {', '.join(twice[:5])}")


def build(source: dict[str, Any]) -> dict[str, Any]:
    """Return the pools; stops if a combination is not unique."""
    people = {kind: words(text) for kind, text in source["people"].items()}
    no_twins([slug(n).replace("-", "") for n in people["male"] + people["female"]], "first names")
    no_twins([slug(n).replace("-", "") for n in people["family"]], "family names")
    first = words(source["companies"]["first"])
    industries = {
        name: [words(lists["second"]), words(lists["kind"])]
        for name, lists in source["companies"]["industries"].items()
    }
    no_twins(
        [slug(" ".join(p)) for lists in industries.values() for p in product(first, *lists)],
        "companies",
    )
    products = {
        category: {
            "parts": name_parts(lists["parts"]),
            "facts": words(lists["facts"]),
            "makers": words(lists["makers"]),
        }
        for category, lists in source["products"].items()
    }
    no_twins(["".join(p) for lists in products.values() for p in product(*lists["parts"])], "goods")
    return {
        "people": people,
        "streets": {area: words(text) for area, text in source["streets"].items()},
        "companies": {"first": first, "industries": industries},
        "positions": words(source["positions"]),
        "mailboxes": words(source["mailboxes"]),
        "products": products,
        "machines": [words(text) for text in source["machines"]],
    }


def text_of(source: Path = SOURCE) -> str:
    """Return the content of the pools' file."""
    pools = build(yaml.safe_load(source.read_text(encoding="utf-8")))
    return json.dumps(pools, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text_of(), encoding="utf-8", newline="\n")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
