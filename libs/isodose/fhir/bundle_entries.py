"""The entries of a transaction or batch: what each asks for, or why it asks for nothing that can be done.

https://hl7.org/fhir/R4/bundle.html#Bundle.entry.request
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from isodose.fhir import errors
from isodose.fhir.audit_trail import refuse_writing
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.resources import Resource, is_id, resource_of
from isodose.fhir.validation import validate

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
READS = ("GET", "HEAD")


class Request(msgspec.Struct, rename="camel"):
    method: str
    url: str
    if_none_exist: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_match: str | None = None


class Entry(msgspec.Struct, rename="camel"):
    full_url: str | None = None
    resource: msgspec.Raw = msgspec.Raw()
    request: Request | None = None


class Entries(msgspec.Struct):
    entry: list[Entry] = []


class RawEntries(msgspec.Struct):
    entry: list[msgspec.Raw] = []


@dataclass(slots=True)
class Step:
    """One entry on its way: what it asks for, and the type and id that it turned out to be about."""

    index: int
    entry: Entry
    request: Request
    type: str
    id: str | None
    query: str
    data: dict[str, Any] | None
    existing: str | None = None

    @property
    def path(self) -> str:
        return f"Bundle.entry[{self.index}]"

    @property
    def condition(self) -> str | None:
        """The search that decides which resource is meant, for conditional create, update, patch and
        delete.
        """
        if self.request.method == "POST":
            return self.request.if_none_exist
        return self.query if self.request.method not in READS and self.id is None else None


def validate_shell(bundle: Resource) -> None:
    """Raise 422 for what is wrong with a Bundle itself, whatever its entries hold."""
    entries = bundle.data.get("entry")
    shell = bundle.data
    if isinstance(entries, list) and entries:
        urls = [_full_url(entry) or f"urn:entry:{index}" for index, entry in enumerate(entries)]
        shell = {**shell, "entry": [{"fullUrl": url} for url in urls]}
    validate(shell)


def validate_entry(index: int, entry: Any) -> None:
    """Raise 422 for what is wrong with one entry, apart from the resource that it brings."""
    if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
        entry = {name: value for name, value in entry.items() if name != "resource"}
        if not entry:
            return
    try:
        validate({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    except FhirError as error:
        raise FhirError(error.status, [_at(index, issue) for issue in error.issues]) from None


def _at(index: int, issue: Issue) -> Issue:
    """An issue of the only entry, at the place that this entry has."""
    places = (place.replace("Bundle.entry[0]", f"Bundle.entry[{index}]", 1) for place in issue.expression)
    return Issue(issue.code, issue.diagnostics, tuple(places), issue.severity)


def _full_url(entry: Any) -> str:
    url = entry.get("fullUrl") if isinstance(entry, dict) else None
    return url if isinstance(url, str) and url.split() == [url] else ""


def raw_entries(bundle: Resource) -> list[msgspec.Raw]:
    """The entries of a Bundle of any kind, each as it was written."""
    return msgspec.json.decode(bundle.raw, type=RawEntries).entry


def entry_of(raw: msgspec.Raw) -> Entry:
    """A valid entry with its resource as it was written."""
    return msgspec.json.decode(raw, type=Entry)


def entries_of(bundle: Resource) -> list[Entry]:
    """The entries with their resources as they were written."""
    try:
        return msgspec.json.decode(bundle.raw, type=Entries).entry
    except msgspec.ValidationError:
        raise errors.bad_request(
            "The entries are not entries of a Bundle.", "Bundle.entry", code="structure"
        ) from None


def step_of(index: int, entry: Entry, bundle: dict[str, Any]) -> Step:
    """The step that an entry asks for. Raises 400 naming the entry, 405 for what is never written."""
    path = f"Bundle.entry[{index}]"
    request = entry.request
    if request is None:
        raise errors.bad_request("Every entry needs a request.", f"{path}.request", code="required")
    if request.method not in METHODS:
        raise errors.bad_request(f"The method is one of {', '.join(METHODS)}.", f"{path}.request.method")
    route, _, query = request.url.partition("?")
    kind, _, id = route.strip("/").partition("/")
    data = bundle["entry"][index].get("resource")
    step = Step(index, entry, request, kind, id or None, query, data)
    if request.method not in READS:
        refuse_writing(kind)
    if request.method in ("POST", "PUT"):
        _check_write(step)
    elif request.method in ("PATCH", "DELETE") and not (is_id(id) or (query and not id)):
        raise errors.bad_request("The url must be Type/id or Type?condition.", f"{path}.request.url")
    return step


def _check_write(step: Step) -> None:
    url = f"{step.path}.request.url"
    if step.data is None:
        raise errors.bad_request("This entry needs a resource.", f"{step.path}.resource", code="required")
    try:
        resource = resource_of(step.data, b"")
    except FhirError as error:
        raise error.under(f"{step.path}.resource") from None
    if resource.type != step.type:
        raise errors.bad_request("The url must be of the type of the resource.", url)
    if step.request.method == "POST":
        if step.id is not None:
            raise errors.bad_request("A POST goes to the type alone, without an id.", url)
        return
    if step.id is None and not step.query:
        raise errors.bad_request("A PUT needs Type/id or Type?condition.", url)
    if step.id is not None and (not is_id(step.id) or resource.id != step.id):
        raise errors.bad_request("The resource must have the id of the url.", f"{step.path}.resource.id")
