"""Progress as Server-Sent Events: each is a whole look at the job, so none needs to be kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

LOOK_SECONDS = 0.25  # a job is written down this often
HEARTBEAT_SECONDS = 10.0
RETRY_MS = 1000


@dataclass(frozen=True)
class Look:
    """One look at a job.

    Attributes:
        id: of the event; another one whenever something has changed.
        document: the status object.
        ended: nothing comes after it.
    """

    id: str
    document: dict[str, Any]
    ended: bool


async def stream(
    look: Callable[[], Awaitable[Look]], seen: str | None, closing: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield an event for each change until the job ends, and comments while nothing changes.

    Args:
        look: at the job.
        seen: id of the last event that the client has.
        closing: set when the server stops; the client asks again by itself.
    """
    yield format_sse_event(comment="progress", retry=RETRY_MS)
    loop = asyncio.get_running_loop()
    silent_since = loop.time()
    while not closing.is_set():
        now = await look()
        if now.id != seen:
            yield format_sse_event(data_str=json.dumps(now.document), id=now.id)
            seen, silent_since = now.id, loop.time()
        if now.ended:
            return
        if loop.time() - silent_since >= HEARTBEAT_SECONDS:
            yield format_sse_event(comment="still there")
            silent_since = loop.time()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await closing.wait()
        except TimeoutError:
            continue


class EventStream(StreamingResponse):
    """An answer of events; ``ended`` is called at the very end."""

    def __init__(self, chunks: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(
            chunks, headers={"X-Accel-Buffering": "no"}, media_type="text/event-stream"
        )
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()
