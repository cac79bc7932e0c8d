"""The pages in a real browser: the way through them, in both themes, by keyboard, on a phone and on paper."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from worklist_browser import OpenPage, barriers, sheets

pytestmark = pytest.mark.browser
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
    expect(why.get_by_text("Facts", exact=True)).to_be_visible()
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
