"""In a real browser: a missing fact is given and the option changes; an alert is overridden with a reason."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from worklist_browser import OpenPage, barriers

pytestmark = pytest.mark.browser
PATIENT = "/worklist/Patient/demo-11"
NEAR = "Target lies close to a CNS organ at risk or critical structure"
EARLIER = "Earlier whole-brain radiotherapy"
AVOIDING = "Hippocampal-avoiding WBRT with memantine"


@pytest.fixture(scope="module")
def address(own_address: str) -> str:
    """These tests write."""
    return own_address


def standing(page: Page, title: str) -> str:
    card = page.locator(".options article").filter(has=page.get_by_role("heading", name=title))
    return card.locator(".standing").first.inner_text()


def test_a_missing_fact_is_given_and_the_option_changes(open_page: OpenPage) -> None:
    page = open_page(PATIENT)
    assert standing(page, AVOIDING) == "unknown"
    page.get_by_role("link", name=EARLIER).first.click()
    earlier = page.get_by_role("group", name=EARLIER).first
    expect(earlier).to_be_focused()
    earlier.get_by_label("yes").check()
    near = page.get_by_role("group", name=NEAR).first
    volume = page.get_by_label("Volume of the lesion (or target) being planned").first
    volume.fill("-3")
    expect(page.get_by_text("This cannot be: the value is from 0 to 2000.").first).to_be_visible()
    expect(volume).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Keep").click()
    expect(volume).to_be_focused()
    volume.fill("3,9")
    expect(volume).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("group", name="Nearest organ at risk").first).to_be_hidden()
    near.get_by_label("yes").check()
    expect(page.get_by_role("group", name="Nearest organ at risk").first).to_be_visible()
    near.get_by_label("no", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Your name").fill("Dr Ada Brown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("What you gave is kept.")).to_be_visible()
    assert standing(page, AVOIDING) == "not advised"
    kept = page.request.get("/fhir/Observation?code=lesion_volume_ml&date=2026-11-23").json()["entry"]
    assert [entry["resource"]["valueQuantity"]["value"] for entry in kept] == [3.9]


def test_an_alert_is_overridden_with_a_reason(open_page: OpenPage) -> None:
    page = open_page(PATIENT)
    alert = (
        page.locator("section", has=page.get_by_role("heading", name="Alerts", exact=True))
        .locator("article")
        .first
    )
    alert.get_by_text("Override with a reason").click()
    alert.get_by_label("Reason").select_option("Risk outweighs benefit")
    alert.get_by_label("Comment").fill("oedema comes first")
    alert.get_by_role("button", name="Override").click()
    expect(page.get_by_role("status")).to_contain_text("Your answer is kept with the alert")
    expect(page.get_by_text("Risk outweighs benefit: oedema comes first")).to_be_visible()


def test_the_form_serves_a_phone_in_the_dark(open_page: OpenPage) -> None:
    assert barriers(open_page(f"{PATIENT}/intake", theme="dark", width=375)) == []
