"""`python -m polargen` is the command `polargen`."""

from __future__ import annotations

import sys

from polargen.cli import main

if __name__ == "__main__":
    sys.exit(main())
