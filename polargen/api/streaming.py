"""Long answers: made piece by piece in threads, and ended when nobody reads them any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from polargen.api.problems import ApiProblem
from polargen.errors import PolargenError

_log = logging.getLogger("polargen.api")


class Places:
    """How many long answers may go on at once; used on the event loop only.

    Args:
        most: at once.
        what: they are, for people.
    """

    def __init__(self, most: int, what: str) -> None:
        self._free = most
        self._what = what

    def take(self) -> None:
        """Take a place.

        Raises:
            ApiProblem: 503, none is free.
        """
        if self._free == 0:
            raise ApiProblem("busy", f"too many {self._what} at once, try again", _RETRY)
        self._free -= 1

    def leave(self) -> None:
        """Leave a place."""
        self._free += 1


_RETRY = {"Retry-After": "5"}


class Attachment(StreamingResponse):
    """A file that is made while it is sent.

    Args:
        first: its first bytes.
        rest: what follows; closed at the end, also where the client goes away.
        file_name: plain ASCII.
        media_type: of the whole.
        ended: called at the very end.
    """

    def __init__(
        self,
        first: bytes,
        rest: Generator[bytes, None, None],
        file_name: str,
        media_type: str,
        ended: Callable[[], None],
    ) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
        whole = _chain(first, rest)
        super().__init__(whole, headers=headers, media_type=media_type)
        # The whole ends before the rest it may be waiting for: two threads cannot end one of them.
        self._parts = (whole, rest)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        except PolargenError as error:  # too late for a status: the answer ends unfinished
            _log.error("%s broken off: %s", scope["path"], error)
        finally:
            for part in self._parts:
                await close(part)
            self._ended()


async def close(chunks: Generator[bytes, None, None]) -> None:
    """End a generator's work, whatever becomes of the request."""
    with anyio.CancelScope(shield=True):
        await run_in_threadpool(chunks.close)


def _chain(first: bytes, rest: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    yield first
    yield from rest
