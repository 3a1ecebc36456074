"""polargen: vectorised, reproducible mock data for a whole ERP.

The names below are loaded when they are first used, so that `import polargen` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polargen.config import MockGeneratorConfig
    from polargen.errors import PolargenError
    from polargen.generators import BaseGenerator, register_generator
    from polargen.orchestrator import GenerationResult, MockDataOrchestrator, RunOptions
    from polargen.python_api import generate
    from polargen.scenario import ScenarioProfile, get_scenario_manager

__all__ = [
    "BaseGenerator",
    "GenerationResult",
    "MockDataOrchestrator",
    "MockGeneratorConfig",
    "PolargenError",
    "RunOptions",
    "ScenarioProfile",
    "generate",
    "get_scenario_manager",
    "register_generator",
]

_HOMES = {
    "BaseGenerator": "polargen.generators",
    "GenerationResult": "polargen.orchestrator",
    "MockDataOrchestrator": "polargen.orchestrator",
    "MockGeneratorConfig": "polargen.config",
    "PolargenError": "polargen.errors",
    "RunOptions": "polargen.orchestrator",
    "ScenarioProfile": "polargen.scenario",
    "generate": "polargen.python_api",
    "get_scenario_manager": "polargen.scenario",
    "register_generator": "polargen.generators",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'polargen' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
