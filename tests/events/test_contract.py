"""Events are CloudEvents with published schemas, and a schema never breaks its readers."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from isodose.clinical.record import Fact, PatientRecord
from isodose.events import contract, schemas

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "events"
RECORD = PatientRecord(
    patient_id="p1", version=3, facts=(Fact(name="kps", value=90, on=dt.date(2026, 3, 1)),)
)


def examples() -> list[contract.Event]:
    concluded = {
        "patientId": "p1",
        "service": "s",
        "recordVersion": 3,
        "knowledgeVersion": "k1",
        "on": dt.date(2026, 3, 1),
        "findings": [],
        "options": [],
        "resources": [{"resourceType": "Task", "id": "t"}],
    }
    feedback = {"card": "c1", "outcome": "accepted", "outcomeTimestamp": "2026-03-01T10:00:00Z"}
    guidance = [name for name, data in contract.DATA.items() if data is contract.GuidanceData]
    return [
        contract.record_changed(RECORD, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        *(contract.guidance(name, "s", concluded, "p1") for name in guidance),
        contract.day_started(dt.date(2026, 3, 1)),
        contract.card_feedback("s", feedback),
    ]


def test_every_event_type_has_an_example_here():
    assert {event.type for event in examples()} == set(contract.DATA)


@pytest.mark.parametrize("event", examples(), ids=lambda event: event.type)
def test_an_event_is_a_cloudevent_whose_data_fit_the_published_schema(event):
    sent = json.loads(contract.encode(event))
    assert sent["specversion"] == "1.0"
    assert all(sent[name] for name in ("id", "source", "type", "time", "dataschema"))
    assert all(name.isalnum() and name.islower() for name in sent)
    schema = json.loads((PUBLISHED / f"{event.type}.json").read_text())
    jsonschema_rs.validate(schema, sent["data"])
    assert schema["$id"] == sent["dataschema"]
    assert contract.decode(contract.encode(event)) == event


def test_a_record_too_large_for_the_log_goes_by_claim_check_and_is_never_cut():
    facts = tuple(Fact(name="kps", value="x" * 1000, source=str(n)) for n in range(1000))
    event = contract.record_changed(PatientRecord(patient_id="p1", version=7, facts=facts))
    assert event.dataref == "patient-record/p1/7"
    assert json.loads(bytes(event.data)) == {"ref": "patient-record/p1/7"}
    assert len(contract.encode(event)) < 1000


def test_the_published_schemas_are_those_of_the_code():
    assert {path.name for path in PUBLISHED.glob("*.json")} == set(schemas.generated())
    for name, schema in schemas.generated().items():
        published = json.loads((PUBLISHED / name).read_text())
        assert schemas.incompatibilities(published, schema) == []
        assert published == json.loads(msgspec.json.encode(schema)), f"run the generator: {name} differs"


OLD = {
    "type": "object",
    "properties": {"on": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "who": {"$ref": "#/$defs/Who"}},
    "required": ["on"],
    "$defs": {"Who": {"type": "object", "properties": {"id": {"type": "string"}}, "required": []}},
}


def changed(change) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new)
    return schemas.incompatibilities(OLD, new)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s["properties"].pop("kind"), "data.kind was removed"),
        (lambda s: s["required"].append("kind"), "data.kind became required"),
        (
            lambda s: s["properties"]["on"].update(type="integer"),
            "data.on changed its type from string to integer",
        ),
        (lambda s: s["properties"]["kind"]["enum"].remove("b"), "data.kind no longer allows 'b'"),
        (lambda s: s["$defs"]["Who"]["properties"].pop("id"), "$Who.id was removed"),
    ],
)
def test_a_change_that_breaks_readers_is_refused(change, told):
    assert changed(change) == [told]


def test_a_new_optional_property_breaks_nobody():
    assert changed(lambda s: s["properties"].update(more={"type": "string"})) == []


def test_the_generator_refuses_to_overwrite_with_an_incompatible_schema(tmp_path):
    name, schema = next(iter(schemas.generated().items()))
    schema["$defs"]["PatientRecord"]["properties"]["retired"] = {"type": "string"}
    (tmp_path / name).write_text(json.dumps(schema))
    with pytest.raises(ValueError, match="retired was removed"):
        schemas.write(tmp_path)
