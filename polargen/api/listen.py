"""The HTTP server of `polargen serve`: uvicorn, with patience that ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from polargen.api.app import create_app
from polargen.api.settings import Settings
from polargen.errors import TargetError

HEADER_SECONDS = 10.0
MOST_CONNECTIONS = 500
GRACE_SECONDS = 10
BACKLOG = 512
CONNECT_SECONDS = "10"


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: of the server; port 0 for one that is free.
        ready: called with the server's URL once it listens.

    Raises:
        TargetError: the address cannot be bound.
    """
    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)  # a request waits for it
    listening = _bind(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=_Patient,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(
        config, app.state.service.closing.set, lambda: ready(_url(settings, listening))
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:  # uvicorn raises the signal again when it has stopped
        signal.signal(number, lambda *_: None)
    try:
        server.run([listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Says when it listens, and ends streams before it waits for connections to end."""

    def __init__(
        self, config: uvicorn.Config, closing: Callable[[], None], ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._closing = closing
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing()
        await super().shutdown(sockets)


class _Patient(H11Protocol):
    """Closes connections whose next request does not come whole."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start waiting where a request is to come, and stop where one has come."""
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _unwatch(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        with suppress(OSError):
            self.transport.close()


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With this protocol asyncio turns off delays; a socket of no protocol would wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
        return listening
    except OSError as error:
        listening.close()
        raise TargetError(
            f"--host {settings.host} --port {settings.port}: cannot be bound "
            f"({error.strerror or error}); choose another"
        ) from None


def _url(settings: Settings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"
