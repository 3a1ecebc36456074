"""Golden digests: the bytes of pinned runs do not change by accident."""

from __future__ import annotations

from typing import Any

import golden
import pytest


@pytest.fixture(scope="module")
def pinned() -> dict[str, Any]:
    return golden.pinned()


def test_golden__pins_all_scenarios_and_a_run_of_several_segments(pinned: dict[str, Any]) -> None:
    assert set(pinned) == set(golden.NAMES)
    assert all(len(run["tables"]) == 14 for run in pinned.values())
    assert all(table["rows"] for table in pinned[golden.LARGE]["tables"].values())


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden__digests_are_the_pinned_ones(pinned: dict[str, Any], name: str) -> None:
    """If this fails on purpose: python scripts/make_golden.py, and an entry in the changelog."""
    found = golden.compute(name)
    assert found["planHash"] == pinned[name]["planHash"]
    differ = [t for t, entry in found["tables"].items() if entry != pinned[name]["tables"][t]]
    assert differ == []
