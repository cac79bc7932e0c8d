"""Files of FHIR resources brought to a server: each is stored or refused, with the reason.

Every resource goes as a PUT to an id of its own, so loading a file twice changes nothing. A transaction is
tried first; where it is refused its entries go one by one, so that one bad resource does not hide the others.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson

from ehr_ingestion.arrival import UP_TO_PATIENTS, rank
from ehr_ingestion.outcomes import Refusal, Tally, outcome_of, reason_of

CHUNK = 200
_REFERENCE = re.compile(rb'("reference"\s*:\s*)"([^"\\]+)"')


class UnreadableError(Exception):
    """A file or a server that cannot be read; the message says which and why."""


class _Entry(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw()
    full_url: str = ""


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    entry: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Item:
    """One resource on its way: its text as it stood in the file, but for references made local."""

    type: str
    id: str
    raw: bytes

    @property
    def place(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(kw_only=True)
class Summary(Tally):
    """What became of the resources of one file."""

    file: str


def read_file(path: Path) -> list[Item]:
    """The resources of a file: one resource, a Bundle, or NDJSON. Raises `UnreadableError`."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from error
    lines = [line for line in body.splitlines() if line.strip()] if path.suffix == ".ndjson" else [body]
    items: list[Item] = []
    for number, line in enumerate(lines, start=1):
        try:
            items += _items(line)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            where = f"{path}:{number}" if len(lines) > 1 else str(path)
            raise UnreadableError(f"{where}: {error}") from error
    return items


def read_or_refuse(path: Path, summary: Summary) -> list[Item]:
    """The resources of a file; one that cannot be read is counted as refused and does not stop the others."""
    try:
        return read_file(path)
    except UnreadableError as error:
        summary.refused.append(Refusal(path.name, str(error).removeprefix(f"{path}: ")))
        return []


def batches(files: Sequence[tuple[Summary, list[Item]]]) -> Iterator[list[tuple[Summary, Item]]]:
    """What goes together: each Bundle by itself; files of one resource pooled, patients before all."""
    pooled = [(summary, items[0]) for summary, items in files if len(items) == 1]
    patients = [pair for pair in pooled if pair[1].type in UP_TO_PATIENTS]
    yield from _chunks(patients)
    for summary, items in files:
        if len(items) > 1:
            yield from _chunks([(summary, item) for item in items])
    yield from _chunks([pair for pair in pooled if pair not in patients])


def load(batch: Sequence[tuple[Summary, Item]], client: httpx.Client) -> None:
    """Bring one batch to the FHIR base of `client`, counting each resource. Raises `UnreadableError`."""
    items = [item for _, item in batch]
    answer = _post(client, _bundle("transaction", items))
    if answer.is_client_error:
        answer = _post(client, _bundle("batch", items))
    entries = _json(answer).get("entry", []) if answer.status_code == httpx.codes.OK else []
    failed = reason_of(_json(answer)) or f"HTTP {answer.status_code}"
    for index, (summary, item) in enumerate(batch):
        if index < len(entries):
            summary.add(outcome_of(item.place, entries[index].get("response", {})))
        else:
            summary.refused.append(Refusal(item.place, failed))


def _chunks(pairs: list[tuple[Summary, Item]]) -> Iterator[list[tuple[Summary, Item]]]:
    ordered = sorted(pairs, key=lambda pair: rank(pair[1].type))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _items(body: bytes) -> Iterator[Item]:
    head = msgspec.json.decode(body, type=_Head)
    if not head.resource_type:
        raise ValueError("not a FHIR resource: resourceType is missing")
    if head.resource_type != "Bundle":
        yield _item(body, head, "")
        return
    found = [
        (_item(bytes(entry.resource), msgspec.json.decode(entry.resource, type=_Head), entry.full_url), entry)
        for entry in head.entry
        if bytes(entry.resource)
    ]
    places = {entry.full_url.encode(): item.place.encode() for item, entry in found if entry.full_url}
    for item, _ in found:
        yield Item(item.type, item.id, _local(item.raw, places))


def _item(raw: bytes, head: _Head, full_url: str) -> Item:
    kind = head.resource_type or "Resource"
    if head.id:
        return Item(kind, head.id, raw)
    last = full_url.rpartition("/")[2].rpartition(":")[2]
    identity = last or str(uuid.uuid5(uuid.NAMESPACE_OID, orjson.dumps(orjson.loads(raw)).decode()))
    named = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) | {
        "id": msgspec.Raw(orjson.dumps(identity))
    }
    return Item(kind, identity, msgspec.json.encode(named))


def _local(raw: bytes, places: dict[bytes, bytes]) -> bytes:
    return _REFERENCE.sub(
        lambda found: found[1] + b'"' + places[found[2]] + b'"' if found[2] in places else found[0], raw
    )


def _bundle(kind: str, items: Sequence[Item]) -> bytes:
    entries = [
        {"resource": msgspec.Raw(item.raw), "request": {"method": "PUT", "url": item.place}} for item in items
    ]
    return msgspec.json.encode({"resourceType": "Bundle", "type": kind, "entry": entries})


def _post(client: httpx.Client, body: bytes) -> httpx.Response:
    try:
        return client.post("", content=body, headers={"content-type": "application/fhir+json"})
    except httpx.HTTPError as error:
        raise UnreadableError(f"{client.base_url} cannot be reached: {type(error).__name__}") from error


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        parsed = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
