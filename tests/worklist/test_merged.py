"""A patient who was merged into another: their pages lead to the one who is used, as far as one may see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.security.callers import ServiceKey
from isodose.service import build_app
from isodose.settings import Settings
from served import eventually
from worklist.app import service
from worklist.handlers import keep_conclusions, place_patients
from worklist.shelf import Shelf
from worklist_page import read
from worklist_services import ALERTS, EHR, OPTIONS, PLANS, Services, issue, patient

SERVICES = b"a key of at least thirty-two bytes"
ALL = "user/*.rs"


@pytest.fixture
def app(new_sqlite: Any, tmp_path: Path) -> Iterator[Any]:
    """A worklist that asks for tokens, where p2 was merged into p1."""
    (tmp_path / "key").write_bytes(SERVICES)
    settings = Settings(
        auth="smart", service_key_file=tmp_path / "key", data_dir=tmp_path, database_url=new_sqlite()
    )
    known = Services(
        {EHR: [patient("p1"), patient("p3")], OPTIONS: [], PLANS: [], ALERTS: [issue("p1", "low", "y")]}
    )
    made = build_app(service(settings, httpx.MockTransport(known)), settings)
    running = made.state.running
    with running.transaction() as work:
        place_patients(work, known.records())
        before = Services({EHR: [patient("p2")], OPTIONS: [], PLANS: [], ALERTS: [issue("p2", "high", "x")]})
        place_patients(work, before.records())
        keep_conclusions(work, before.conclusions())
    with running.transaction() as work:
        merged = PatientRecord(patient_id="p2", version=2, replaced_by="p1")
        place_patients(work, [record_changed(merged)])
    yield made
    running.stop()


def ask(app: Any, path: str, scopes: str = ALL, of: str | None = None) -> httpx.Response:
    token = ServiceKey(SERVICES).delegated("worklist", "Practitioner/u1", scopes, of)

    async def send() -> httpx.Response:
        transport, headers = httpx.ASGITransport(app), {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://worklist") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize("page", ["", "/board", "/board.pdf", "/intake"])
def test_each_page_of_a_merged_patient_leads_to_the_same_page_of_the_survivor(app: Any, page: str) -> None:
    answer = ask(app, f"/worklist/Patient/p2{page}")
    assert answer.status_code == 303
    there = httpx.URL("http://worklist/worklist/Patient/p2" + page).join(answer.headers["location"])
    assert (there.path, there.query) == (f"/worklist/Patient/p1{page}", b"merged=p2")


@pytest.mark.parametrize("page", ["", "/board"])
def test_the_page_says_under_which_id_it_was_asked_for(app: Any, page: str) -> None:
    def said(query: str) -> list[str]:
        shown = read(ask(app, f"/worklist/Patient/p1{page}{query}").text)
        return [one.text for one in shown.all("p", role="status")]

    assert said("?merged=p2") == ["You asked for Patient/p2: that record was merged into this one."]
    assert said("") == said("?merged=p3") == said("?merged=nobody") == []


def test_one_who_may_see_the_merged_patient_alone_is_not_led_on(app: Any) -> None:
    answer = ask(app, "/worklist/Patient/p2", "patient/*.rs", of="p2")
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert "p1" not in answer.text
    assert "merged into another one" in answer.text


def test_one_who_may_not_see_the_merged_patient_learns_nothing(app: Any) -> None:
    answer = ask(app, "/worklist/Patient/p2", "patient/*.rs", of="p3")
    assert answer.status_code == 404
    assert "merged" not in answer.text


def test_being_led_on_is_audited_for_the_merged_patient(app: Any) -> None:
    app.state.running.audit.start()
    ask(app, "/worklist/Patient/p2")
    asked = "SELECT body FROM audit_event WHERE body LIKE '%Patient/p2%' AND agent LIKE '%Practitioner/u1'"

    def audited() -> Any:
        with app.state.running.reading() as work:
            return work.conn.exec_driver_sql(asked).scalars().all()

    assert eventually(audited)


def test_a_page_that_is_open_on_a_merged_patient_is_told(app: Any) -> None:
    with app.state.running.reading() as work:
        shelf = Shelf(work.conn)
        assert shelf.changes(shelf.last() - 1, 10)[0].patient_id == "p2"


def test_nothing_is_kept_of_a_form_of_a_merged_patient(app: Any) -> None:
    token = ServiceKey(SERVICES).delegated("worklist", "Practitioner/u1", "user/*.cruds", None)

    async def send() -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://worklist", headers=headers
        ) as client:
            given = read((await client.get("/worklist/Patient/p1")).text).all("input", name="token")[0]
            fields = {"token": given.attributes["value"], "kps": "80"}
            return await client.post("/worklist/Patient/p2/intake", data=fields)

    answer = asyncio.run(send())
    assert answer.status_code == 409
    assert "nothing was kept" in answer.text
