"""`python -m polargen` is the command `polargen`."""

from __future__ import annotations

from polargen.cli import run

if __name__ == "__main__":
    run()
