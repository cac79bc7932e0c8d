"""An application under test: its lifespan entered in a loop of its own, with a blocking client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal

FHIR = {"content-type": "application/fhir+json"}


class Client:
    """Requests to the application, answered as over HTTP; errors come back as answers."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self.app = app
        self._portal = portal

    def request(self, method: str, url: str, **given: Any) -> httpx.Response:
        return self._portal.call(self._send, method, url, given)

    def get(self, url: str, **given: Any) -> httpx.Response:
        return self.request("GET", url, **given)

    def post(self, url: str, json: Any = None, **given: Any) -> httpx.Response:
        return (
            self.request("POST", url, json=json, **given)
            if json is not None
            else self.request("POST", url, **given)
        )

    def put(self, url: str, json: Any, **given: Any) -> httpx.Response:
        return self.request("PUT", url, json=json, **given)

    async def _send(self, method: str, url: str, given: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, url, **given)


class Network(httpx.BaseTransport):
    """The way of a client to a served application, which takes the place of a network.

    `asked` keeps every method and path; what `instead` gives comes in the place of the application's answer.
    """

    def __init__(self, client: Any = None) -> None:
        self.client = client
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.asked.append(f"{request.method} {path}")
        instead = self.instead(request)
        if instead is not None:
            return instead
        answer = self.client.request(
            request.method, path, content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))

    def instead(self, request: httpx.Request) -> httpx.Response | None:
        return None

    def put(self, resource: dict[str, Any]) -> None:
        """Store a resource in the application."""
        url = f"/fhir/{resource['resourceType']}/{resource['id']}"
        assert self.client.put(url, json=resource).status_code in (200, 201)


@contextmanager
def served(app: Any, lifespan: AbstractAsyncContextManager[Any] | None = None) -> Iterator[Client]:
    """A client of the running application; leaving stops it."""
    with start_blocking_portal() as portal:
        life = lifespan or app.router.lifespan_context(app)
        with portal.wrap_async_context_manager(life):
            yield Client(app, portal)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def listening(app: Any, port: int) -> Iterator[str]:
    """The address of the application behind a real server on loopback; leaving stops it."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error", ws="none", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    eventually(lambda: server.started, 30)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    running.join(10)


def eventually(seen: Callable[[], Any], seconds: float = 10) -> Any:
    """What `seen` gives once it gives something; fails after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = seen()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not seen within {seconds} s")
