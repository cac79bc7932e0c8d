"""Servers of others, in the test's own process: some requests they refuse, some they answer late, and of
some they do what was asked and never say so.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Mood = Literal["well", "busy", "slow", "silent"]
_OFTEN: Mapping[Mood, int] = {"well": 85, "busy": 5, "slow": 5, "silent": 5}
_SLOW_S = 1.5


@dataclass(frozen=True)
class Request:
    """`heard` tells whether the answer is sent; it is not known whether it arrives."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    heard: bool


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Moody(ABC):
    """Listens at an address from the beginning; its moods are chance, known by the seed."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.url = f"http://{host}:{port}"
        self.moods: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server((host, port), _Asked)
        self._server.asked = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Do what is asked; one request at a time."""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """The answer; None where there is to be none."""
        with self._lock:
            [mood] = self._chance.choices([*_OFTEN], [*_OFTEN.values()])
            self.moods[mood] += 1
        if mood == "busy":
            return Answer(503)
        if mood == "slow":
            time.sleep(_SLOW_S)
        with self._lock:
            given = self.answer(Request(method, path, headers, body, mood != "silent"))
        return None if mood == "silent" else given


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    asked: Moody

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone."""


class _Asked(BaseHTTPRequestHandler):
    """Connections stay open, as between real servers, and break when there is no answer."""

    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.asked.take(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = _do  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is logged."""
