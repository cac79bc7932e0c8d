"""A clinician answers an alert on the patient's page: acknowledges it, or overrides it with a reason."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from isodose.cds_hooks.cards import OVERRIDE_REASONS
from worklist import described
from worklist.connections import Connections
from worklist.csrf import FIELD, Csrf, ForgedError
from worklist.replies import form_of, message, see, unread
from worklist.upstream import AwayError, NotTakenError, NotThereError, Upstream

FORGED = "This form did not come from a page that your browser was given. Open the page again and repeat it."
_CHANGED = "The alert has changed since the page was shown, and nothing was kept. Read it again first."
_NO_REASON = "An override needs its reason, and nothing was kept."
_AWAY = "The answer cannot be kept now; try again."
_COMMENT = 500
_REASONS = {reason.code: reason for reason in OVERRIDE_REASONS}


def answering(connections: Connections, csrf: Csrf) -> APIRouter:
    """`POST /worklist/Patient/{id}/alert/{id}`: a form with `outcome`, `reason`, `comment`, and in `seen` the
    version of the alert that the page showed.
    """
    router = APIRouter()

    @router.post("/worklist/Patient/{patient_id}/alert/{alert_id}", openapi_extra=described.ANSWER)
    async def answer(request: Request, patient_id: str, alert_id: str) -> Response:
        form, back = await form_of(request), f"../../{quote(patient_id, safe='')}"
        try:
            csrf.check(request, form.get(FIELD, ""))
        except ForgedError:
            return message("Not kept", FORGED, 403, back)
        outcome, reason = form.get("outcome", ""), _REASONS.get(form.get("reason", ""))
        if outcome == "overridden" and reason is None:
            return message("Not kept", _NO_REASON, 422, back)
        try:
            upstream = connections.of(request)
            if await _version(upstream, patient_id, alert_id) != form.get("seen"):
                return message("Not kept", _CHANGED, 409, back)
            given = reason.model_dump(exclude_none=True) if reason and outcome == "overridden" else None
            await upstream.answer(alert_id, outcome, given, form.get("comment", "").strip()[:_COMMENT])
        except AwayError as error:
            return unread("Not kept", error, _AWAY)
        except NotTakenError as error:
            said = " ".join(str(issue.get("diagnostics", "")) for issue in error.issues)
            return message("Not kept", said, 422, back)
        shown = quote(alert_id, safe="")
        return see(f"{back}?answered={shown}#alert-{shown}")

    return router


async def _version(upstream: Upstream, patient_id: str, alert_id: str) -> str:
    """The version of this alert of this patient as it stands now. Raises `NotThereError`."""
    asked = {"_id": alert_id, "patient": f"Patient/{patient_id}"}
    found = (await upstream.search("alerts", "DetectedIssue", asked)).resources
    if not found:
        raise NotThereError("there is no such alert of this patient")
    return str(found[0].get("meta", {}).get("versionId", ""))
