"""One request and its answer over HTTP: what it carries, one transaction for it, what goes back.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from isodose.fhir import errors, shaping
from isodose.fhir.access import Access
from isodose.fhir.definitions import resource_types
from isodose.fhir.interactions import Answer
from isodose.fhir.limited import within
from isodose.fhir.negotiation import (
    FHIR_JSON,
    body_of,
    check_accept,
    check_content_type,
    returned,
)
from isodose.fhir.races import run_again
from isodose.fhir.resources import Resource, is_id, parse
from isodose.fhir.search_query import Pairs
from isodose.fhir.store import Admission, ResourceStore
from isodose.fhir.stored import Stored

Opener = Callable[[], AbstractContextManager[Any]]
OnWritten = Callable[[Any, Sequence[Stored]], None]
Judge = Callable[[Any, Stored], Iterable[errors.Issue]]
Run = Callable[[Any, ResourceStore], Answer]
ACCESS = "isodose.access"


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, for the audit: the interaction, on what, with what outcome, and on which patients."""

    interaction: str
    type: str
    id: str
    query: str
    status: int
    patients: tuple[str, ...] = ()


Witness = Callable[[Request, Deed], None]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What the endpoints of one FHIR API share.

    `open_work` opens a write transaction, `open_reading` one that only reads. `on_written` is called
    inside the
    transaction with every version that became current. `witness` is told of every access. When `closed`,
    a request to which nobody gave access is refused. `local` makes references to other servers with the same
    ids references to this one. `admissions` judge what is written, by type; `judge` tells what is wrong with
    a version that was written, which refuses a request, or one entry of a batch.
    """

    open_work: Opener
    open_reading: Opener
    on_written: OnWritten | None
    witness: Witness | None
    max_bytes: int
    closed: bool
    local: Callable[[bytes], bytes] = bytes
    admissions: Mapping[str, Admission] = field(default_factory=dict)
    judge: Judge | None = None

    def body(self) -> Callable[[Request], Awaitable[bytes]]:
        async def read_body(request: Request) -> bytes:
            return await body_of(request, self.max_bytes)

        return read_body

    def resource(self, request: Request, content: bytes) -> Resource:
        check_accept(request)
        check_content_type(request)
        return parse(self.local(content), self.max_bytes)

    def reading(self, request: Request, interaction: str, run: Run, also: str = "") -> Response:
        """Answer from one snapshot; `also` is a media type that may be asked for besides FHIR's."""

        def attempt() -> Answer:
            with self.open_reading() as work:
                return run(work, self._store(request, work))

        return self._answered(request, interaction, attempt, also)

    def writing(self, request: Request, interaction: str, run: Run, also: str = "") -> Response:
        """Answer from one transaction; what lost a race against another writer is tried again from the
        start.
        """

        def once() -> Answer:
            with self.open_work() as work:
                answer = run(work, self._store(request, work))
                changed = [stored for stored in answer.written if stored.changed]
                if changed and self.on_written is not None:
                    self.on_written(work, changed)
                return answer

        return self._answered(request, interaction, lambda: run_again(once), also)

    def access(self, request: Request) -> Access | None:
        """What the request may do; None where everything is open."""
        access: Access | None = request.scope.get(ACCESS)
        if access is None and self.closed:
            raise errors.FhirError(401, [errors.Issue("login", "This needs an access token.")])
        return access

    def _store(self, request: Request, work: Any) -> ResourceStore:
        access = self.access(request)
        store = within(work.resources, access)
        store.admissions = self.admissions
        store.verdict = partial(self.judge, work) if self.judge else None
        return store

    def _answered(
        self, request: Request, interaction: str, attempt: Callable[[], Answer], also: str
    ) -> Response:
        check_accept(request, also)
        status, touched, patients = 500, tuple[Stored, ...](), tuple[str, ...]()
        try:
            answer = attempt()
            status = answer.status
            patients = answer.patients
            touched = (*answer.seen, *answer.written, *((answer.stored,) if answer.stored else ()))
            return respond(request, answer)
        except errors.FhirError as error:
            status = error.status
            raise
        finally:
            if self.witness is not None:
                named = dict.fromkeys([*patients, *(one.patient_id for one in touched if one.patient_id)])
                self.witness(request, _deed(request, interaction, status, named))


def kind_of(request: Request) -> str:
    kind: str = request.path_params["type"]
    if kind.startswith("$"):
        raise errors.not_found("There is no such operation here; see /metadata.", code="not-supported")
    if kind not in resource_types():
        raise errors.not_found(
            "R4 has no resource type of this name; types begin with a capital.", code="not-supported"
        )
    return kind


def id_of(request: Request) -> str:
    id: str = request.path_params["id"]
    if not is_id(id):
        raise errors.not_found("No resource has such an id: ids are 1 to 64 letters, digits, '-' or '.'.")
    return id


def condition_of(request: Request) -> Pairs:
    """The search of a conditional interaction."""
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in ("_format", "_pretty")]
    if not pairs:
        raise errors.bad_request("Without an id, the URL needs a search that says which resource is meant.")
    return pairs


def respond(request: Request, answer: Answer) -> Response:
    """The answer with its headers, in the form that was asked for."""
    headers: dict[str, str] = {}
    stored = answer.stored
    if stored is not None:
        headers["ETag"] = f'W/"{stored.version}"'
        headers["Last-Modified"] = format_datetime(stored.last_updated, usegmt=True)
        if request.method in ("GET", "HEAD") and _not_modified(request, stored):
            return Response(status_code=304, headers=headers)
    if answer.location is not None:
        headers["Location"] = answer.location
    body = answer.body
    if answer.location is not None and stored is not None:
        wanted = returned(request)
        if wanted == "minimal":
            body = b""
        elif wanted == "OperationOutcome":
            body = errors.outcome_of(())
    if answer.media_type:
        return Response(body, answer.status, headers, answer.media_type)
    shape = shaping.asked(request.query_params) if body and request.scope["query_string"] else None
    return Response(
        shaping.shaped(body, shape) if shape else body, answer.status, headers, FHIR_JSON if body else None
    )


def _not_modified(request: Request, stored: Stored) -> bool:
    tag = request.headers.get("if-none-match")
    if tag is not None:
        return f'"{stored.version}"' in tag or tag.strip() == "*"
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and stored.last_updated.replace(microsecond=0) <= parsedate_to_datetime(
            since
        )
    except (TypeError, ValueError):
        return False


def _deed(request: Request, interaction: str, status: int, patients: dict[str, None]) -> Deed:
    path = request.path_params
    kind = path.get("type", "")
    id = path.get("id", "")
    if kind == "Patient" and id:
        patients[id] = None
    query = request.scope["query_string"].decode("latin-1")
    return Deed(interaction, kind, id, query, status, tuple(patients))
