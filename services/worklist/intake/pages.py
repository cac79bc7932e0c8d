"""The intake page of a patient: to fill, to amend what was given before, and to withdraw it."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from isodose.fhir.resources import is_id
from isodose.security.callers import CALLER
from isodose.service import Running
from isodose.settings import Settings
from worklist import described, wording
from worklist.answering import FORGED
from worklist.connections import Connections
from worklist.csrf import FIELD, Csrf, ForgedError
from worklist.intake.form import QUESTIONNAIRE, Form, form_of
from worklist.intake.sending import response_of, says_something, typed_into, with_faults
from worklist.merged import Merged
from worklist.replies import form_of as typed_of
from worklist.replies import html, message, see, unread
from worklist.said import read
from worklist.upstream import AwayError, NotTakenError, NotThereError, Upstream

Json = dict[str, Any]
_TITLE = "Facts that no EHR codes"
_AWAY = "The form cannot be read now; try again."
_UNKEPT = "Nothing was kept, because the record cannot be written now. Try again."
_CHANGED = (
    "What was given has been changed since the page was shown, and nothing was kept. Read it again first."
)
_MERGED = "This record was merged into another one since the page was shown, and nothing was kept."
_NOTHING = "Nothing was said that the record does not have already."
_WAITS_S = (0.05, 0.1, 0.2, 0.3, 0.4)
_SHOWN_BEFORE = "10"
_LONGEST_NAME = 120
_PERSON = re.compile(r"(^|/)(Practitioner|PractitionerRole|RelatedPerson)/[A-Za-z0-9.-]{1,64}$")


class _OvertakenError(Exception):
    """Something changed since the page was shown; the message says what."""


@dataclass(frozen=True)
class Sheet:
    """The form of one patient. `amended` is the response that is being amended, empty for a new one; `merged`
    the id under which the patient was asked for, where that was another one.
    """

    patient_id: str
    name: str
    form: Form
    wanted: list[tuple[str, str]]
    before: list[Json]
    version: int
    amended: Json
    merged: str = ""


def intake(running: Running, connections: Connections, csrf: Csrf) -> APIRouter:
    """`/worklist/Patient/{id}/intake`, with `?response=` to amend one."""
    router, settings, merged = APIRouter(), running.settings, Merged(running)

    @router.get("/worklist/Patient/{patient_id}/intake", openapi_extra=described.INTAKE)
    async def show(request: Request, patient_id: str, response: str = "") -> Response:
        onward = await merged.onward(request, patient_id, "intake")
        if onward is not None:
            return onward
        try:
            sheet = await _sheet(connections.of(request), patient_id, response)
        except AwayError as error:
            return unread(_TITLE, error, _AWAY)
        return _page(request, replace(sheet, merged=await merged.into(request, patient_id)), [], 200)

    @router.post("/worklist/Patient/{patient_id}/intake", openapi_extra=described.INTAKE)
    async def keep(request: Request, patient_id: str, response: str = "") -> Response:
        typed, back = await typed_of(request), quote(patient_id, safe="")
        try:
            csrf.check(request, typed.get(FIELD, ""))
            if await merged.survivor(patient_id):
                raise _OvertakenError(_MERGED)
            upstream = connections.of(request)
            sheet = await _sheet(upstream, patient_id, response)
            if sheet.amended and typed.get("seen") != sheet.amended["meta"]["versionId"]:
                raise _OvertakenError(_CHANGED)
            if "withdraw" in typed and sheet.amended:
                await upstream.put(sheet.amended | {"status": "entered-in-error"})
                await _decided(upstream, sheet)
                return see(f"../{back}?kept=withdrawn")
            return await _kept(request, upstream, sheet, typed)
        except ForgedError:
            return message("Not kept", FORGED, 403, f"../{back}")
        except _OvertakenError as error:
            return message("Not kept", str(error), 409, f"../{back}")
        except AwayError as error:
            return unread("Not kept", error, _UNKEPT)
        except NotTakenError:
            return message("Not kept", _UNKEPT, 409, f"../{back}")

    async def _kept(request: Request, upstream: Upstream, sheet: Sheet, typed: Mapping[str, str]) -> Response:
        if not sheet.amended and any(one.get("identifier") == _once(typed) for one in sheet.before):
            return see(f"../{quote(sheet.patient_id, safe='')}?kept=facts")
        form = typed_into(sheet.form, typed)
        if any(field.fault for field in form.all()):
            return _page(request, _with(sheet, form), [], 422, typed)
        is_moved = bool(sheet.amended) and form.as_of.shown != form.as_of.value
        if not (is_moved or says_something(form)):
            return _page(request, _with(sheet, form), [_NOTHING], 422, typed)
        author = author_of(request, typed.get("author", ""))
        told, places = response_of(form, sheet.patient_id, author, _now(settings))
        try:
            await _send(upstream, sheet, told, typed)
        except NotTakenError as error:
            faulty, general = with_faults(form, error.issues, places)
            return _page(request, _with(sheet, faulty), general, 422, typed)
        await _decided(upstream, sheet)
        return see(f"../{quote(sheet.patient_id, safe='')}?kept=facts")

    def _page(
        request: Request,
        sheet: Sheet,
        general: list[str],
        status: int,
        typed: Mapping[str, str] | None = None,
    ) -> Response:
        token = csrf.token(request)
        values = {
            "sheet": sheet,
            "faults": [field for field in sheet.form.all() if field.fault],
            "general": general,
            "token": token,
            "once": (typed or {}).get("once") or str(uuid.uuid4()),
            "author": (typed or {}).get("author", ""),
            "today": settings.today(),
            "fixed_day": settings.demonstration_day,
        }
        page = html("intake.html", values, status)
        csrf.give(page, token)
        return page

    return router


def author_of(request: Request, name: str) -> Json:
    """Who says it: the user of the access token, where it names one, and the name that was written."""
    caller = request.scope.get(CALLER)
    user = caller.user if caller is not None and _PERSON.search(caller.user) else ""
    named = name.strip()[:_LONGEST_NAME]
    return ({"reference": user} if user else {}) | ({"display": named} if named else {})


def _now(settings: Settings) -> str:
    """This moment; on a demonstration day the hour of today on that day."""
    moment = dt.datetime.now().astimezone()
    return dt.datetime.combine(settings.today(), moment.timetz()).isoformat(timespec="milliseconds")


def _with(sheet: Sheet, form: Form) -> Sheet:
    return replace(sheet, form=form)


async def _sheet(upstream: Upstream, patient_id: str, amended: str) -> Sheet:
    """What the page shows. Raises `AwayError`; `NotThereError` where there is no such patient or response."""
    if not is_id(patient_id) or not (amended == "" or is_id(amended)):
        raise NotThereError("there is no such patient or response")
    subject = {"subject": f"Patient/{patient_id}"}
    asked = subject | {"_sort": "-authored", "_count": _SHOWN_BEFORE}
    patients, questionnaire, populated, before, assessed = await asyncio.gather(
        upstream.search("record", "Patient", {"_id": patient_id}),
        upstream.read("record", f"Questionnaire/{QUESTIONNAIRE}"),
        upstream.read("record", f"Questionnaire/{QUESTIONNAIRE}/$populate", subject),
        upstream.search("record", "QuestionnaireResponse", asked),
        _or_none(upstream, patient_id),
    )
    if not patients.resources:
        raise NotThereError("there is no such patient")
    given = [
        one for one in before.resources if str(one.get("questionnaire", "")).startswith(questionnaire["url"])
    ]
    standing = [one for one in given if one.get("status") in ("completed", "amended")]
    response = populated["parameter"][0]["resource"]
    found: Json = {}
    if amended:
        found = next((one for one in standing if one["id"] == amended), {})
        if not found:
            raise NotThereError("there is no such response of this patient")
        response = found
    told = read(assessed)
    wanted = wording.wanted_facts(told.of_type("GuidanceResponse")) if told else []
    return Sheet(
        patient_id=patient_id,
        name=wording.name_of(patients.resources[0]),
        form=form_of(questionnaire, response, [name for name, _ in wanted]),
        wanted=wanted,
        before=standing,
        version=told.version if told else 0,
        amended=found,
    )


async def _send(upstream: Upstream, sheet: Sheet, told: Json, typed: Mapping[str, str]) -> None:
    """Keep the response once, however often the form is sent."""
    if sheet.amended:
        kept = {name: sheet.amended[name] for name in ("id", "identifier") if name in sheet.amended}
        await upstream.put(told | kept | {"status": "amended"})
        return
    once = _once(typed)
    await upstream.create(told | {"identifier": once}, f"identifier={once['system']}|{once['value']}")


def _once(typed: Mapping[str, str]) -> Json:
    """What the response of one page is known by, so that a form sent twice is kept once."""
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{typed.get('once', '')[:36]}"}


async def _decided(upstream: Upstream, sheet: Sheet) -> None:
    """Wait, a second at most, until the options are weighed on what was just said."""
    for seconds in _WAITS_S:
        await asyncio.sleep(seconds)
        told = read(await _or_none(upstream, sheet.patient_id))
        if told is None or told.version > sheet.version:
            return


async def _or_none(upstream: Upstream, patient_id: str) -> Json | None:
    try:
        return await upstream.concluded("options", patient_id)
    except AwayError:
        return None
