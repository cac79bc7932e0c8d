"""Makes Subscriptions of ours at the EHR, looks after them, and takes them away.

https://hl7.org/fhir/R4/subscription.html
https://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription.html
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import orjson

from ehr_ingestion.backport import structure
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient, object_in
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.intake import take
from ehr_ingestion.notifications.reading import Notification, read
from ehr_ingestion.notifications.registry import EhrSubscription
from ehr_ingestion.notifications.senders import secrets_in
from isodose.events.jobs import Handler, Job, LaterError, ask, drop
from isodose.fhir.errors import FhirError
from isodose.fhir.negotiation import FHIR_JSON
from isodose.service import Running
from isodose.settings import Settings
from isodose.storage.database import Database

WATCH = "watch-subscription"
WATCH_EVERY = dt.timedelta(minutes=15)
HEARTBEAT_S = 600
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_REASON = "Isodose keeps its record of patients with brain metastases up to date"
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


class Registrar:
    """The Subscriptions of ours at one EHR. `public_url` is where notifications reach us, `secret` what the
    EHR is to show there (empty: nothing).
    """

    def __init__(self, client: EhrClient, database: Database, public_url: str, secret: str) -> None:
        self._client = client
        self._database = database
        self._public_url = public_url
        self._secret = secret

    def endpoint(self, name: str) -> str:
        """Where the EHR tells what changed."""
        return f"{self._public_url}/notifications/{name}"

    def create(self, asked: EhrSubscription) -> EhrSubscription:
        """Register a subscription and make it at the EHR; one of this name is changed. Raises
        `EhrAwayError`.
        """
        with self._database.begin() as conn:
            before = registry.get(conn, asked.name)
            wanted = replace(asked, reference=before.reference if before else "")
            registry.put(conn, wanted)
        return self.renew(wanted)

    def renew(self, one: EhrSubscription) -> EhrSubscription:
        """Ask the EHR to make, or to activate again, what is registered here."""
        answer = self._sent("PUT", one.reference, one) if one.reference else None
        if answer is None or answer.status_code in _GONE:
            answer = self._sent("POST", "Subscription", replace(one, reference=""))
        if answer.status_code not in (httpx.codes.OK, httpx.codes.CREATED):
            raise _refused(answer)
        made = replace(one, reference=_reference(answer) or one.reference)
        if not made.reference:
            raise EhrAwayError("the EHR does not say which id the Subscription was given")
        with self._database.begin() as conn:
            registry.put(conn, made)
            ask(conn, WATCH, made.name, at=dt.datetime.now(dt.UTC) + WATCH_EVERY)
        return made

    def remove(self, one: EhrSubscription) -> None:
        """Take it away, at the EHR first."""
        if one.reference:
            answer = self._client.request("DELETE", one.reference, "Subscription")
            if answer.status_code >= 400 and answer.status_code not in _GONE:
                raise _refused(answer)
        with self._database.begin() as conn:
            drop(conn, WATCH, one.name)
            registry.remove(conn, one.name)

    def status(self, one: EhrSubscription) -> str:
        """The status that the EHR gives it; empty where it has none of this id."""
        answer = self._client.request("GET", one.reference, "Subscription")
        if answer.status_code in _GONE:
            return ""
        if answer.status_code != httpx.codes.OK:
            raise _refused(answer)
        return str(object_in(answer).get("status", ""))

    def events(self, one: EhrSubscription) -> Notification | None:
        """What `$status` tells of how many events there were; None where it is not offered."""
        answer = self._client.request("GET", f"{one.reference}/$status", "Subscription")
        entries = object_in(answer).get("entry") if answer.status_code == httpx.codes.OK else None
        if not entries:
            return None
        first = {"resourceType": "Bundle", "type": "history", "entry": entries[:1]}
        try:
            told = read(orjson.dumps(first), self._client.base, len(answer.content) + 1000)
        except FhirError:
            return None
        return told if told.kind == "query-status" else None

    def resource(self, one: EhrSubscription) -> dict[str, Any]:
        """The Subscription as the EHR is asked to have it."""
        channel: dict[str, Any] = {
            "type": "rest-hook",
            "endpoint": self.endpoint(one.name),
            **({"header": [f"Authorization: Bearer {self._secret}"]} if self._secret else {}),
        }
        made: dict[str, Any] = {
            "resourceType": "Subscription",
            **({"id": one.reference.rpartition("/")[2]} if one.reference else {}),
            "status": "requested",
            "reason": _REASON,
            "criteria": one.topic or one.criteria,
        }
        if one.topic:
            made["meta"] = {"profile": [structure("subscription")]}
            if one.criteria:
                filters = [_extension("filter-criteria", valueString=f) for f in one.criteria.splitlines()]
                made["_criteria"] = {"extension": filters}
            channel["extension"] = [_extension("heartbeat-period", valueUnsignedInt=HEARTBEAT_S)]
            channel["payload"] = FHIR_JSON
            channel["_payload"] = {"extension": [_extension("payload-content", valueCode=one.content)]}
        elif one.content == "full-resource":
            channel["payload"] = FHIR_JSON
        return made | {"channel": channel}

    def _sent(self, method: str, path: str, one: EhrSubscription) -> httpx.Response:
        return self._client.request(method, path, "Subscription", orjson.dumps(self.resource(one)))


def registrar_of(client: EhrClient, database: Database, settings: Settings) -> Registrar:
    """Raises `GateError` for a file of secrets that cannot be used."""
    secrets = secrets_in(settings.notification_secret_file)
    return Registrar(client, database, settings.public_url, secrets[0].decode() if secrets else "")


def watching(running: Running, registrar: Registrar) -> Mapping[str, Handler]:
    """The job that looks after each subscription: one that the EHR turned off is activated again, and events
    of which nothing was heard are noticed.
    """

    def watch(job: Job) -> dt.datetime | None:
        with running.database.read() as conn:
            one = registry.get(conn, job.key)
        if one is None or not one.reference:
            return None
        try:
            if registrar.status(one) not in ("active", "requested"):
                registrar.renew(one)
            elif one.topic and (told := registrar.events(one)) is not None:
                take(running, one.name, replace(told, status=""))
        except EhrAwayError as error:
            raise LaterError(str(error), error.after_s) from None
        return dt.datetime.now(dt.UTC) + WATCH_EVERY

    return {WATCH: watch}


def _refused(answer: httpx.Response) -> EhrAwayError:
    return EhrAwayError(f"the EHR answered {answer.status_code} for the Subscription", answer.status_code)


def _extension(name: str, **value: object) -> dict[str, object]:
    return {"url": structure(name), **value}


def _reference(answer: httpx.Response) -> str:
    """Type and id of what was made, from its address or its body."""
    found = re.search(r"(Subscription/[A-Za-z0-9.\-]{1,64})", answer.headers.get("location", ""))
    if found is not None:
        return found[1]
    id = object_in(answer).get("id")
    return f"Subscription/{id}" if isinstance(id, str) else ""
