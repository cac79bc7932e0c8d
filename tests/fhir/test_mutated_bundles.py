"""Bundles changed at random in one or a few places: each is taken or refused whole, and nothing breaks.

MUTANTS=10000 pytest tests/fhir/test_mutated_bundles.py     as many as asked for; 1,000 without
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from isodose.fhir.validation import issues

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples" / "patients").glob("*.json"))
MUTANTS = int(os.environ.get("MUTANTS", "1000"))
SEED = 20261125
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**62, 1e308, "", " ", "x", "\u0000", "\u202e\U0001f9e0", "a" * 70_000,
    "2026-02-30", "0000-00-00T25:61:61Z", "urn:uuid:x", "Patient/", "Patient/nobody", "#nobody",
    "/Patient/../x", "Patient?name=x", "https://elsewhere.example/fhir/Patient/1", "' OR 1=1 --", "%00",
    [], {}, [None], [[]], {"": ""}, {"resourceType": "Patient"}, {"extension": [{"url": "x"}]},
    {"resourceType": "Bundle", "type": "transaction"},
)  # fmt: skip
NAMES = (
    "id",
    "resourceType",
    "_id",
    "extension",
    "contained",
    "reference",
    "url",
    "method",
    "constructor",
    "",
    "é",
)
TABLES = ("resource", "resource_version", "search_index", "conditional_identity")
METHODS = ("GET", "DELETE", "POST", "PATCH", "HEAD", "put", "TRACE")
Json = dict[str, Any]
Place = tuple[Any, Any]
"""An object or a list, and the name or index of what stands in it."""


def places(value: Any) -> Iterator[Place]:
    """Where something stands in `value`."""
    if isinstance(value, dict | list):
        for name, held in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, name
            yield from places(held)


def removed(dice: random.Random, inside: Any, name: Any) -> None:
    del inside[name]


def replaced(dice: random.Random, inside: Any, name: Any) -> None:
    inside[name] = copy.deepcopy(dice.choice(ODD))


def retyped(dice: random.Random, inside: Any, name: Any) -> None:
    held = inside[name]
    inside[name] = dice.choice([[held], {"value": held}, str(held)[:200], len(str(held))])


def added(dice: random.Random, inside: Any, name: Any) -> None:
    if isinstance(inside, dict):
        inside[dice.choice(NAMES)] = copy.deepcopy(dice.choice(ODD))
    else:
        inside.insert(name, copy.deepcopy(dice.choice(inside)))


def respelled(dice: random.Random, inside: Any, name: Any) -> None:
    held = inside[name]
    if isinstance(held, str) and held:
        at = dice.randrange(len(held))
        inside[name] = (
            held[:at] + dice.choice(["", "\u0000", "\u00e9", "0", "/", "?", "-", " ", "|"]) + held[at + 1 :]
        )
    else:
        inside[name] = None


def moved(dice: random.Random, inside: Any, name: Any) -> None:
    other, there = dice.choice(list(places(inside)))
    other[there], inside[name] = copy.deepcopy(inside[name]), copy.deepcopy(other[there])


CHANGES: tuple[Callable[[random.Random, Any, Any], None], ...] = (
    removed, replaced, replaced, retyped, added, respelled, respelled, moved,
)  # fmt: skip


def requested_otherwise(dice: random.Random, bundle: Json) -> None:
    """Another method, URL or condition on one entry, or another type of bundle."""
    entry = dice.choice(bundle["entry"])
    request = entry.setdefault("request", {})
    match dice.randrange(5):
        case 0:
            request["method"] = dice.choice(METHODS)
        case 1:
            request["url"] = dice.choice(
                ["", "/", "Patient", "Patient/1/2", "Patient?_id=x", "$assess", "?", "x" * 5000]
            )
        case 2:
            request[dice.choice(["ifMatch", "ifNoneExist", "ifNoneMatch"])] = dice.choice(ODD)
        case 3:
            entry["fullUrl"] = dice.choice(ODD)
        case _:
            bundle["type"] = dice.choice(
                ["batch", "collection", "history", "searchset", "message", "document", ""]
            )


def mutant(dice: random.Random, bundle: Json) -> bytes:
    """One changed bundle; in one of twenty its bytes are cut or overwritten too."""
    if dice.random() < 0.15:
        requested_otherwise(dice, bundle)
    else:
        for _ in range(dice.choice([1, 1, 1, 2, 4])):
            if found := list(places(bundle)):
                dice.choice(CHANGES)(dice, *dice.choice(found))
    content = orjson.dumps(bundle)
    if dice.random() < 0.05:
        at = dice.randrange(len(content))
        return (
            content[:at]
            + dice.choice([b"", b"\xff", b"{", content[:3]])
            + content[at + dice.choice([0, 1, 9]) :]
        )
    return content


def small(dice: random.Random, bundle: Json) -> Json:
    """The patient and a few entries, which keeps a mutant cheap and its refusal readable."""
    patient, *others = bundle["entry"]
    return bundle | {"entry": copy.deepcopy([patient, *dice.sample(others, min(4, len(others)))])}


def counted(server: Any) -> dict[str, int]:
    """Rows by table, and what no row of an index may be without."""
    asked = {name: f"SELECT count(*) FROM {name}" for name in TABLES}
    orphans = "SELECT count(*) FROM search_index s WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE "
    asked["index of nothing"] = f"{orphans} r.type = s.type AND r.id = s.id)"
    with server.database.read() as conn:
        return {name: conn.execute(text(sql)).scalar_one() for name, sql in asked.items()}


def outcomes(answer: Any) -> Iterator[tuple[int, Json | None]]:
    """The status of the request and of each entry of a response, with the OperationOutcome of a refusal."""
    body = answer.json()
    yield answer.status_code, body if answer.status_code >= 400 else None
    for entry in body.get("entry", []):
        yield int(entry["response"]["status"][:3]), entry["response"].get("outcome")


@pytest.mark.timeout(120 + MUTANTS)
def test_no_changed_bundle_breaks_the_server_or_is_half_written(local: Any, local_client: Any) -> None:
    dice = random.Random(SEED)
    bundles = [orjson.loads(file.read_bytes()) for file in SAMPLES[:6]]
    for bundle in bundles:
        assert local_client.post("", bundle).status_code == 200
    seen: Counter[int] = Counter()
    for number in range(MUTANTS):
        body = mutant(dice, small(dice, dice.choice(bundles)))
        before, told = counted(local), len(local.written)
        answer = local_client.post("", body)
        seen[answer.status_code] += 1
        shown = f"{number}: {body[:2000]!r}\n{answer.text[:1000]}"
        for status, outcome in outcomes(answer):
            assert status < 500, shown
            if status >= 400:
                assert outcome is not None, shown
                assert outcome["resourceType"] == "OperationOutcome", shown
                assert all(issue["diagnostics"] for issue in outcome["issue"]), shown
        after = counted(local)
        written = sum(len(one) for one in local.written[told:])
        assert after["resource_version"] - before["resource_version"] == written, shown
        assert after["index of nothing"] == 0, shown
        if answer.status_code >= 400:
            assert after == before, shown
    assert seen[200] > MUTANTS // 20, seen
    assert sum(seen[status] for status in (400, 412, 422)) > MUTANTS // 4, seen


def test_what_was_taken_is_valid_and_can_be_read(local: Any, local_client: Any) -> None:
    dice = random.Random(SEED + 1)
    bundle = orjson.loads(SAMPLES[0].read_bytes())
    assert local_client.post("", bundle).status_code == 200
    for _ in range(MUTANTS // 10):
        local_client.post("", mutant(dice, small(dice, bundle)))
    with local.reading() as work:
        rows = work.conn.execute(text("SELECT type, id FROM resource")).all()
    for kind, id in rows:
        answer = local_client.get(f"/{kind}/{id}")
        assert answer.status_code in (200, 410), (kind, id, answer.text)
        if answer.status_code == 200:
            assert not [one for one in issues(answer.json()) if one.severity == "error"], answer.text
