"""The FHIR server of the EHR, to which results are written: all that it ever held is kept.

It knows conditional creates, versions and If-Match, and whom it gave a token.
https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import orjson

from chaos.moody import Answer, Moody, Request

Json = dict[str, Any]
_TOKEN_S = 60


class EhrServer(Moody):
    """`held` has the versions of each resource by type and id, the newest last; `refused` what was asked in
    vain, and should not have been.
    """

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.held: dict[str, list[Json]] = {}
        self.refused: list[str] = []
        self._tokens: set[str] = set()
        super().__init__(host, port, seed)

    def admit(self, bundle: bytes) -> None:
        """The patients in it are the EHR's own."""
        for entry in orjson.loads(bundle)["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                self._keep(f"Patient/{entry['resource']['id']}", entry["resource"])

    def results(self) -> Iterator[tuple[str, list[Json]]]:
        """What was written there: the address and every version."""
        return ((place, held) for place, held in self.held.items() if not place.startswith("Patient/"))

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token()
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return Answer(401)
        place = request.path.removeprefix("/fhir/")
        if request.method == "POST":
            return self._made(place, request)
        if place not in self.held:
            self.refused.append(f"{request.method} {place}: not here")
            return Answer(404)
        if request.method == "PUT":
            return self._changed(place, request)
        return self._shown(200, place)

    def _token(self) -> Answer:
        self._tokens.add(token := secrets.token_hex(8))
        told = {"access_token": token, "token_type": "bearer", "expires_in": _TOKEN_S}
        return Answer(200, orjson.dumps(told))

    def _made(self, kind: str, request: Request) -> Answer:
        [wanted] = parse_qs(request.headers["if-none-exist"])["identifier"]
        found = next((place for place in self._of(kind) if wanted in self._identities(place)), None)
        if found is not None:
            return self._shown(200, found)
        place = f"{kind}/{len(self.held)}"
        self._keep(place, orjson.loads(request.body) | {"id": place.partition("/")[2]})
        return self._shown(201, place)

    def _changed(self, place: str, request: Request) -> Answer:
        if request.headers["if-match"] != f'W/"{len(self.held[place])}"':
            return Answer(412)
        self._keep(place, orjson.loads(request.body))
        return self._shown(200, place)

    def _keep(self, place: str, resource: Json) -> None:
        versions = self.held.setdefault(place, [])
        versions.append(resource | {"meta": {"versionId": str(len(versions) + 1)}})

    def _shown(self, status: int, place: str) -> Answer:
        versions = self.held[place]
        version = len(versions)
        headers = {
            "etag": f'W/"{version}"',
            "location": f"{self.url}/fhir/{place}/_history/{version}",
            "content-type": "application/fhir+json",
        }
        return Answer(status, orjson.dumps(versions[-1]), headers)

    def _of(self, kind: str) -> Iterator[str]:
        return (place for place in self.held if place.startswith(f"{kind}/"))

    def _identities(self, place: str) -> set[str]:
        return {identity(one) for one in identifiers(self.held[place][-1])}


def identifiers(resource: Json) -> list[Json]:
    found = resource.get("identifier") or []
    return found if isinstance(found, list) else [found]


def identity(identifier: Json) -> str:
    return f"{identifier.get('system')}|{identifier.get('value')}"
