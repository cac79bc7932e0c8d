"""The reference for card latency: FastAPI and nothing else, answering with the body it was sent."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.get("/")
def ready() -> Response:
    return Response()


@app.post("/")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")
