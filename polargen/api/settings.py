"""What a server is started with: arguments of `polargen serve`, or the environment."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polargen.config import Limits, Problem, refusal
from polargen.database import SCHEMA, Database
from polargen.errors import ConfigError

TOKEN_VARIABLE = "POLARGEN_API_TOKEN"
HOSTS_VARIABLE = "POLARGEN_API_HOSTS"
ORIGINS_VARIABLE = "POLARGEN_API_ORIGINS"
DATABASE_VARIABLES = ("POLARGEN_DATABASE_URL", "DATABASE_URL")
EMBEDDED = "embedded"
SHORTEST_TOKEN = 16
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_NUMBERS = {  # setting: variable, limits
    "port": ("POLARGEN_API_PORT", Limits(0, 65535)),
    "queue": ("POLARGEN_API_QUEUE", Limits(0, 1000)),
    "running": ("POLARGEN_API_RUNNING", Limits(1, 64)),
    "workers": ("POLARGEN_API_WORKERS", Limits(1, 1024)),
}


@dataclass(frozen=True)
class Settings:
    """How a server behaves. Shows neither token nor passwords.

    Attributes:
        host, port: where it listens.
        token: that every request must bear; None: no token, for this machine only.
        hosts: names by which it may be called, besides those that `allowed_hosts` adds.
        origins: of pages elsewhere that may call it, such as ``https://erp.example``.
        database: where jobs load and exports read; None: files only.
        queue: jobs that may wait.
        running: jobs that may run at once.
        workers: processes of a job; None for one a core.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    database: Database | None = None
    queue: int = 8
    running: int = 1
    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would be no protection.

        Raises:
            ConfigError: the token cannot be used, or the server could be reached without one.
        """
        if self.token is not None:
            _check_token(self.token)
        elif not is_local(self.host):
            raise ConfigError(
                f"--host: {self.host} can be reached from other machines, set {TOKEN_VARIABLE} "
                f"(at least {SHORTEST_TOKEN} characters), or bind to 127.0.0.1"
            )
        for origin in self.origins:
            if origin.count("/") != 2 or not origin.startswith(("http://", "https://")):
                raise ConfigError(
                    f"{ORIGINS_VARIABLE}: {origin!r} is no origin, write it like https://erp.example"
                )

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names by which the server may be called, without ports."""
        names = {*_LOCAL_NAMES, self.host, *self.hosts}
        if is_wildcard(self.host):
            names.add(socket.gethostname())
        return frozenset(name.lower() for name in names)

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Return the settings of the environment, with what is given in their place.

        Args:
            environment: None for that of this process.
            given: attributes; None means not given. ``database`` and ``schema`` are texts.

        Raises:
            ConfigError: one problem for each value that cannot be used.
        """
        env = os.environ if environment is None else environment
        given = {key: value for key, value in given.items() if value is not None}
        problems: list[Problem] = []
        values: dict[str, Any] = {
            "host": given.get("host") or _text(env, "POLARGEN_API_HOST") or cls.host,
            "token": _text(env, TOKEN_VARIABLE),
            "hosts": _listed(env, HOSTS_VARIABLE),
            "origins": _listed(env, ORIGINS_VARIABLE),
        }
        for name, (variable, limits) in _NUMBERS.items():
            text = given.get(name, _text(env, variable))
            if text is None:
                continue
            try:
                values[name] = int(limits.read(text, whole=True))
            except ValueError as error:
                where = f"--{name}" if name in given else variable
                problems.append(Problem(where, str(error)))
        if problems:
            raise refusal(problems)
        settings = cls(**values)
        said = (given.get("database"), *(_text(env, variable) for variable in DATABASE_VARIABLES))
        url = next(filter(None, said), None)
        schema = given.get("schema") or _text(env, "POLARGEN_API_SCHEMA") or SCHEMA
        return settings if url is None else replace(settings, database=_database(url, schema))


def is_local(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Return whether an address stands for all of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _check_token(token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"{TOKEN_VARIABLE}: {len(token)} characters are too few, give at least "
            f"{SHORTEST_TOKEN}, such as those of openssl rand -hex 32"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{TOKEN_VARIABLE}: has characters that no header carries, use letters and digits"
        )


def _database(url: str, schema: str) -> Database:
    if url == EMBEDDED:
        from polargen import embedded

        url = embedded.start()
    return Database(url, schema)


def _text(environment: Mapping[str, str], variable: str) -> str | None:
    return environment.get(variable, "").strip() or None


def _listed(environment: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(variable, "").split(",") if part.strip())
