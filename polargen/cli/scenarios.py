"""`polargen scenarios` and `polargen validate`: which scenarios there are, which are right."""

from __future__ import annotations

from typing import Any

import click

from polargen.cli import options, output

WRONG = 2


@click.command()
@options.common_options
def scenarios(as_json: bool) -> None:
    """List the built-in scenarios with their key rates.

    \b
    Example:
      polargen scenarios
      polargen scenarios --json
    """
    from polargen.config import DEFAULT_SCENARIO
    from polargen.scenario import get_scenario_manager

    manager = get_scenario_manager()
    profiles = [manager.load_scenario(name) for name in manager.list_scenarios()]
    if as_json:
        output.show_json(
            {
                "scenarios": [profile.to_dict() for profile in profiles],
                "count": len(profiles),
                "defaultScenario": DEFAULT_SCENARIO,
            }
        )
        return
    rows = []
    for profile in profiles:
        rates, config = profile.entity_rates, profile.anomaly_config
        rate = profile.anomaly_rate if config.rate is None else config.rate
        numbers = (rates.orders_per_day, rates.companies, rates.products, f"{rate:g}")
        rows.append([profile.name, *map(str, numbers), profile.description])
    header = ["scenario", "orders/day", "companies", "products", "anomalies", "description"]
    output.show(output.table(header, rows, "lrrrrl"))
    output.show(
        [
            "",
            f"Default: {DEFAULT_SCENARIO}. Every value of one:",
            f"  polargen describe --scenario {DEFAULT_SCENARIO}",
        ]
    )


@click.command()
@options.scenario_options
@options.common_options
@click.pass_context
def validate(ctx: click.Context, scenario: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Check a scenario: ok, or everything that is wrong with it and exit 2.

    \b
    Example:
      polargen validate --scenario peak-season
      polargen validate --scenario wholesale.yaml --set anomalyRate=0.2
    """
    from polargen.config import Problem, problems_in
    from polargen.errors import ScenarioError
    from polargen.scenario import resolve_scenario

    problems: tuple[Problem, ...] = ()
    name = scenario
    try:
        name = resolve_scenario(scenario, sets).name
    except ScenarioError as error:
        problems = problems_in(error)
    if as_json:
        output.show_json(
            {"scenario": name, "valid": not problems, "problems": [*map(_problem, problems)]}
        )
    elif problems:
        for problem in problems:
            output.note(f"polargen: {problem}")
    else:
        output.show([f"{name}: valid"])
    ctx.exit(WRONG if problems else 0)


def _problem(problem: Any) -> dict[str, Any]:
    return {
        "where": problem.where,
        "path": problem.path,
        "message": problem.message,
        "line": problem.line,
    }
