"""The one place where whatever goes wrong becomes an HTTP answer with an OperationOutcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from isodose.fhir import errors
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.negotiation import FHIR_JSON
from isodose.storage.database import is_transient

_log = logging.getLogger("isodose.fhir")
_CODES = {401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported"}


def install_error_handlers(app: FastAPI) -> None:
    """Refusals, unknown routes, a database that is away, and the unforeseen: never a bare error."""

    def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, FhirError)
        return _answer(error)

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        status, said = error.status_code, f"{error.detail}."
        if status in (404, 405):
            methods = _methods(request)
            status = 405 if methods else 404
            said = _not_here(request, methods)
            headers |= {"Allow": ", ".join(methods)} if methods else {}
        answer = _answer(FhirError(status, [Issue(_CODES.get(status, "processing"), said)]))
        answer.headers.update(headers)
        return answer

    def malformed(_request: Request, _error: Exception) -> Response:
        return _answer(errors.bad_request("The request does not have the form that this route takes."))

    def database(_request: Request, error: Exception) -> Response:
        if not is_transient(error):
            return unforeseen(_request, error)
        _log.warning("the database is not available", extra={"error": type(error).__name__})
        answer = _answer(errors.unavailable("The database is not available; try again in a moment."))
        answer.headers["Retry-After"] = "1"
        return answer

    def unforeseen(_request: Request, error: Exception) -> Response:
        # The message may hold patient data: only the kind and place are logged.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        _log.error("a request failed", extra={"error": type(error).__name__, "where": where})
        return _answer(errors.internal())

    app.add_exception_handler(FhirError, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(SQLAlchemyError, database)
    app.add_exception_handler(Exception, unforeseen)


def _methods(request: Request) -> list[str]:
    """What this address takes. The name of an operation that is not here is no type and no id."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        match, within = route.matches({**request.scope, "path_params": {}})
        names = within.get("path_params", {}).values()
        if match != Match.NONE and not any(str(name).startswith("$") for name in names):
            found |= route.methods or set()
    return sorted(found)


def _not_here(request: Request, methods: Sequence[str]) -> str:
    path = request.url.path
    pages = next((one for one in ("/cds-services", "/worklist") if path.startswith(one)), "")
    where = pages or f"{request.scope.get('root_path', '')}/fhir/metadata"
    if methods:
        return f"{request.method} is not taken here, but {', '.join(methods)}; see {where}."
    return f"There is no such {'operation' if '/$' in path else 'address'} here; see {where}."


def _answer(error: FhirError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return Response(errors.outcome(error), error.status, headers, FHIR_JSON)
