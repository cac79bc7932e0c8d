"""Which Patient at the EHR is ours: the same id with nothing that speaks against it, or the same identifier.

To write about another person is the worst that could happen here, so what is not sure is not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from ehr_ingestion.ehr_client import EhrClient
from isodose.events.jobs import GiveUpError, LaterError

Json = dict[str, Any]


def patient_at(client: EhrClient, ours: Json) -> str:
    """The Patient as type and id at the EHR. Raises `GiveUpError` where none is surely the same."""
    there = _read(client, str(ours["id"]))
    if there is not None and _same(ours, there):
        return f"Patient/{there['id']}"
    known = _identifiers(ours)
    for system, value in sorted(known):
        found = list(_found(client, system, value))
        if len(found) == 1 and not _contradicts(ours, found[0]):
            return f"Patient/{found[0]['id']}"
        if len(found) > 1:
            raise GiveUpError("several patients at the EHR have the same identifier")
    raise GiveUpError("no patient at the EHR is surely the same")


def _same(ours: Json, there: Json) -> bool:
    """Whether the Patient of the same id is the same person."""
    if _contradicts(ours, there):
        return False
    mine, theirs = _identifiers(ours), _identifiers(there)
    if mine and theirs:
        return bool(mine & theirs)
    return bool(ours.get("birthDate")) and ours.get("birthDate") == there.get("birthDate")


def _contradicts(ours: Json, there: Json) -> bool:
    pairs = ((ours.get(name), there.get(name)) for name in ("birthDate", "gender"))
    return any(mine and theirs and mine != theirs for mine, theirs in pairs)


def _identifiers(patient: Json) -> set[tuple[str, str]]:
    return {
        (one["system"], one["value"])
        for one in patient.get("identifier") or []
        if one.get("system") and one.get("value") and one.get("use") != "old"
    }


def _read(client: EhrClient, id: str) -> Json | None:
    answer = client.request("GET", f"Patient/{id}", "Patient")
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return None
    return _json(answer)


def _found(client: EhrClient, system: str, value: str) -> Iterator[Json]:
    token = quote(f"{_escaped(system)}|{_escaped(value)}", safe="")
    for entry in _json(client.request("GET", f"Patient?identifier={token}", "Patient")).get("entry") or []:
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "Patient":
            yield resource


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\,|$" else letter for letter in text)


def _json(answer: httpx.Response) -> Json:
    if answer.status_code != httpx.codes.OK:
        said = f"the EHR answered {answer.status_code} for the Patient"
        raise GiveUpError(said) if answer.status_code in (400, 403) else LaterError(said)
    told: Json = orjson.loads(answer.content)
    return told
