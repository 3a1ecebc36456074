"""The ASGI application: routes, middleware and the life of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from polargen.api import openapi
from polargen.api.problems import add_handlers
from polargen.api.routes import (
    config,
    console,
    exports,
    jobs,
    results,
    safety,
    scenarios,
    system,
)
from polargen.api.security import Bearer, KnownCallers, Limited, SafeHeaders
from polargen.api.service import Service
from polargen.api.settings import Settings

MOST_THREADS = 100
PREFIX = "/api/mock-data"
_ABOUT = (
    "Makes mock data for a whole ERP: connected tables, books that add up, same seed same bytes."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; see `polargen.api.create_app`."""
    settings = Settings.of() if settings is None else settings
    service = Service(settings)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = MOST_THREADS
        service.queue.start()
        yield
        service.closing.set()
        await run_in_threadpool(service.queue.close)

    app = FastAPI(
        title="polargen",
        version=version("polargen"),
        description=_ABOUT,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    app.state.service = service
    add_handlers(app)
    for module in (jobs, results, exports, scenarios, config, safety):
        app.include_router(module.router, prefix=PREFIX)
    app.include_router(system.router)
    pages = console.routes()
    app.router.routes.extend(pages)
    free = frozenset({"/healthz", *(page.path for page in pages)})
    app.openapi = partial(openapi.document, app, free)  # type: ignore[method-assign]
    app.add_middleware(Limited)
    if settings.token is not None:
        app.add_middleware(Bearer, token=settings.token, free=free)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Content-Disposition", "Location", "Retry-After"],
        )
    app.add_middleware(KnownCallers, settings=settings)
    app.add_middleware(SafeHeaders)
    return app
