"""What a Subscription asks for, judged when it comes in: what cannot be done is refused, not left undone.

https://hl7.org/fhir/R4/subscription.html
https://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription.html
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ehr_ingestion.backport import CONTENTS, structure
from isodose.fhir import search_sql
from isodose.fhir.criteria import criterion
from isodose.fhir.dates import bounds
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.negotiation import FHIR_JSON
from isodose.fhir.reading import Reading
from isodose.fhir.references import target
from isodose.fhir.search_query import parse

Json = dict[str, Any]
TOLD = (
    "CarePlan", "DetectedIssue", "GuidanceResponse", "RequestGroup", "RiskAssessment", "ServiceRequest",
    "Task",
)  # fmt: skip
"""The types of results that others are told of."""
_JSON = (FHIR_JSON, "application/json")
MOST_AT_ONCE = 100
SHORTEST_HEARTBEAT_S = 10
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,63}):\s*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_OURS = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "upgrade", "te"}
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`topic` is empty for a Subscription of R4, which has one search in `criteria`; of a topic,
    `criteria` are its
    filters. `content` is empty, id-only or full-resource; `headers` are as they are to be sent, or one text
    where they are sealed.
    """

    topic: str
    criteria: tuple[str, ...]
    endpoint: str
    content: str
    headers: tuple[str, ...] | str = ()
    heartbeat_s: int = 0
    timeout_s: int = 10
    at_once: int = 1
    end: dt.datetime | None = None


def read(subscription: Json, topic: str, origins: Sequence[str]) -> Asked:
    """What is asked for. `topic` is the one there is, `origins` those that may be told. Raises 422."""
    channel: Json = subscription.get("channel") or {}
    topical = subscription.get("criteria") == topic
    issues = [*_channel(channel, origins), *_status(subscription)]
    criteria = tuple(_filters(subscription)) if topical else (str(subscription.get("criteria", "")),)
    issues += [issue for one in criteria for issue in _criterion(one, topic, topical)]
    content = _content(channel, topical, issues)
    if issues:
        raise FhirError(422, issues)
    end = subscription.get("end")
    return Asked(
        topic=topic if topical else "",
        criteria=criteria,
        endpoint=str(channel["endpoint"]),
        content=content,
        headers=tuple(channel.get("header") or ()),
        heartbeat_s=max(_number(channel, "heartbeat-period"), SHORTEST_HEARTBEAT_S)
        if topical and _number(channel, "heartbeat-period")
        else 0,
        timeout_s=min(max(_number(channel, "timeout"), 1), 60) if _number(channel, "timeout") else 10,
        at_once=min(_number(channel, "max-count") or MOST_AT_ONCE, MOST_AT_ONCE) if topical else 1,
        end=bounds(end)[0] if isinstance(end, str) else None,
    )


def refuse_others(asked: Asked, patient: str, base: str) -> None:
    """Raise 422 for a search of other patients than this one, which would never tell anything."""
    where = "Subscription.criteria" + (".extension" if asked.topic else "")
    for text in asked.criteria:
        kind, _, query = text.partition("?")
        for name, value in parse_qsl(query, keep_blank_values=True):
            found = criterion(kind, name, value)
            by_id = kind == "Patient" and name == "_id"
            if found is None or not (by_id or (found.parameter.kind == "patient" and found.values)):
                continue
            named = {(target(one, base) or ("Patient", one))[1] for one in found.values}
            if patient not in named:
                said = "The token is of another patient, of whom alone this could tell."
                raise FhirError(422, [_issue("business-rule", said, where)])


def refuse_unanswerable(asked: Asked, reading: Reading) -> None:
    """Raise 422 for a search that cannot be answered: a value that is none, a value set that is not here."""
    where = "Subscription.criteria" + (".extension" if asked.topic else "")
    for text in asked.criteria:
        kind, _, query = text.partition("?")
        try:
            understood = parse(kind, parse_qsl(query, keep_blank_values=True), strict=True)
            search_sql.matching(reading, kind, understood.criteria)
        except FhirError as error:
            issues = [_issue(issue.code, issue.diagnostics, where) for issue in error.issues]
            raise FhirError(422, issues) from None


