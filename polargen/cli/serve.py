"""`polargen serve`: the HTTP API and the console."""

from __future__ import annotations

import click

from polargen.cli import options, output


@click.command()
@click.option("--host", metavar="ADDRESS", help="To listen on.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", help="To listen on; 0 for a free one.  [default: 8000]")
@click.option(
    "--database",
    metavar="URL|embedded",
    help="That jobs load and exports read.  [default: POLARGEN_DATABASE_URL, else DATABASE_URL, "
    "else none: files only]",
)
@click.option("--schema", metavar="NAME", help="Of the tables.  [default: mock_data]")
@click.option("--workers", metavar="N", help="Processes of a job.  [default: one a core]")
@click.option("--queue", metavar="N", help="Jobs that may wait.  [default: 8]")
@options.common_options
def serve(
    host: str | None,
    port: str | None,
    database: str | None,
    schema: str | None,
    workers: str | None,
    queue: str | None,
    as_json: bool,
) -> None:
    """Serve the HTTP API and the console, until Ctrl-C.

    Other machines can reach it only with --host, and only if POLARGEN_API_TOKEN is set: every
    request must then bear that token.

    \b
    Example:
      polargen serve
      polargen serve --port 9000 --database embedded
    """
    try:
        from polargen.api.listen import serve as listen
    except ModuleNotFoundError as error:
        from polargen.api import missing

        raise missing(error) from None
    from polargen.api.settings import Settings

    settings = Settings.of(
        host=host, port=port, database=database, schema=schema, workers=workers, queue=queue
    )
    place = settings.database

    def ready(url: str) -> None:
        if as_json:
            shown = None if place is None else {"place": place.place, "schema": place.schema}
            output.show_json({"url": url, "api": f"{url}/api/mock-data", "database": shown})
        else:
            where = "files only" if place is None else f"{place.place}, schema {place.schema}"
            output.show([f"polargen serves {url} ({where}); Ctrl-C stops it"])

    listen(settings, ready)
