"""What a browser needs to draw the pages: files of this package, and no others."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Response

from worklist import described
from worklist.replies import message
from worklist.security_headers import HEADERS

_NO_PAGE = "There is no such page."
_ASSETS = {
    name: (files("worklist.assets").joinpath(name).read_bytes(), media_type)
    for name, media_type in (
        ("worklist.css", "text/css"),
        ("intake.js", "text/javascript"),
        ("live.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}


def assets() -> APIRouter:
    router = APIRouter()

    @router.get("/worklist/assets/{name}", openapi_extra=described.ASSET)
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            return message("Not found", _NO_PAGE, 404)
        content, media_type = _ASSETS[name]
        return Response(content, media_type=media_type, headers=HEADERS | {"cache-control": "max-age=3600"})

    return router
