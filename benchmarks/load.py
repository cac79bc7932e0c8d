"""A small load generator: requests at a fixed rate for latency, as fast as answered for throughput."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the moment a request was due, so that queueing counts."""

    p50: float
    p99: float
    requests: int


def at_rate(port: int, path: str, body: bytes, *, per_second: float, seconds: float) -> Latency:
    """Send `per_second` requests for `seconds`; each must be answered with 200."""
    count = int(per_second * seconds)
    begin = time.perf_counter() + 0.2
    due = iter([begin + n / per_second for n in range(count)])
    taken: list[float] = []
    lock = threading.Lock()

    def worker() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                moment = next(due, None)
            if moment is None:
                return
            time.sleep(max(0.0, moment - time.perf_counter()))
            post(connection, path, body)
            elapsed = (time.perf_counter() - moment) * 1000
            with lock:
                taken.append(elapsed)

    _run(worker, 8)
    return Latency(quantile(taken, 0.5), quantile(taken, 0.99), len(taken))


def throughput(port: int, path: str, body: bytes, *, seconds: float, connections: int = 8) -> float:
    """Requests answered per second with `connections` clients that never wait."""
    end = time.perf_counter() + seconds
    counts: list[int] = []

    def worker() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        done = 0
        while time.perf_counter() < end:
            post(connection, path, body)
            done += 1
        counts.append(done)

    _run(worker, connections)
    return sum(counts) / seconds


def drain(port: int, path: str, bodies: Sequence[bytes], connections: int) -> float:
    """Send each body once, by clients that never wait; bodies answered per second."""
    rest = iter(bodies)
    lock = threading.Lock()

    def worker() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                body = next(rest, None)
            if body is None:
                return
            post(connection, path, body)

    begin = time.perf_counter()
    _run(worker, connections)
    return len(bodies) / (time.perf_counter() - begin)


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    """One POST answered with 200. Raises RuntimeError with status and body otherwise."""
    connection.request("POST", path, body, HEADERS)
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{path} answered {response.status}: {content[:500]!r}")
    return content


def get(port: int, path: str) -> bytes:
    """The body of one GET answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{path} answered {response.status}: {content[:500]!r}")
    return content


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _run(worker: Callable[[], None], threads: int) -> None:
    failures: list[Exception] = []

    def guarded() -> None:
        try:
            worker()
        except Exception as error:
            failures.append(error)

    running = [threading.Thread(target=guarded) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]
