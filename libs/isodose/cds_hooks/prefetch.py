"""Where the data of a call comes from: what the EHR sent ahead, else its FHIR server, else a refusal.

A key given as null was asked for and is empty. An absent key was not asked for: it is fetched with the
authorisation of the call, and a required key that cannot be had refuses the call with 412, because advice
without it would look like advice. https://cds-hooks.hl7.org/2.0/#providing-fhir-resources-to-a-cds-service
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from isodose.cds_hooks.context import HookContext, Placed, bundle_entries
from isodose.cds_hooks.hook import CdsService, Prefetch, Resource
from isodose.cds_hooks.models import HookRequest
from isodose.fhir.errors import FhirError, Issue


class EhrUnavailableError(Exception):
    """The EHR's FHIR server did not give what was asked. The message never holds the token or a value."""


class Ehr(Protocol):
    """Reads from an EHR's FHIR server on behalf of one call."""

    def allows(self, base: str) -> bool:
        """Whether this FHIR server is on the list of servers that may be asked."""

    def fetch(self, base: str, query: str, token: str | None, timeout_s: float) -> list[Resource]:
        """The resources that the read or search `query` gives, all pages, within the time. `query` is
        relative to `base`, or the absolute address of a next page on the same server. Raises
        `EhrUnavailableError`.
        """


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of every key. `incomplete` maps a key to why not everything is known of it; `failed` are
    those that were asked for in vain (not merely never offered).
    """

    placed: tuple[Placed, ...]
    incomplete: Mapping[str, str]
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Key:
    placed: tuple[Placed, ...] = ()
    fetch: str = ""
    reason: str = ""
    have: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class PrefetchReader:
    """Brings together what a service needs. `timeout_s` bounds all fetching for one call together."""

    ehr: Ehr | None = None
    timeout_s: float = 2.0
    workers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=8, thread_name_prefix="ehr"), repr=False
    )

    def gather(self, service: CdsService, request: HookRequest, context: HookContext) -> Gathered:
        """Raises `FhirError`: 400 for a value that is no resource, 412 for a required key not to be had."""
        given = request.prefetch or {}
        issues: list[Issue] = []
        keys = {
            name: _read_given(name, wanted, given, context, issues)
            for name, wanted in service.prefetch.items()
        }
        if issues:
            raise FhirError(400, issues)
        self._fetch(keys, request)
        _refuse_without_required(service, keys)
        return Gathered(
            placed=tuple(placed for key in keys.values() for placed in key.placed),
            incomplete={name: key.reason for name, key in keys.items() if key.reason},
            failed=tuple(name for name, key in keys.items() if key.failed),
        )

    def _fetch(self, keys: Mapping[str, _Key], request: HookRequest) -> None:
        wanted = {name: key for name, key in keys.items() if key.fetch}
        base = request.fhir_server
        if not wanted or base is None or self.ehr is None or not self.ehr.allows(base):
            return
        authorization = request.fhir_authorization
        token = authorization.access_token.get_secret_value() if authorization else None
        running = {
            name: self.workers.submit(self.ehr.fetch, base, key.fetch, token, self.timeout_s)
            for name, key in wanted.items()
        }
        wait(running.values(), timeout=self.timeout_s)
        for name, future in running.items():
            _take(name, wanted[name], future)


def _take(name: str, key: _Key, future: Future[list[Resource]]) -> None:
    if not future.done():
        future.cancel()
        key.reason, key.failed = "the EHR's FHIR server did not answer in time", True
        return
    try:
        resources = future.result()
    except EhrUnavailableError as error:
        key.reason, key.failed = str(error), True
        return
    fetched = tuple(
        Placed(resource, f"prefetch.{name}.entry[{index}].resource")
        for index, resource in enumerate(resources, start=len(key.placed))
    )
    key.placed, key.have, key.reason, key.failed = key.placed + fetched, True, "", False


def _read_given(
    name: str, wanted: Prefetch, given: Mapping[str, Any], context: HookContext, issues: list[Issue]
) -> _Key:
    query = resolved(wanted.query, context.tokens)
    if name not in given:
        return _Key(fetch=query, reason="not sent ahead, and not to be had from a FHIR server")
    value = given[name]
    place = f"prefetch.{name}"
    if value is None:
        return _Key(have=True)
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        issues.append(
            Issue(
                code="structure", diagnostics=f"{place} must be a FHIR resource or null", expression=(place,)
            )
        )
        return _Key()
    if value["resourceType"] == "OperationOutcome":
        return _Key(fetch=query, reason="the EHR sent an error instead of the data", failed=True)
    if value["resourceType"] != "Bundle":
        return _Key(placed=(Placed(value, place),), have=True)
    return _read_bundle(value, place, issues)


def _read_bundle(bundle: Mapping[str, Any], place: str, issues: list[Issue]) -> _Key:
    entries = bundle_entries(bundle, place, issues)
    key = _Key(
        placed=tuple(e for e in entries if e.resource["resourceType"] != "OperationOutcome"), have=True
    )
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            key.fetch = str(link.get("url", ""))
            key.reason, key.failed = (
                "only the first page of the search was sent, and the rest is not to be had",
                True,
            )
    return key


def _refuse_without_required(service: CdsService, keys: Mapping[str, _Key]) -> None:
    issues = [
        Issue("processing", _how_to_give(service.id, name, wanted, keys[name]), (f"prefetch.{name}",))
        for name, wanted in service.prefetch.items()
        if wanted.required and not keys[name].have
    ]
    if issues:
        raise FhirError(412, issues)


def _how_to_give(service_id: str, name: str, wanted: Prefetch, key: _Key) -> str:
    return (
        f"{service_id} cannot advise without prefetch key '{name}': {key.reason}. Send the result of "
        f"{wanted.query} (null when there is none), or fhirServer and fhirAuthorization to ask for it."
    )


_TOKEN = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def resolved(query: str, tokens: Mapping[str, str]) -> str:
    """The template with its tokens filled in; empty when the context lacks one of them."""
    names: Sequence[str] = _TOKEN.findall(query)
    if any(name not in tokens for name in names):
        return ""
    return _TOKEN.sub(lambda found: quote(tokens[found[1]], safe="/"), query)
