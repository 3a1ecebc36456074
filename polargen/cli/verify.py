"""`polargen verify`: prove every rule on a finished data set."""

from __future__ import annotations

import click

from polargen.cli import options, output
from polargen.cli.watch import Look, watching

BROKEN = 1


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path())
@options.quiet_option
@options.common_options
@click.pass_context
def verify(ctx: click.Context, folder: str, quiet: bool, as_json: bool) -> None:
    """Check every rule of the data, a line each; exit 1 if one is broken.

    Also checks that the files are as they were written.

    \b
    Example:
      polargen verify out/demo
      polargen verify out/demo --json
    """
    from polargen.checks import verify_dataset
    from polargen.dataset import Dataset
    from polargen.generators import all_tables

    tables = all_tables()
    with watching(quiet) as watch:
        watch(Look(f"reading the files of {folder}"))
        damage = Dataset.open(folder, tables).check_files()
        watch(Look(f"verifying {folder}"))
        report = None if damage else verify_dataset(folder, tables)
    ok = report is not None and report.ok
    if as_json:
        document = {"ok": ok, "failed": [], "warnings": [], "rules": []}
        output.show_json({**(report.to_dict() if report else document), "files": damage})
    else:
        output.show(f"files: {line}" for line in damage)
        output.show(report.lines() if report else [])
        output.show(["", _verdict(folder, len(damage), report.failed if report else [])])
    ctx.exit(0 if ok else BROKEN)


def _verdict(folder: str, damaged: int, failed: list[str]) -> str:
    if damaged:
        return (
            f"{folder} is not as it was written ({damaged:,} findings), its rules were not "
            "checked; generate it again"
        )
    if failed:
        return f"{folder} breaks {', '.join(failed)}"
    return f"{folder} keeps every rule"
