"""The HTTP API and the console, of the extra ``polargen[api]``.

``polargen.api:create_app`` is the factory for uvicorn and gunicorn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polargen.errors import ConfigError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from polargen.api.settings import Settings

__all__ = ["create_app", "missing"]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: None for those of the environment, see ``docs/api.md``.

    Raises:
        ConfigError: the extra is not installed, or a setting cannot be used.
    """
    try:
        from polargen.api import app
    except ModuleNotFoundError as error:
        raise missing(error) from None
    return app.create_app(settings)


def missing(error: ModuleNotFoundError) -> ConfigError:
    """Return what to say where a library of the extra is not installed.

    Raises:
        ModuleNotFoundError: it is polargen's own module that is missing.
    """
    if error.name is None or error.name.startswith("polargen"):
        raise error
    return ConfigError(f"serve: {error.name} is not installed: pip install 'polargen[api]'")
