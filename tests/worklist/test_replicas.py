"""What is given at one replica of the worklist appears at the other, and pages open there are told."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from all_in_one.composition import SERVICES
from isodose.service import build_app
from isodose.settings import Settings
from served import FHIR, eventually, free_port, listening
from worklist_form import send, shown, standing

DAY = dt.date(2026, 11, 23)
ONCE = ("ehr_ingestion", "eligibility_scoring", "worklist")
pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "patients" / "11-local-change-after-srs.json"


@pytest.fixture
def replicas(
    new_postgresql: Callable[[], str], kafka_url: str, topic_prefix: str
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two replicas of the worklist behind servers of their own, and the services that it takes to answer."""
    ports = {name: free_port() for name in (*ONCE, "worklist#2")}
    urls: dict[str, Any] = {f"{name}_url": f"http://127.0.0.1:{ports[name]}" for name in ONCE[:2]}
    databases = {name: new_postgresql() for name in ONCE}
    with ExitStack() as stack:
        at = {}
        for replica, port in ports.items():
            name = replica.partition("#")[0]
            settings = Settings(
                event_log_url=f"{kafka_url}?prefix={topic_prefix}",
                database_url=databases[name],
                demonstration_day=DAY,
                **urls,
            )
            where = stack.enter_context(listening(build_app(SERVICES[name](settings), settings), port))
            at[replica] = stack.enter_context(httpx.Client(base_url=where, timeout=60))
        sent = at["ehr_ingestion"].post("/fhir", content=SAMPLE.read_bytes(), headers=FHIR)
        assert sent.status_code == 200
        both = at["worklist"], at["worklist#2"]
        for one in both:
            eventually(lambda: 'class="options"' in one.get("/worklist/Patient/demo-11").text, 60)  # noqa: B023
            eventually(lambda: "cannot be ranked" in one.get("/worklist").text, 60)  # noqa: B023
        yield both


class Told(threading.Thread):
    """The stream that a page opens: what it was told of, each with its number."""

    def __init__(self, client: httpx.Client, since: str) -> None:
        super().__init__(daemon=True)
        self.patients: list[str] = []
        self.begun = threading.Event()
        self._asked = client.build_request("GET", f"/worklist/changes?patient=demo-11&since={since}")

    def run(self) -> None:
        with httpx.Client(timeout=60) as own:
            stream = own.send(self._asked, stream=True)
            self.begun.set()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    self.patients += json.loads(line[6:])["patients"]
                    break
            stream.close()


def test_an_answer_given_at_one_replica_is_told_and_shown_at_the_other(
    replicas: tuple[httpx.Client, httpx.Client],
) -> None:
    asked, other = replicas
    page = other.get("/worklist/Patient/demo-11").text
    told = Told(other, page.partition('data-since="')[2].partition('"')[0])
    told.start()
    assert told.begun.wait(60)
    form, cookie = shown(asked)
    before = standing(other, "Hippocampal")
    assert send(asked, form, cookie, {"brain.prior_wbrt": "true"}).status_code == 303
    eventually(lambda: standing(other, "Hippocampal") == "not advised", 60)
    told.join(60)
    assert (before, told.patients) == ("unknown", ["demo-11"])
