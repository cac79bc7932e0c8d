"""The summary for the tumour board on paper: what the page says, on one sheet, readable without eyes."""

from __future__ import annotations

import datetime as dt
import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from isodose.clinical.record import PatientRecord
from worklist.paper import pdf
from worklist.summary import Part, Summary, Told
from worklist.timeline.picture import Concluded, picture
from worklist_page import read

DEMO = tuple(f"demo-{number:02}" for number in range(1, 22))
MADE = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)


def words(content: bytes, tmp_path: Path) -> str:
    """The text of the paper, in one line."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not here: install Debian's package poppler-utils")
    file = tmp_path / "paper.pdf"
    file.write_bytes(content)
    ran = subprocess.run(["pdftotext", "-raw", str(file), "-"], capture_output=True, text=True, check=True)
    return " ".join(ran.stdout.split())


def sheets(content: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", content))


def told(**more: Any) -> Summary:
    part = Part(
        "options", "Options", (Told("SRS", "standard", "score 80", ("For: few lesions.",)),), "none", True
    )
    given = {
        "name": "Ada O'Neil",
        "born": "1960-01-01",
        "day": "2026-11-23",
        "knowledge": ("k1",),
        "notes": (),
    }
    return Summary(**given | {"left": (part,), "right": ()} | more)


def paper(summary: Summary) -> bytes:
    nothing = Concluded(None, None, None)
    return pdf(summary, picture(PatientRecord(patient_id="p1"), nothing, dt.date(2026, 11, 23)), MADE)


@pytest.mark.parametrize("patient", DEMO)
def test_the_summary_of_each_demonstration_patient_is_one_tagged_sheet(platform: Any, patient: str) -> None:
    answer = platform.get(f"/worklist/Patient/{patient}/board.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert patient not in answer.headers["content-disposition"]
    assert sheets(answer.content) == 1
    for sign in (b"/MarkInfo", b"/StructTreeRoot", b"pdfuaid", b"/Lang"):
        assert sign in answer.content, sign


def test_the_paper_says_what_the_page_says(platform: Any, tmp_path: Path) -> None:
    page = read(platform.get("/worklist/Patient/demo-11/board").text)
    written = words(platform.get("/worklist/Patient/demo-11/board.pdf").content, tmp_path)
    said = [
        e.text
        for e in page.all()
        if e.tag in ("h1", "h2", "strong") or "small" in e.attributes.get("class", "")
    ]
    assert len(said) > 20
    for text in said:
        for word in html.unescape(text).split():
            assert word in written, text
    assert "decided for 2026-11-23" in written
    assert "page 1 of 1" in written


def test_what_does_not_fit_goes_on_to_a_second_sheet(tmp_path: Path) -> None:
    many = tuple(Told(f"Question {n}", lines=("words " * 40,)) for n in range(60))
    content = paper(told(right=(Part("questions", "Questions", many, "none"),)))
    assert sheets(content) > 1
    assert "Question 59" in words(content, tmp_path)


def test_a_part_that_is_away_never_looks_like_none(tmp_path: Path) -> None:
    content = paper(told(left=(Part("alerts", "Open alerts", None, "none"),)))
    assert "not available now" in words(content, tmp_path)


@pytest.mark.parametrize(
    "name", ["#panic() $x$ *b* @a <i>\\", "Zoë Ångström \x07\x0c", "山田 太郎", "\ud7ff\uffff"]
)
def test_names_are_written_and_never_run(name: str) -> None:
    assert paper(told(name=name)).startswith(b"%PDF-")
