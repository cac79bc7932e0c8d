"""The codes by which a trial tells what it asks: values of facts, and words that only trials use.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from eligibility_scoring.trials.catalogue import Criteria, catalogue
from eligibility_scoring.trials.wording import HEADINGS
from isodose.clinical.facts import vocabulary
from isodose.fhir.conformance import code_system, value_set

Resource = dict[str, Any]
_SYSTEM = "trial-word"


def spoken(criteria: Criteria) -> list[tuple[str, str]]:
    """The tumours, settings and molecular subtypes of a trial, each as a code and in words."""
    meanings = catalogue().meanings
    tumours = criteria.histologies or criteria.inferred_histologies
    told = [(code, meanings.words[code]) for code in tumours]
    told += [(code, meanings.settings[code].words) for code in criteria.settings]
    told += [(f"{gene}-{value}", f"{gene} {value}") for gene, value in criteria.molecular_any_of.items()]
    return told


def coding(code: str, base: str) -> Resource:
    """The code in the system that defines it."""
    system = _SYSTEM if code in own_words() else "fact-value"
    return {"system": f"{base}/CodeSystem/{system}", "code": code}


@cache
def own_words() -> Mapping[str, str]:
    """What trials say that is no value of a fact, by code."""
    values = {value for fact in vocabulary().values() for value in fact.values}
    told = [word for trial in catalogue().trials.values() for word in spoken(trial.criteria)]
    return dict(sorted((code, words) for code, words in told if code not in values))


def definitions(base: str) -> list[Resource]:
    """The code systems of these words, and of how a trial fits, with their value sets."""
    concepts = [{"code": code, "display": words} for code, words in own_words().items()]
    standings = [{"code": code, "display": words} for code, words in HEADINGS.items()]
    listed: list[Resource] = []
    for id, title, told in (
        (_SYSTEM, "Words of the trials", concepts),
        ("trial-match", "How a trial fits a patient", standings),
    ):
        listed += [code_system(base, id, title, told), value_set(base, id, title)]
    return listed
