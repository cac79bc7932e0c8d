"""Users of an EHR sign in to the pages: launched there or begun here, with the rights they have there."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from playwright.sync_api import Browser, expect

from all_in_one.app import AllInOne
from ehr_signin import CLIENT, SECRET, Ehr, application
from isodose.security.callers import ServiceKey
from isodose.settings import Settings
from isodose.storage.database import Database
from served import FHIR, eventually, free_port, listening
from worklist.signin.ehr import Client
from worklist.signin.sessions import BEGUN_S, Begun, Sessions
from worklist_browser import barriers
from worklist_page import read

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "patients"
SERVICES = b"a key of at least thirty-two bytes"


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    port = free_port()
    made = Ehr(f"http://127.0.0.1:{port}")
    with listening(application(made), port):
        yield made


@pytest.fixture(scope="module")
def settings(ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = tmp_path_factory.mktemp("signin")
    (made / "secret").write_text(SECRET)
    (made / "services").write_bytes(SERVICES)
    return Settings(
        data_dir=made,
        port=free_port(),
        demonstration_day=dt.date(2026, 11, 23),
        auth="smart",
        service_key_file=made / "services",
        smart_client_id=CLIENT,
        smart_client_secret_file=made / "secret",
        smart_launch_issuers=(ehr.base,),
    )


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Iterator[str]:
    """Where the platform listens, with two patients."""
    whole = AllInOne(settings)
    whole.migrate()
    system = {
        "authorization": f"Bearer {ServiceKey(SERVICES).delegated('test', 'test', 'system/*.cruds', None)}"
    }
    with listening(whole, settings.port or 0) as where, httpx.Client(base_url=where, timeout=30) as client:
        for name in ("11-local-change-after-srs.json", "13-follow-up-overdue.json"):
            answer = client.post("/fhir", content=(SAMPLES / name).read_bytes(), headers=FHIR | system)
            assert answer.status_code == 200, answer.text
        counted = "/eligibility/fhir/GuidanceResponse?_summary=count"
        eventually(lambda: client.get(counted, headers=system).json().get("total") == 2, 60)
        yield where


@pytest.fixture
def asking(pages: str, ehr: Ehr) -> Iterator[httpx.Client]:
    """A browser that has not signed in; the EHR gives a user everything to read."""
    ehr.scopes, ehr.patient, ehr.way, ehr.spoil = "openid fhirUser user/*.rs", None, "secret", {}
    ehr.asked.clear()
    with httpx.Client(base_url=pages, follow_redirects=True, timeout=30) as client:
        yield client


def test_a_card_s_link_opens_the_patient_s_page_once_the_user_has_signed_in(
    asking: httpx.Client, ehr: Ehr
) -> None:
    answer = asking.get("/worklist/Patient/demo-11?from=2026-01-01&to=2026-12-31")
    assert answer.url.path == "/worklist/Patient/demo-11"
    assert answer.url.params["from"] == "2026-01-01"
    assert "Practitioner/u1" in answer.text
    assert asking.get("/worklist").status_code == 200
    assert len(ehr.asked) == 1
    assert "launch" not in ehr.asked[0]["scope"].split()


def test_launched_from_the_ehr_the_patient_in_context_is_opened_and_no_other_is_seen(
    asking: httpx.Client, ehr: Ehr
) -> None:
    ehr.scopes, ehr.patient = "launch openid fhirUser patient/*.rs", "demo-11"
    answer = asking.get("/worklist/launch", params={"iss": ehr.base, "launch": "xyz"})
    assert answer.url.path == "/worklist/Patient/demo-11"
    assert (ehr.asked[0]["launch"], "launch" in ehr.asked[0]["scope"].split()) == ("xyz", True)
    assert asking.get("/worklist/Patient/demo-13").status_code == 404
    listed = read(asking.get("/worklist").text)
    assert [a.attributes["href"] for a in listed.one("tbody").all("a")] == ["worklist/Patient/demo-11"]


def test_what_a_user_may_do_is_what_the_ehr_granted(asking: httpx.Client, ehr: Ehr) -> None:
    ehr.scopes = "openid fhirUser user/Patient.rs user/DetectedIssue.rs"
    row = read(asking.get("/worklist").text).one("tbody").all("tr")[0]
    assert row.text.count("not in your access") == 3
    page = read(asking.get("/worklist/Patient/demo-11").text)
    token = page.one("input", name="token").attributes["value"]
    alert = next(f for f in page.all("form", method="post") if "/alert/" in f.attributes["action"])
    fields = {i.attributes["name"]: i.attributes.get("value", "") for i in alert.all("input")}
    address = f"/worklist/Patient/{alert.attributes['action']}"
    sent = asking.post(address, data=fields | {"token": token, "outcome": "accepted"})
    assert sent.status_code == 403


def test_cookies_are_for_this_host_alone_and_hold_a_name_and_nothing_else(
    asking: httpx.Client, settings: Settings
) -> None:
    asking.follow_redirects = False
    begun = asking.get("/worklist/launch")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(begun.headers["set-cookie"].split("; "))
    back = httpx.get(begun.headers["location"]).headers["location"]
    answer = asking.get(back)
    cookies = [c for c in answer.headers.get_list("set-cookie") if c.startswith("isodose-session=")]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookies[0].split("; "))
    name = asking.cookies["isodose-session"]
    stored = b"".join(f.read_bytes() for f in settings.data_dir.glob("worklist.db*"))
    assert name.encode() not in stored


def test_signing_out_ends_the_session_and_only_our_own_form_does_it(asking: httpx.Client, ehr: Ehr) -> None:
    page = read(asking.get("/worklist").text)
    assert asking.post("/worklist/sign-out", data={"token": "forged"}).status_code == 403
    held = dict(asking.cookies)
    token = page.one("input", name="token").attributes["value"]
    assert "You are signed out" in asking.post("/worklist/sign-out", data={"token": token}).text
    asking.follow_redirects = False
    again = asking.get("/worklist", headers={"cookie": f"isodose-session={held['isodose-session']}"})
    assert again.status_code == 303


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"aud": "another"}, "another audience"),
        ({"iss": "https://another.example"}, "another issuer"),
        ({"exp": 1}, "expired"),
        ({"nonce": "another"}, "another sign-in"),
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    asking: httpx.Client, ehr: Ehr, spoiled: dict[str, Any], said: str
) -> None:
    ehr.spoil = spoiled
    answer = asking.get("/worklist")
    assert (answer.status_code, said in answer.text) == (403, True)
    assert "isodose-session" not in asking.cookies


def test_an_ehr_that_is_not_listed_and_an_answer_that_nobody_asked_for_let_nobody_in(
    asking: httpx.Client, ehr: Ehr
) -> None:
    assert asking.get("/worklist/launch", params={"iss": "https://evil.example/fhir"}).status_code == 403
    assert asking.get("/worklist/callback", params={"code": "x", "state": "y"}).status_code == 403
    asking.follow_redirects = False
    location = asking.get("/worklist/launch").headers["location"]
    back = httpx.get(location).headers["location"]
    with httpx.Client(timeout=30) as other:
        assert other.get(back).status_code == 403
    assert asking.get(back).status_code == 303
    assert asking.get(back).status_code == 403
    denied = asking.get("/worklist/launch").headers["location"]
    state = httpx.URL(denied).params["state"]
    refused = asking.get("/worklist/callback", params={"state": state, "error": "<b>access_denied"})
    assert (refused.status_code, "&lt;b&gt;access_denied" in refused.text) == (403, True)


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/fhir/Patient", "/worklist/../fhir"]
)
def test_nobody_is_led_out_of_the_pages(asking: httpx.Client, to: str) -> None:
    assert asking.get("/worklist/launch", params={"to": to}).url.path == "/worklist"


def test_without_a_session_pages_ask_to_sign_in_and_everything_else_is_refused(asking: httpx.Client) -> None:
    asking.follow_redirects = False
    assert (
        asking.get("/worklist/Patient/demo-11")
        .headers["location"]
        .startswith("/worklist/launch?to=%2Fworklist")
    )
    assert asking.get("/worklist/changes").status_code == 401
    assert asking.post("/worklist/Patient/demo-11/alert/x").status_code == 401
    assert asking.get("/fhir/Patient").status_code == 401
    assert asking.get("/worklist/assets/worklist.css").status_code == 200


def test_every_view_is_audited_with_the_user(asking: httpx.Client, settings: Settings) -> None:
    asking.get("/worklist/Patient/demo-11")
    database = Database(settings.for_service("worklist", 0).model_copy().database_url)
    asked = (
        "SELECT body FROM audit_event WHERE agent LIKE '%Practitioner/u1' AND body LIKE '%Patient/demo-11%'"
    )

    def audited() -> Any:
        with database.read() as conn:
            return conn.exec_driver_sql(asked).scalars().all()

    assert json.loads(eventually(audited)[-1])["source"]["site"] == "worklist"
    database.dispose()


@pytest.mark.parametrize("way", ["public", "key"])
def test_a_client_proves_itself_as_it_was_registered(
    way: str, ehr: Ehr, tmp_path: Path, settings: Settings
) -> None:
    key = ECKey.generate_key("P-384", {"kid": "worklist", "use": "sig"})
    (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
    ehr.way, ehr.public_key = way, key
    changed = {"smart_client_secret_file": None, "worklist_url": "http://127.0.0.1:1/worklist"}
    changed |= {"smart_client_key_file": tmp_path / "key.json"} if way == "key" else {}
    client = Client(settings.model_copy(update=changed))
    begun = Begun(ehr.base, "v" * 43, "n", "/worklist")

    async def signed_in() -> Any:
        place = await client.place(ehr.base)
        address = client.address(place, begun, "s", "")
        location = httpx.get(address).headers["location"]
        return await client.exchange(place, begun, httpx.URL(location).params["code"])

    assert asyncio.run(signed_in()).user == f"{ehr.base}/Practitioner/u1"


def test_a_session_ends_without_clicks_and_in_any_case(database: Database) -> None:
    now = [1_000_000.0]
    sessions = Sessions(database, idle_s=600, longest_s=3_600, clock=lambda: now[0])
    name = sessions.open("u", "user/*.rs", None)
    for _ in range(6):
        now[0] += 590
        assert sessions.of(name) is not None
    now[0] += 100
    assert sessions.of(name) is None
    other = sessions.open("u", "user/*.rs", None)
    now[0] += 590
    assert sessions.of(other, is_seen=False) is not None
    now[0] += 590
    assert sessions.of(other) is None
    third = sessions.open("u", "user/*.rs", None)
    sessions.close(third)
    assert sessions.of(third) is None


def test_a_sign_in_is_taken_once_and_within_ten_minutes(database: Database) -> None:
    now = [1_000_000.0]
    sessions = Sessions(database, 600, 3_600, lambda: now[0])
    begun = Begun("https://ehr.example/fhir", "v", "n", "/worklist")
    state = sessions.begin(begun)
    assert sessions.of(state) is None
    assert sessions.take(state) == begun
    assert sessions.take(state) is None
    late = sessions.begin(begun)
    now[0] += BEGUN_S + 1
    assert sessions.take(late) is None


@pytest.mark.browser
def test_the_way_in_and_out_in_a_browser(
    browser: Browser, pages: str, ehr: Ehr, asking: httpx.Client
) -> None:
    with browser.new_context(base_url=pages) as context:
        page = context.new_page()
        page.goto("/worklist")
        expect(page.get_by_role("heading", level=1)).to_have_text("Worklist")
        expect(page.get_by_text("Practitioner/u1")).to_be_visible()
        assert barriers(page) == []
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
