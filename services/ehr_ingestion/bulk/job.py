"""An export on the EHR's side: kicked off, waited for, and ended when it is no longer needed.

https://hl7.org/fhir/uv/bulkdata/export.html#sequence-overview
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from ehr_ingestion.bulk.manifest import Manifest, manifest_of
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient, object_in, pause

LONGEST_PAUSE_S = 600.0
PATIENCE_S = 24 * 3600.0


class ExportEndedError(EhrAwayError):
    """The EHR gave this export up, or forgot it: there is nothing to wait for any more."""


def kick_off(server: EhrClient, base: str, request: ExportRequest, since: str | None) -> str:
    """Where to ask for the state of the new export. Raises `EhrAwayError`."""
    address = request.address(base)
    answer = _asked(server, address, request, since)
    narrower = request.of_patients_alone()
    if answer.status_code == httpx.codes.BAD_REQUEST and narrower != request and request.level != "system":
        answer = _asked(server, address, narrower, since)
    where = answer.headers.get("content-location", "")
    if answer.status_code != httpx.codes.ACCEPTED or not where:
        said = f"the EHR answered {answer.status_code} to the export: {_said(answer)}"
        raise EhrAwayError(said, answer.status_code)
    return str(httpx.URL(address).join(where))


def _asked(server: EhrClient, address: str, request: ExportRequest, since: str | None) -> httpx.Response:
    what, headers = "an export", {"prefer": "respond-async"}
    answer = server.request("GET", f"{address}?{request.query(since)}", what, headers=headers)
    if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
        answer = server.request("POST", address, what, request.parameters(since), headers)
    return answer


def waited_for(server: EhrClient, status_url: str, told: Callable[[str], None]) -> Manifest:
    """The manifest, once it is there.

    Raises `ExportEndedError` when there will be none, `EhrAwayError` when it is to be asked again later.
    """
    waited, asked, headers = 0.0, 0, {"accept": "application/json"}
    while waited < PATIENCE_S:
        answer = server.request("GET", status_url, "the state of the export", headers=headers)
        if answer.status_code == httpx.codes.OK:
            return manifest_of(answer.content)
        if answer.status_code != httpx.codes.ACCEPTED and not _is_passing(answer):
            said = f"the EHR ended the export with {answer.status_code}: {_said(answer)}"
            raise ExportEndedError(said, answer.status_code)
        told(answer.headers.get("x-progress", "")[:100])
        seconds = pause(asked, answer.headers.get("retry-after"), LONGEST_PAUSE_S)
        server.sleep(seconds)
        waited, asked = waited + seconds, asked + 1
    raise EhrAwayError("the export is not ready after a day; run this again to go on waiting")


def end(server: EhrClient, status_url: str) -> bool:
    """Tell the EHR that its files are no longer needed; whether it took note."""
    try:
        answer = server.request("DELETE", status_url, "the end of the export")
    except EhrAwayError:
        return False
    return answer.is_success or answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE)


def _is_passing(answer: httpx.Response) -> bool:
    """An error that the EHR itself calls transient."""
    return any(issue.get("code") == "transient" for issue in _issues(answer))


def _said(answer: httpx.Response) -> str:
    """The codes of its OperationOutcome; its words may hold what is not ours to repeat."""
    codes = dict.fromkeys(str(issue["code"]) for issue in _issues(answer) if issue.get("code"))
    return ", ".join(codes) or "without a reason"


def _issues(answer: httpx.Response) -> list[dict[str, Any]]:
    issues = object_in(answer).get("issue", [])
    return [issue for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []
