"""The command line: parses, calls the orchestrator, shows.

A module for each command. None imports more than click and the standard library when it is
loaded, so that `polargen --help` is instant; what a command needs it imports when it runs.
"""

from __future__ import annotations

from polargen.cli.app import main, run

__all__ = ["main", "run"]
