"""Many at once: one identity is one resource, and no write is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 40


def at_once(call: Any) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, range(AT_ONCE)))


def test_forty_conditional_creates_of_one_identity_make_one_resource(client: Any, make: Any) -> None:
    known = make.patient(identifier=[{"system": "urn:mrn", "value": "A-1"}])

    answers = at_once(lambda _: client.post("/Patient", known, if_none_exist="identifier=urn:mrn|A-1"))

    assert sorted(answer.status_code for answer in answers) == [200] * (AT_ONCE - 1) + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(client.ids("/Patient")) == 1


def test_forty_updates_of_a_new_resource_make_forty_versions(client: Any, make: Any) -> None:
    def put(number: int) -> int:
        born = f"19{number + 10}"
        return int(client.put("/Patient/p1", make.patient(birthDate=born)).status_code)

    statuses = at_once(put)

    assert sorted(statuses) == [200] * (AT_ONCE - 1) + [201]
    history = client.get("/Patient/p1/_history").json()["entry"]
    versions = [int(entry["resource"]["meta"]["versionId"]) for entry in history]
    assert versions == list(range(AT_ONCE, 0, -1))


def test_bundles_that_name_the_same_resources_in_other_orders_do_not_block_each_other(
    client: Any, make: Any
) -> None:
    people = [make.patient(f"p{i}") for i in range(6)]
    client.post("", make.transaction(*(make.entry(one) for one in people)))

    def send(number: int) -> int:
        changed = [{**one, "birthDate": f"19{number + 10}"} for one in people]
        turned = changed if number % 2 else changed[::-1]
        return int(client.post("", make.transaction(*(make.entry(one) for one in turned))).status_code)

    assert set(at_once(send)) == {200}
    assert {len(client.get(f"/Patient/p{i}/_history").json()["entry"]) for i in range(6)} == {AT_ONCE + 1}
