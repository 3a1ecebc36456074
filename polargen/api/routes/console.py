"""The console: the files beside this package's code, each at an address of its own.

The addresses are listed when the app is made; no path of a request is ever looked up on disk.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent.parent / "console"
INDEX = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def routes() -> list[Route]:
    """Return a route for each file; ``/`` for the page."""
    found = sorted(FOLDER.rglob("*")) if FOLDER.is_dir() else []
    return [
        _route(path)
        for path in found
        if path.suffix in _MEDIA_TYPES and not path.is_symlink() and path.is_file()
    ]


def _route(path: Path) -> Route:
    name = path.relative_to(FOLDER).as_posix()

    async def show(request: Request) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(path, headers=headers, media_type=_MEDIA_TYPES[path.suffix])

    return Route("/" if name == INDEX else f"/{name}", show, methods=["GET"])
