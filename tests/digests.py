"""Make a pinned run in a process of its own and print its digests.

``python tests/digests.py '{"name": "normal-ops", "how": {"options": {"workers": 2}}}'``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import golden


def main(document: dict[str, Any]) -> None:
    """Print the digests of the run that a document asks for, and what became of its hash seed."""
    how = dict(document.get("how", {}))
    if "out" in how:
        how["out"] = Path(how["out"])
    made = golden.make(document["name"], **how)
    tables = golden.digests(made)
    print(json.dumps({"tables": tables, "planHash": made.plan.hash, "hash": hash("polargen")}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
