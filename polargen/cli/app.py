"""The command `polargen`: its subcommands, signals, and what becomes of errors."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click

from polargen.cli.cleanup import cleanup
from polargen.cli.database import guard_command, server, toggle
from polargen.cli.describe import describe
from polargen.cli.export import export
from polargen.cli.generate import generate
from polargen.cli.jobs import cancel, jobs, status
from polargen.cli.plan import plan
from polargen.cli.scenarios import scenarios, validate
from polargen.cli.serve import serve
from polargen.cli.verify import verify
from polargen.errors import ConfigError, GuardError, Interrupted, PolargenError

NAME = "polargen"
USAGE, FAILED, TARGET, CTRL_C, TERMINATED, PIPE_CLOSED = 2, 1, 4, 130, 143, 141
COMMANDS = (
    generate,
    plan,
    verify,
    scenarios,
    validate,
    describe,
    status,
    jobs,
    cancel,
    export,
    cleanup,
    guard_command,
    toggle,
    server,
    serve,
)


class _InOrder(click.Group):
    """Lists commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(NAME, cls=_InOrder, invoke_without_command=True)
@click.version_option(package_name=NAME, message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Makes mock data for a whole ERP: connected tables, books that add up, same seed same bytes.

    \b
    Example:
      polargen generate --from 2024-01-01 --to 2024-03-31 --seed 12345 -o out/demo
      polargen verify out/demo
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in COMMANDS:
    app.add_command(command)


def run() -> NoReturn:
    """Run the command line of this process, and end it.

    Its modules are not taken down one by one: that takes as long as a small run.
    """
    code = main()
    with suppress(OSError):  # nobody reads any more
        sys.stdout.flush()
    atexit._run_exitfuncs()
    os._exit(code)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: without the program's name; None for those of this process.

    Returns:
        The exit code: 0 done, 1 a run or a verification failed, 2 usage, configuration or
        scenario wrong, 3 refused by the safety guard or a limit, 4 disk failed, 130 stopped by
        Ctrl-C, 143 by SIGTERM.
    """
    given = list(sys.argv[1:] if args is None else args)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may be anything
    with _sigterm() as terminated:
        try:
            code = app.main(given, prog_name=NAME, standalone_mode=False)
            _flush()
            return code if isinstance(code, int) else 0
        except SystemExit as stop:  # of click: completion is done, or nobody reads any more
            return PIPE_CLOSED if stop.code == 1 else 0
        except BrokenPipeError:
            return PIPE_CLOSED
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last to hear of it
            if "--debug" in given and not isinstance(error, click.ClickException):
                traceback.print_exception(error)
            code, lines = _judge(error, given, bool(terminated))
            for line in lines:
                click.echo(f"{NAME}: {line}", err=True)
            return code


def _flush() -> None:
    """Write what is left of stdout; if that fails, keep the interpreter from trying again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _judge(error: BaseException, given: Sequence[str], terminated: bool) -> tuple[int, list[str]]:
    """Return the exit code for an error and what to say of it, a sentence a line."""
    if isinstance(error, (KeyboardInterrupt, Interrupted, click.Abort)):
        said = str(error) if isinstance(error, Interrupted) else "stopped by Ctrl-C"
        if terminated:
            return TERMINATED, [said.replace("Ctrl-C", "SIGTERM")]
        return CTRL_C, [said]
    if isinstance(error, click.ClickException):
        return USAGE, [_usage(error, given)]
    if isinstance(error, ConfigError):
        from polargen.config import problems_in

        return error.exit_code, [str(problem) for problem in problems_in(error)]
    if isinstance(error, GuardError) and len(error.failures) > 1:
        listed = [f"  {failure}" for failure in error.failures]
        return error.exit_code, [f"{len(listed)} safety checks failed:", *listed]
    if isinstance(error, PolargenError):
        first, *more = str(error).splitlines()
        return error.exit_code, [first, *([more[-1], _REPORT] if more else [])]
    if isinstance(error, OSError):
        return TARGET, [f"{error.filename or 'output'}: {error.strerror or error}; choose another"]
    return FAILED, [f"internal error: {type(error).__name__}: {error}", _REPORT]


_REPORT = "this is a defect of polargen: please report it, with what --debug shows"


def _usage(error: click.ClickException, given: Sequence[str]) -> str:
    """Return a mistake in the command itself as one sentence that ends with where to look."""
    said = error.format_message().strip().rstrip(".")
    for full, short in (("'. (Did you mean", "' (did you mean"), ("'. Did you", "', did you")):
        said = said.replace(full, short)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else " ".join([NAME, *_named(given)])
    return f"{said[:1].lower()}{said[1:]} (see {path} --help)"


def _named(given: Sequence[str]) -> Sequence[str]:
    return given[:1] if given and given[0] in app.commands else ()


@contextmanager
def _sigterm() -> Iterator[list[int]]:
    """Treat SIGTERM as Ctrl-C, so that a run rolls back; yield the signals that came."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
