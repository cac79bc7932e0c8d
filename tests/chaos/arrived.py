"""What has to stand at others at the end: each result once and as it is here, each event told in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
from sqlalchemy import select

from chaos.ehr_server import EhrServer, identifiers, identity
from chaos.subscribing import SUBSCRIPTION, SubscriberEndpoint
from ehr_ingestion.subscribers import registry
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.writing import ORDER
from isodose.assessment.handlers import WITHDRAWN
from isodose.storage.database import Database
from isodose.storage.tables import resource

Json = dict[str, Any]
_ADDRESS = "urn:ietf:rfc:3986"


def wrong_at_the_ehr(database: Database, ehr: EhrServer) -> list[str]:
    """What differs between the results that stand here and what was written there."""
    here, there = _results(database), dict(ehr.results())
    places: dict[str, list[str]] = {}
    for place, versions in there.items():
        places.setdefault(_name(versions[-1]), []).append(place)
    wrong = [f"{name} stands at {found}" for name, found in places.items() if len(found) > 1]
    names = {f"{one['resourceType']}/{one['id']}": name for name, one in here.items()}
    names_there = {place: name for name, found in places.items() for place in found}
    for name, one in here.items():
        [place, *_] = places.get(name, [""])
        if place and _plain(there[place][-1], names_there) != _plain(one, names):
            wrong.append(f"{name} at {place} is not as it is here")
        elif not place and one.get("status") != WITHDRAWN.get(one["resourceType"]):
            wrong.append(f"{name} is not there")
    return wrong + [f"{name} is not known here" for name in places.keys() - here.keys()]


def unsettled(database: Database) -> list[str]:
    """What was not written over somebody's change, which nobody made, or was refused."""
    with database.read() as conn:
        return [f"{one.type}: {one.state} ({one.status})" for one in ledger.unsettled(conn)]


def wrongly_told(database: Database, endpoint: SubscriberEndpoint) -> list[str]:
    """What is missing of the events, came out of order, or was told in two ways."""
    with database.read() as conn:
        one = registry.get(conn, SUBSCRIPTION)
        assert one is not None
        every = registry.events(conn, SUBSCRIPTION, 1, one.last, one.last)
    wrong = [f"the subscription is {one.status}"] if one.status != "active" else []
    heard = {told.number for told in endpoint.told if told.heard}
    wrong += [f"event {event.number} was not told" for event in every if event.number not in heard]
    first = list(dict.fromkeys(told.number for told in endpoint.told))
    if first != list(range(1, one.last + 1)):
        wrong.append(f"{one.last} events came first as {first}")
    ways: dict[int, set[str]] = {}
    for told in endpoint.told:
        ways.setdefault(told.number, set()).add(told.said)
    return wrong + [f"event {number} was told as {said}" for number, said in ways.items() if len(said) > 1]


def told_again(endpoint: SubscriberEndpoint) -> Counter[str]:
    """How often an event came again, by whether it had been acknowledged."""
    known: set[int] = set()
    found: Counter[str] = Counter()
    for told in endpoint.told:
        if told.number in known:
            found["acknowledged"] += 1
        elif told.heard:
            known.add(told.number)
        else:
            found["not acknowledged"] += 1
    return found


def _results(database: Database) -> dict[str, Json]:
    kinds = resource.c.type.in_(ORDER), resource.c.deleted.is_(False), resource.c.origin != "ehr"
    with database.read() as conn:
        bodies = conn.execute(select(resource.c.body).where(*kinds)).scalars()
        return {_name(one): one for one in map(orjson.loads, bodies)}


def _name(resource: Json) -> str:
    return f"{resource['resourceType']} {identity(identifiers(resource)[0])}"


def _plain(resource: Json, names: dict[str, str]) -> Any:
    """What it says, pointing to others by the name that they have here and there."""
    return _node({key: value for key, value in resource.items() if key not in ("id", "meta", "text")}, names)


def _node(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_node(one, names) for one in node]
    if not isinstance(node, dict):
        return node
    if isinstance(pointer := node.get("reference"), str):
        return {"to": names.get(pointer, pointer), "display": node.get("display")}
    identifier = node.get("identifier")
    if isinstance(identifier, dict) and identifier.get("system") == _ADDRESS:
        return {"to": identifier["value"], "display": node.get("display")}
    return {key: _node(value, names) for key, value in node.items()}
