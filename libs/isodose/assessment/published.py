"""The words of our own that stand in FHIR resources, published as code systems and value sets.

https://hl7.org/fhir/R4/terminology-module.html
"""

from __future__ import annotations

import typing
from typing import Any

from isodose.assessment.decider import Decider, decide
from isodose.clinical import terminology
from isodose.clinical.facts import vocabulary
from isodose.clinical.finding import Standing
from isodose.clinical.record import PatientRecord
from isodose.fhir.conformance import code_system, profile, value_set

Json = dict[str, Any]


def words_of_all(base: str) -> list[Json]:
    """The facts that can be stated, their values, and the value sets by which drugs and findings are
    known.
    """
    facts = [
        {"code": name, "display": _shown(name), "definition": f.definition}
        for name, f in vocabulary().items()
    ]
    values = sorted({value for fact in vocabulary().values() for value in fact.values})
    standings = [{"code": one} for one in typing.get_args(Standing)]
    listed = []
    for id, title, concepts in (
        ("fact", "Facts about a patient, a lesion, a plan, a course or a scan", facts),
        ("fact-value", "Values of facts", [{"code": value, "display": _shown(value)} for value in values]),
        ("option-standing", "How a treatment option stands", standings),
    ):
        listed += [code_system(base, id, title, concepts), value_set(base, id, title)]
    listed.append(_stated(base))
    return [*listed, *(held for name in terminology.VALUE_SETS for held in _codes(base, name))]


def words_of(decider: Decider) -> list[Json]:
    """The catalogue entries that a decision service judges, and the options that it weighs."""
    concepts = [
        {"code": code, "definition": entry.statement}
        for code, entry in sorted(decider.knowledge.entries.items())
    ]
    title = f"Catalogue entries of {decider.service}"
    listed = [code_system(decider.base, "catalogue", title, concepts, whole=False)]
    nobody = PatientRecord(patient_id="nobody", version=0)
    weighed = decide(decider, nobody, decider.today()).options
    options = {one.code: one.title for one in weighed}
    if options:
        shown = [{"code": code, "display": title} for code, title in sorted(options.items())]
        listed.append(code_system(decider.base, "option", "Treatment options", shown))
    return [
        one for system in listed for one in (system, value_set(decider.base, system["id"], system["title"]))
    ]


def _stated(base: str) -> Json:
    """The Observation by which any fact of the vocabulary can be stated."""
    bound = {"strength": "required", "valueSet": f"{base}/ValueSet/fact"}
    elements: list[Json] = [
        {"path": "Observation.code", "binding": bound},
        {"path": "Observation.subject", "min": 1},
        {"path": "Observation.focus", "max": "1"},
    ]
    return profile(base, "stated-fact", "A fact stated as an Observation", "Observation", elements)


def _codes(base: str, name: str) -> list[Json]:
    """The value set of this name; none where it knows its members by category alone."""
    held = terminology.value_set(name)
    by_system: dict[str, list[Json]] = {}
    for concept, code in held.codes():
        if code.match:
            known = by_system.setdefault(terminology.official_uri(code.system), [])
            known.append({"code": code.code, "display": code.says or concept.display})
    include = [{"system": system, "concept": _once(codes)} for system, codes in sorted(by_system.items())]
    return [value_set(base, name, held.title, include)] if include else []


def _once(codes: list[Json]) -> list[Json]:
    return list({one["code"]: one for one in codes}.values())


def _shown(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