def name_of(header: str) -> str:
    return header.partition(":")[0].strip()


def value_of(header: str) -> str:
    return header.partition(":")[2].strip()


def origin_of(endpoint: str) -> str:
    """Scheme, host and port of an address; empty for one that is none."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        return ""
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port not in (None, usual) else "")


def may_be_told(endpoint: str, origins: Sequence[str]) -> bool:
    """Whether the site lets notifications go there."""
    found = origin_of(endpoint)
    return bool(found) and found in {origin_of(one) for one in origins}


def _channel(channel: Json, origins: Sequence[str]) -> Iterator[Issue]:
    where = "Subscription.channel"
    if channel.get("type") != "rest-hook":
        yield _issue("not-supported", "Only rest-hook is offered.", f"{where}.type")
    if not may_be_told(str(channel.get("endpoint") or ""), origins):
        said = "Nobody is told at this address; the site lists its origin in ISODOSE_SUBSCRIBER_ORIGINS."
        yield _issue("business-rule", said, f"{where}.endpoint")
    for index, header in enumerate(channel.get("header") or ()):
        found = _HEADER.fullmatch(str(header))
        if found is None or found[1].lower() in _OURS:
            said = "A header is one line, as Authorization: Bearer ..., and none that the connection needs."
            yield _issue("value", said, f"{where}.header[{index}]")
    if channel.get("payload") not in (None, *_JSON):
        yield _issue("not-supported", "Only JSON is sent; ask for application/fhir+json.", f"{where}.payload")


def _status(subscription: Json) -> Iterator[Issue]:
    if subscription.get("status") not in ("requested", "active", "off"):
        said = "Ask with the status requested, or turn it off; the others are the server's to say."
        yield _issue("value", said, "Subscription.status")


def _criterion(text: str, topic: str, topical: bool) -> Iterator[Issue]:
    where = "Subscription.criteria" + (".extension" if topical else "")
    kind, mark, query = text.partition("?")
    types = (*TOLD, "Patient") if topical else TOLD
    if kind not in types:
        said = (
            f"Give the topic {topic}, or a search such as DetectedIssue?severity=high; of {', '.join(TOLD)}."
        )
        yield _issue("not-supported", said, where)
        return
    pairs = parse_qsl(query, keep_blank_values=True)
    try:
        understood = parse(kind, pairs, strict=True)
    except FhirError as error:
        yield from (_issue(issue.code, issue.diagnostics, where) for issue in error.issues)
        return
    if len(understood.criteria) != len(pairs) or (mark and query and not pairs):
        yield _issue("not-supported", "Give search parameters alone, without paging or includes.", where)


def _filters(subscription: Json) -> Iterator[str]:
    for one in (subscription.get("_criteria") or {}).get("extension") or ():
        if one.get("url") == structure("filter-criteria"):
            yield str(one.get("valueString", ""))


def _content(channel: Json, topical: bool, issues: list[Issue]) -> str:
    if not topical:
        return "full-resource" if channel.get("payload") else "empty"
    extensions = (channel.get("_payload") or {}).get("extension") or ()
    for one in extensions:
        if one.get("url") == structure("payload-content") and one.get("valueCode") in CONTENTS:
            return str(one["valueCode"])
    said = (
        "Say how much is told: the extension backport-payload-content with empty, id-only or full-resource."
    )
    issues.append(_issue("required", said, "Subscription.channel.payload.extension"))
    return ""


def _number(channel: Json, name: str) -> int:
    for one in channel.get("extension") or ():
        if one.get("url") == structure(name):
            return next((v for v in one.values() if isinstance(v, int) and not isinstance(v, bool)), 0)
    return 0


def _issue(code: str, said: str, where: str) -> Issue:
    return Issue(code, said, (where,))
