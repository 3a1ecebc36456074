"""Write tests/golden.json anew: the digests of the pinned runs.

Run it after a change that is meant to change bytes, and say so in CHANGELOG.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import golden  # noqa: E402 - found by the path set above

if __name__ == "__main__":
    golden.write()
    print(f"{golden.FILE.relative_to(ROOT)}: {len(golden.NAMES)} runs")
