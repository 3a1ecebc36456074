"""Who may ask what: hosts, origins, sizes, the token, and the headers of every answer.

Pure ASGI, so that a refused request is never read, and streams pass through untouched.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Collection
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polargen.api.problems import ApiProblem
from polargen.api.settings import (
    HOSTS_VARIABLE,
    ORIGINS_VARIABLE,
    TOKEN_VARIABLE,
    Settings,
    is_local,
)

MOST_BODY_BYTES = 1_000_000
MOST_QUERY_BYTES = 4_096
MOST_PATH_BYTES = 2_048
MOST_HEADER_BYTES = 16_384
MOST_DRAINED_BYTES = 16_000_000
BODY_SECONDS = 10.0
STALL_SECONDS = 60.0
_log = logging.getLogger("polargen.api")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class SafeHeaders:
    """Adds the headers that keep browsers from doing harm, where an answer has not its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)


class KnownCallers:
    """Refuses calls by another name, from foreign pages, of other machines without a token."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._hosts = settings.allowed_hosts
        self._origins = frozenset(origin.lower() for origin in settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        problem = self._refused(scope) if scope["type"] == "http" else None
        if problem is not None:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refused(self, scope: Scope) -> ApiProblem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _name(host)
        if name not in self._hosts and name != (scope.get("server") or ("",))[0]:
            return ApiProblem(
                "unknown-host",
                f"the server is not called {name[:60]!r}; if it is, add the name to "
                f"{HOSTS_VARIABLE}",
            )
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "")
        if origin is not None and not self._known(origin, host):
            return ApiProblem(
                "foreign-origin",
                f"pages of {origin[:80]!r} may not call; if they may, add it to {ORIGINS_VARIABLE}",
            )
        if origin is None and site == "cross-site" and scope["path"].startswith("/api/"):
            return ApiProblem("foreign-origin", "pages of another site may not call")
        client = scope.get("client")
        if self._settings.token is None and client is not None and not is_local(client[0]):
            return ApiProblem(
                "not-local", f"other machines may call only if the server has a {TOKEN_VARIABLE}"
            )
        return None

    def _known(self, origin: str, host: str) -> bool:
        """Whether an origin is listed, or is the page that the server itself serves.

        The scheme is not compared: behind a proxy that ends TLS it is not the page's.
        """
        origin = origin.lower()
        scheme, _, place = origin.partition("://")
        return origin in self._origins or (scheme in ("http", "https") and place == host.lower())


class Limited:
    """Refuses addresses and bodies that are too large, and bodies that do not come."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        size = _announced(scope)
        problem = _large() if size > MOST_BODY_BYTES else _too_long(scope)
        if problem is not None:
            if size < MOST_DRAINED_BYTES:
                await body.drain()
            await problem.response()(scope, receive, send)
            return

        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await send(message)
            except TimeoutError:
                raise _Stalled from None

        try:
            await self.app(scope, body.receive, patient)
        except _Stalled:
            _log.warning(
                "%s stopped reading %s, its connection is closed", scope["client"], scope["path"]
            )


class _Stalled(Exception):
    """A client does not take what is sent."""


class _Body:
    """Counts a body's bytes, also where its size was not announced."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._more = True
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        if not self._more:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise ApiProblem(
                "slow-request",
                f"the body took more than {BODY_SECONDS:.0f} seconds, send it at once",
                {"Connection": "close"},
            ) from None
        self._more = bool(message.get("more_body", False))
        self._bytes += len(message.get("body", b""))
        if self._bytes > MOST_BODY_BYTES:
            await self.drain()
            raise _large()
        return message

    async def drain(self) -> None:
        """Pass over what comes, within limits: most clients read no answer before they are done."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._until):
                while self._more and self._bytes < MOST_DRAINED_BYTES:
                    message = await self._receive()
                    self._more = bool(message.get("more_body", False))
                    self._bytes += len(message.get("body", b""))


class Bearer:
    """Asks for the token on every path that is not free."""

    def __init__(self, app: ASGIApp, token: str, free: Collection[str]) -> None:
        self.app = app
        self._token = token.encode("ascii")
        self._free = frozenset(free)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in self._free:
            scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self._is_right(given.strip()):
                what = "wrong" if given else "missing"
                problem = ApiProblem(
                    "token",
                    f"the token is {what}, send the header Authorization: Bearer and the "
                    f"server's {TOKEN_VARIABLE}",
                    {"WWW-Authenticate": 'Bearer realm="polargen"'},
                )
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)


def _too_long(scope: Scope) -> ApiProblem | None:
    if len(scope.get("raw_path") or b"") > MOST_PATH_BYTES:
        return ApiProblem("long-address", f"the path is longer than {MOST_PATH_BYTES:,} bytes")
    if len(scope["query_string"]) > MOST_QUERY_BYTES:
        return ApiProblem("long-address", f"the query is longer than {MOST_QUERY_BYTES:,} bytes")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return ApiProblem(
            "long-headers", f"the headers are longer than {MOST_HEADER_BYTES:,} bytes"
        )
    return None


def _announced(scope: Scope) -> int:
    """Return the size of the body that a request announces; 0 where it announces none."""
    return int(Headers(scope=scope).get("content-length", "0")[:20])  # h11 lets only digits in


def _large() -> ApiProblem:
    return ApiProblem(
        "too-large",
        f"the body is larger than {MOST_BODY_BYTES:,} bytes, send less",
        {"Connection": "close"},
    )


def _name(host: str) -> str:
    """Return the name in a Host header, without port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()
