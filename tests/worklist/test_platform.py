"""The pages of the demonstration's patients, from the running platform."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from worklist_page import Element, read, what_runs

PATHS = (
    "/worklist",
    "/worklist?need=overdue",
    *(f"/worklist/Patient/demo-{n}" for n in ("01", "07", "08", "11", "13", "14", "15", "19")),
    "/worklist/Patient/demo-13/board",
)


def _page(platform: Any, path: str) -> Element:
    answer = platform.get(path)
    assert answer.status_code == 200, path
    return read(answer.text)


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_sound_run_nothing_and_can_be_found_about_without_eyes(platform: Any, path: str) -> None:
    page = _page(platform, path)
    assert what_runs(page) == []
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("title").text
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.one("a", class_="skip").attributes["href"] == "#content"
    levels = [int(e.tag[1]) for e in page.all() if re.fullmatch("h[1-6]", e.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.attributes["for"] for label in page.all("label") if "for" in label.attributes}
    inside = [i for label in page.all("label") for i in label.all("input")]
    fields = [f for tag in ("input", "select", "textarea") for f in page.all(tag)]
    seen = [field for field in fields if field.attributes.get("type") != "hidden"]
    assert all(field.attributes.get("id") in labelled or field in inside for field in seen)
    for name in ("aria-labelledby", "aria-describedby"):
        wanted = [w for e in page.all() for w in e.attributes.get(name, "").split()]
        assert set(wanted) <= set(ids)
    assert all("scope" in th.attributes for th in page.all("th"))
    assert all(link.text for link in page.all("a"))
    assert all(e.attributes.get("tabindex") == "0" for e in page.all("div", role="region"))


@pytest.mark.parametrize("patient", ["demo-05", "demo-11"])
def test_every_argument_on_a_question_is_words_with_its_source(platform: Any, patient: str) -> None:
    section = _page(platform, f"/worklist/Patient/{patient}").one("section", data_live="questions")
    sources = [s.one("ul", class_="cited").text for s in section.all("details", class_="statement")]
    assert all(sources)
    listed = [p.text for p in section.all("p", class_="small") if p.parent and p.parent.tag == "article"]
    assert set(listed) <= {"no argument is known to hold for this patient"}
    board = _page(platform, f"/worklist/Patient/{patient}/board")
    assert not re.search(r"\b[A-Z]+-[a-z-]+\.", board.one("section", aria_labelledby="b-questions").text)


def test_the_overdue_patient_is_found_and_the_row_says_why(platform: Any) -> None:
    (row,) = _page(platform, "/worklist?need=overdue").one("tbody").all("tr")
    assert row.one("a").attributes["href"] == "worklist/Patient/demo-13"
    assert "overdue" in row.text


def test_every_patient_is_on_the_pages_once(platform: Any) -> None:
    seen, path = [], "/worklist"
    while path:
        page = _page(platform, path)
        rows = [r.one("a").attributes["href"] for body in page.all("tbody") for r in body.all("tr")]
        seen += [href for href in rows if "/demo-" in href]
        path = next((f"/worklist{a.attributes['href']}" for a in page.all("a", rel="next")), "")
    assert len(seen) == len(set(seen)) == 21


def test_a_patient_is_found_by_the_beginning_of_a_name(platform: Any) -> None:
    (row,) = _page(platform, "/worklist?name=kap").one("tbody").all("tr")
    assert "Karin Kapok" in row.text


def test_the_picture_is_to_scale_and_every_mark_names_its_source(platform: Any) -> None:
    picture = _page(platform, "/worklist/Patient/demo-11").one("svg", class_="picture")
    sizes = picture.all("circle", class_="size")
    says = [s.one("title").text for s in sizes]
    assert "21 mm, 4.5 mL, 2026-02-05" in says[0]
    assert "Source: Observation/demo-11-size-1-20260205, Observation/demo-11-volume-1-20260205" in says[0]
    x = [float(s.attributes["cx"]) for s in sizes]
    # 2026-02-05, 2026-05-20, 2026-08-19, 2026-11-16: 104, 91 and 89 days apart
    assert (x[1] - x[0]) / 104 == pytest.approx((x[3] - x[2]) / 89, rel=0.01)
    y = [float(s.attributes["cy"]) for s in sizes]
    assert (y[1] - y[0]) / (21 - 13) == pytest.approx((y[2] - y[3]) / (19 - 12), rel=0.03)
    for look in ("course", "effect", "drug", "given", "tail", "steroid", "scan", "window", "alert", "aim"):
        assert picture.all(class_=look)[0].one("title").text, look
    assert "SRS 20 Gy in 1 fraction" in picture.text
    assert "Source: Procedure/demo-11-course-1" in picture.one("rect", class_="course").text
    tail = picture.one("rect", class_="tail").text
    assert "half-lives of" in tail


def test_the_steroid_curve_is_the_dose_the_alerts_judge(platform: Any) -> None:
    page = _page(platform, "/worklist/Patient/demo-11")
    step = page.one("svg", class_="picture").one("rect", class_="steroid").one("title").text
    assert step.startswith("53.33 mg prednisone equivalent a day, 2026-11-17 to 2026-11-23")
    assert "53.33 mg prednisone equivalent per day" in page.one("article").text


def test_doses_that_differ_by_lesion_are_said_so(platform: Any) -> None:
    page = _page(platform, "/worklist/Patient/demo-13")
    assert "SRS 20 to 22 Gy by lesion in 1 fraction" in page.text
    assert page.all("rect", class_="overdue")


def test_a_dose_that_is_planned_is_said_to_be_planned_at_each_lesion(platform: Any) -> None:
    picture = _page(platform, "/worklist/Patient/demo-05").one("svg", class_="picture")
    rules = picture.all("rect", class_="aim")
    assert len(rules) == 2
    assert all(rule.one("title").text.startswith("20 Gy to this lesion (planned), ") for rule in rules)


def test_the_table_tells_everything_that_is_drawn(platform: Any) -> None:
    page = _page(platform, "/worklist/Patient/demo-14")
    table = page.all("table")[0].text
    titled = page.one("svg", class_="picture").all("title")[1:]
    for title in titled:
        said, _, source = title.text.partition(". Source: ")
        what = said.rpartition(", ")[0]
        if source and " given" not in what and " to this lesion" not in what:
            assert what in table, what
            assert source.partition(". ")[0].split(", ")[0] in table


def test_the_axis_can_be_narrowed_and_nonsense_shows_everything(platform: Any) -> None:
    path = "/worklist/Patient/demo-11"
    narrow = _page(platform, f"{path}?from=2026-08-01&to=2026-12-31").one("svg", class_="picture")
    assert "from 2026-08-01 to 2026-12-31" in narrow.one("title").text
    assert len(narrow.all("circle", class_="size")) == 2
    whole = _page(platform, path).one("svg", class_="picture").one("title").text
    for nonsense in ("from=2026-12-31&to=2026-08-01", "from=x&to=y", "from=0001-01-01&to=9999-12-31"):
        assert _page(platform, f"{path}?{nonsense}").one("svg", class_="picture").one("title").text == whole


def test_what_holds_for_several_lesions_is_said_once_with_the_facts_of_each(platform: Any) -> None:
    options = _page(platform, "/worklist/Patient/demo-13").one("section", data_live="options")
    for card in options.all("article"):
        said = [one.one("summary").text for one in card.all("details", class_="statement")]
        assert len(said) == len(set(said))
    upfront = next(
        one
        for one in options.all("details", class_="statement")
        if "upfront SRS alone" in one.one("summary").text
    )
    lesions = ["left cerebellum", "left frontal lobe"]
    assert ", ".join(lesions) in upfront.one("summary").text
    each = upfront.all("p", class_="each")
    assert [one.text.partition(" (")[0] for one in each] == lesions
    facts = [p for p in upfront.all("p", class_="minor") if p.text == "Facts"]
    assert len(facts) == 2
    assert len(upfront.all("ul", class_="cited")) == 1


def test_statements_open_their_facts_with_sources_and_citations(platform: Any) -> None:
    page = _page(platform, "/worklist/Patient/demo-11")
    statements = page.all("details", class_="statement")
    assert len(statements) > 10
    assert all(s.one("summary").text and s.all("code") for s in statements)
    cited = [s for s in statements if s.all("ul", class_="cited")]
    assert len(cited) / len(statements) > 0.9
    sources = [a for s in statements for a in s.all("a", class_="source")]
    assert sources
    for link in sources[:5]:
        assert platform.get(link.attributes["href"].removeprefix("../..")).status_code == 200


def test_missing_facts_come_in_the_order_of_the_service(platform: Any) -> None:
    found = platform.get("/fhir/GuidanceResponse?patient=demo-11").json()["entry"][0]["resource"]
    wanted = [d["codeFilter"][0]["code"][0]["display"] for d in found["dataRequirement"]]
    shown = [
        e.one("strong").text
        for ol in _page(platform, "/worklist/Patient/demo-11").all("ol")
        for e in ol.all("li")
    ]
    assert shown == wanted


def test_the_summary_has_what_the_board_needs_on_one_page(platform: Any) -> None:
    board = _page(platform, "/worklist/Patient/demo-11/board")
    heads = {h.text for h in board.all("h2")}
    told = {"Options", "Open alerts", "Open work", "To find out first", "Questions for the board", "Trials"}
    assert heads == told
    assert "decided for 2026-11-23" in board.text
    assert "knowledge" in board.text


def test_lesions_that_were_counted_and_not_described_are_said_so(platform: Any) -> None:
    described = _page(platform, "/worklist/Patient/demo-08").one("svg", class_="picture").text
    assert re.search(r"longest diameter \(3 described of 1\d counted on 2026-1", described)
    assert "counted" not in _page(platform, "/worklist/Patient/demo-13").one("svg", class_="picture").text


def test_what_lies_outside_the_days_shown_is_not_lost(platform: Any) -> None:
    path = "/worklist/Patient/demo-11?from=2026-05-01&to=2026-12-31"
    assert "1 on record, outside these days" in _page(platform, path).one("svg", class_="picture").text
