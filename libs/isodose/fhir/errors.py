"""The one error language: whatever goes wrong is told as a FHIR OperationOutcome with an HTTP status.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import orjson

Severity = Literal["fatal", "error", "warning", "information"]


class Issue(msgspec.Struct, frozen=True):
    """What was wrong (`code`), where (`expression`, FHIRPath) and what to do (`diagnostics`)."""

    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()
    severity: Severity = "error"

    def under(self, path: str) -> Issue:
        """The same issue, seen from the resource that holds this one at `path`."""
        moved = tuple(f"{path}.{rest}" if rest else path for rest in map(_below_type, self.expression))
        return Issue(self.code, self.diagnostics, moved or (path,), self.severity)


def _below_type(expression: str) -> str:
    return expression.partition(".")[2]


class FhirError(Exception):
    """A request that is refused, or an answer that cannot be given."""

    def __init__(self, status: int, issues: Iterable[Issue]) -> None:
        self.status = status
        self.issues = tuple(issues)
        super().__init__("; ".join(f"{', '.join(i.expression) or '-'}: {i.diagnostics}" for i in self.issues))

    def under(self, path: str) -> FhirError:
        return FhirError(self.status, [issue.under(path) for issue in self.issues])


class OvertakenError(FhirError):
    """Another writer was faster; the same request may succeed when it is tried again."""


def bad_request(diagnostics: str, *expression: str, code: str = "invalid") -> FhirError:
    return FhirError(400, [Issue(code, diagnostics, expression)])


def not_found(diagnostics: str, *expression: str, code: str = "not-found") -> FhirError:
    return FhirError(404, [Issue(code, diagnostics, expression)])


def not_allowed(diagnostics: str) -> FhirError:
    return FhirError(405, [Issue("not-supported", diagnostics)])


def not_acceptable(diagnostics: str) -> FhirError:
    return FhirError(406, [Issue("not-supported", diagnostics)])


def conflict(diagnostics: str, *expression: str) -> FhirError:
    return FhirError(409, [Issue("conflict", diagnostics, expression)])


def gone(diagnostics: str) -> FhirError:
    return FhirError(410, [Issue("deleted", diagnostics)])


def precondition_failed(diagnostics: str, *expression: str, code: str = "conflict") -> FhirError:
    return FhirError(412, [Issue(code, diagnostics, expression)])


def too_large(diagnostics: str, *expression: str) -> FhirError:
    return FhirError(413, [Issue("too-long", diagnostics, expression)])


def unsupported_media_type(diagnostics: str) -> FhirError:
    return FhirError(415, [Issue("not-supported", diagnostics)])


def unprocessable(diagnostics: str, *expression: str, code: str = "business-rule") -> FhirError:
    return FhirError(422, [Issue(code, diagnostics, expression)])


def internal() -> FhirError:
    """Says nothing of the cause: what was being handled may be patient data."""
    return FhirError(500, [Issue("exception", "The server failed to handle this request; try again later.")])


def unavailable(diagnostics: str) -> FhirError:
    return FhirError(503, [Issue("transient", diagnostics)])


def outcome(error: FhirError) -> bytes:
    return outcome_of(error.issues)


def outcome_of(issues: Sequence[Issue]) -> bytes:
    return orjson.dumps(outcome_dict(issues))


def outcome_dict(issues: Sequence[Issue]) -> dict[str, object]:
    """An OperationOutcome; with nothing to tell it says that all is well, since one issue is required."""
    listed = issues or [Issue("informational", "All OK", severity="information")]
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics}
            | ({"expression": list(issue.expression)} if issue.expression else {})
            for issue in listed
        ],
    }
