"""Configuration of a run, and the ground that scenarios share with it.

`run` has what a run was asked for, `settings` the base of every settings model, `problems` what
is wrong with given values, one sentence each.
"""

from polargen.config.problems import (
    Problem,
    RefusedAt,
    given_twice,
    nearest,
    number,
    one_of,
    problems_in,
    refusal,
    shown,
    unknown,
)
from polargen.config.run import (
    DEFAULT_DAYS,
    DEFAULT_SCENARIO,
    FIRST_DAY,
    LAST_DAY,
    MAX_SEED,
    MockGeneratorConfig,
    ResolvedConfig,
    resolve_config,
)
from polargen.config.settings import (
    Limits,
    Section,
    check,
    config_error,
    key_of,
    keys_of,
    rename,
    section_of,
)

__all__ = [
    "DEFAULT_DAYS",
    "DEFAULT_SCENARIO",
    "FIRST_DAY",
    "LAST_DAY",
    "MAX_SEED",
    "Limits",
    "MockGeneratorConfig",
    "Problem",
    "RefusedAt",
    "ResolvedConfig",
    "Section",
    "check",
    "config_error",
    "given_twice",
    "key_of",
    "keys_of",
    "nearest",
    "number",
    "one_of",
    "problems_in",
    "refusal",
    "rename",
    "resolve_config",
    "section_of",
    "shown",
    "unknown",
]
