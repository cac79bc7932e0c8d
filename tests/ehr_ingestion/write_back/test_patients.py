"""Nothing is written about somebody who is not surely the same."""

from __future__ import annotations

import httpx
import pytest

from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.write_back.patients import patient_at
from isodose.events.jobs import GiveUpError
from results_at_ehr import EHR, MRN, Json

BORN = {"birthDate": "1960-05-01", "gender": "female"}
OTHER = [{"system": "urn:mrn", "value": "78"}]


@pytest.mark.parametrize(
    ("ours", "there", "found"),
    [
        (BORN | {"identifier": MRN}, {"p1": BORN | {"identifier": MRN}}, "Patient/p1"),
        (BORN, {"p1": BORN}, "Patient/p1"),
        (BORN, {"p1": BORN | {"identifier": MRN}}, "Patient/p1"),
        (BORN | {"identifier": MRN}, {"p1": BORN | {"identifier": OTHER}}, None),
        (
            BORN | {"identifier": MRN},
            {"p1": BORN | {"identifier": OTHER}, "x": {"identifier": MRN}},
            "Patient/x",
        ),
        (BORN, {"p1": BORN | {"birthDate": "1961-05-01"}}, None),
        (BORN | {"identifier": MRN}, {"p1": BORN | {"gender": "male", "identifier": MRN}}, None),
        ({"identifier": MRN}, {"x": {"identifier": MRN}, "y": {"identifier": MRN}}, None),
        ({}, {"p1": {}}, None),
        (BORN, {}, None),
    ],
)
def test_nothing_is_written_about_somebody_who_is_not_surely_the_same(
    ours: Json, there: dict[str, Json], found: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        id = request.url.path.rpartition("/")[2]
        if id in there:
            return httpx.Response(200, json={"resourceType": "Patient", "id": id, **there[id]})
        if "identifier" not in request.url.params:
            return httpx.Response(404)
        fitting = [
            {"resource": {"resourceType": "Patient", "id": key, **one}}
            for key, one in there.items()
            if any(
                f"{i['system']}|{i['value']}" == request.url.params["identifier"]
                for i in one.get("identifier", [])
            )
        ]
        return httpx.Response(200, json={"resourceType": "Bundle", "entry": fitting})

    client = EhrClient(EHR, transport=httpx.MockTransport(answer))
    if found is not None:
        assert patient_at(client, {"id": "p1", **ours}) == found
    else:
        with pytest.raises(GiveUpError):
            patient_at(client, {"id": "p1", **ours})
