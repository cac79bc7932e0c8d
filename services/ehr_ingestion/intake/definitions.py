"""The form and what its responses add to QuestionnaireResponse, published."""

from __future__ import annotations

from typing import Any

from ehr_ingestion.intake.form import questionnaire
from isodose.fhir.conformance import extension

_PARTS = {"value": "string", "source": "Reference", "on": "date", "certainty": "code"}


def definitions(base: str) -> list[dict[str, Any]]:
    """The same at every start."""
    title = "What an answer was prefilled with; one that still has this value states nothing new"
    return [
        questionnaire(base),
        extension(base, "populated-from", title, "QuestionnaireResponse.item.answer", _PARTS),
    ]
