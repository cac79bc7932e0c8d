"""The pages in a real browser: the way through them, in both themes, by keyboard, on a phone and on paper."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from served import FHIR
from worklist_browser import OpenPage, barriers, sheets

pytestmark = pytest.mark.browser
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "patients"
UCUM = "http://unitsofmeasure.org"
PATIENT = "/worklist/Patient/demo-11"


def test_the_way_from_the_clinic_to_the_printed_summary_of_the_overdue_patient(
    open_page: OpenPage, theme: str
) -> None:
    page = open_page("/worklist", theme)
    assert barriers(page) == []
    page.get_by_role("link", name="MRI overdue").click()
    row = page.get_by_role("row").filter(has_text="overdue")
    assert barriers(page) == []
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Maren Maple")
    why = page.locator("details.statement").first
    why.locator("summary").first.click()
    expect(why.get_by_text("Facts", exact=True).first).to_be_visible()
    expect(why.locator("a.source").first).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="Summary for the tumour board").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tumour board: Maren Maple")
    assert barriers(page) == []
    assert sheets(page) == 1


@pytest.mark.parametrize("path", ["/worklist", PATIENT, f"{PATIENT}/board"])
def test_a_phone_shows_the_pages_without_scrolling_sideways(open_page: OpenPage, path: str) -> None:
    assert barriers(open_page(path, width=375)) == []


def test_the_pages_can_be_walked_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/worklist")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Patient name begins with")).to_be_focused()


def test_barriers_are_seen(open_page: OpenPage) -> None:
    page = open_page("/worklist")
    page.set_content('<html><body><button></button><p><a href="#">here</a></p></body></html>')
    assert any(barrier.startswith("button-name") for barrier in barriers(page))
    page.set_content('<html lang="en"><body><hr width="2000"></body></html>')
    assert any("wider" in barrier for barrier in barriers(page))


def _sent(address: str, patient: str, family: str, *sizes: tuple[str, float]) -> None:
    """A patient like demo-05 is sent, with these diameters of the first lesion (day, cm) besides."""
    sample = (SAMPLES / "05-oligometastatic-upfront-srs.json").read_text(encoding="utf-8")
    bundle = json.loads(sample.replace("demo-05", patient))
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["name"] = [{"family": family, "given": ["Lea"]}]
    lesion = next(
        e["resource"]["id"] for e in bundle["entry"] if e["resource"]["resourceType"] == "BodyStructure"
    )
    for day, cm in sizes:
        key = f"{patient}-later-{day}"
        fact = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "lesion_diameter_cm"}
        observation = {
            "resourceType": "Observation", "id": key, "status": "final", "code": {"coding": [fact]},
            "subject": {"reference": f"Patient/{patient}"},
            "focus": [{"reference": f"BodyStructure/{lesion}"}],
            "effectiveDateTime": day, "valueQuantity": {"value": cm, "system": UCUM, "code": "cm"},
        }  # fmt: skip
        request = {"method": "PUT", "url": f"Observation/{key}"}
        bundle["entry"].append({"resource": observation, "request": request})
    answer = httpx.post(f"{address}/fhir", json=bundle, headers=FHIR, timeout=30)
    assert answer.status_code == 200, answer.text


def test_a_new_patient_comes_onto_the_open_clinic_page_and_the_keyboard_stays_where_it_was(
    open_page: OpenPage, address: str
) -> None:
    page = open_page("/worklist?name=L")
    held = page.get_by_role("row").nth(1).get_by_role("link")
    held.focus()
    _sent(address, "live-1", "Larkspur")
    row = page.get_by_role("row").filter(has_text="Lea Larkspur")
    expect(row).to_be_visible(timeout=20_000)
    expect(row).not_to_contain_text("not decided yet", timeout=20_000)
    expect(page.locator("#news")).to_contain_text("The list was brought up to date at")
    expect(held).to_be_focused()
    assert barriers(page) == []


def test_a_change_comes_onto_the_open_page_of_a_patient_and_what_was_opened_stays_open(
    open_page: OpenPage, address: str
) -> None:
    _sent(address, "live-2", "Linden")
    page = open_page("/worklist/Patient/live-2")
    page.get_by_text("The same as a table").click()
    table = page.get_by_role("region", name="Table of the picture")
    expect(table).not_to_contain_text("31 mm")
    _sent(address, "live-2", "Linden", ("2026-11-21", 3.1))
    expect(table).to_contain_text("31 mm", timeout=20_000)
    expect(table).to_be_visible()
    expect(page.locator("#news")).to_contain_text("The page was brought up to date at")
