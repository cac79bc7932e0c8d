"""Tumour markers that choose a treatment: EGFR, ALK, ROS1, RET, BRAF V600, HER2, PD-L1.

TumorMarkerTest and GenomicVariant of mCODE (https://hl7.org/fhir/us/mcode/StructureDefinition-mcode-genomic-variant.html).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from isodose.clinical.terminology import codings, value_set, words_of
from isodose.mcode import units
from isodose.mcode.chart import Chart, Reading, Resource, fact, items, reference_to
from isodose.mcode.days import effective_day

_FACTS = {
    "egfr": ("molecular.EGFR", "mutant", "wild_type"),
    "alk": ("molecular.ALK", "rearranged", "negative"),
    "ros1": ("molecular.ROS1", "rearranged", "negative"),
    "ret": ("molecular.RET", "altered", "negative"),
    "braf_v600": ("molecular.BRAF_V600", "mutant", "wild_type"),
    "her2": ("molecular.HER2", "positive", "negative"),
}
_GENES = {
    "gene_egfr": "egfr",
    "gene_alk": "alk",
    "gene_ros1": "ros1",
    "gene_ret": "ret",
    "gene_braf": "braf_v600",
    "gene_erbb2": "her2",
}
_YES = {
    "10828004",
    "260373001",
    "52101004",
    "11214006",
    "LA9633-4",
    "LA6576-8",
    "LA11882-0",
    "POS",
    "DET",
    "A",
}
_NO = {
    "260385009",
    "260415000",
    "2667000",
    "131194007",
    "LA9634-2",
    "LA6577-6",
    "LA11883-8",
    "NEG",
    "ND",
    "N",
}
_YES_WORDS = (
    " positive ",
    " detected ",
    " present ",
    " mutated ",
    " mutation ",
    " rearranged ",
    " amplified ",
)
_NO_WORDS = (
    " negative ",
    " not detected ",
    " none detected ",
    " absent ",
    " wild type ",
    " no mutation ",
    " not ",
)
# BRAF codes that do not tell the codon.
_BRAF_ANY = {"58483-9", "53844-7"}
_TPS = "83053-9"
_GENE, _ORIGIN, _GERMLINE = "48018-6", "48002-0", "LA6683-2"
_NOT_FOUND = "One variant was not found, which does not show that the gene has none"
_RECEPTORS = ("er", "pr")
_HER2_TOLD = ("positive", "low", "negative")
# By hormone receptors and HER2 (SUP-GPA-breast).
_SUBTYPES = {
    (True, True): "luminal_b",
    (True, False): "luminal_a",
    (False, True): "her2",
    (False, False): "basal",
}
_STRUCTURAL_WORDS = (" fusion ", " rearrangement ", " rearranged ", " translocation ", " inversion ")


def read(chart: Chart, reading: Reading) -> None:
    """Marker tests and genomic variants."""
    receptors: dict[str, list[tuple[Resource, bool]]] = {}
    for observation in chart.of("Observation"):
        if observation.get("status") == "cancelled":
            continue
        given = chart.codes(observation)
        if (marker := value_set("tumour_markers").match(given)) is not None:
            if marker.id == "pd_l1":
                _tumour_proportion(reading, observation)
            elif marker.id in _FACTS:
                _test(reading, observation, marker.id)
            elif marker.id in _RECEPTORS and (outcome := _outcome(observation)) is not None:
                receptors.setdefault(marker.id, []).append((observation, outcome))
        elif (found := value_set("genes").match(given)) is not None and found.id == "genomic_variant":
            _variant(reading, observation)
    _breast_subtype(reading, receptors)


def _outcome(observation: Resource) -> bool | None:  # noqa: PLR0911 (one return per form of the result)
    """Whether a test found what it looked for; None where it does not say."""
    given = codings(observation.get("valueCodeableConcept"))
    for coding in given:
        if coding.code in _YES:
            return True
        if coding.code in _NO:
            return False
    if isinstance(flag := observation.get("valueBoolean"), bool):
        return flag
    words = words_of(observation.get("valueCodeableConcept"), str(observation.get("valueString") or ""))
    if any(word in words for word in _NO_WORDS):
        return False
    if any(word in words for word in _YES_WORDS):
        return True
    for coding in codings(observation.get("interpretation")):
        if coding.code in ("POS", "DET", "NEG", "ND"):
            return coding.code in _YES
    return None


def _test(reading: Reading, observation: Resource, marker: str) -> None:
    ref = reference_to(observation)
    name, yes, no = _FACTS[marker]
    if marker == "her2" and (graded := _her2_grade(observation)) is not None:
        if graded == "equivocal":
            text = "HER2 2+ needs in-situ hybridisation to be positive, low or negative"
            reading.problem("marker-equivocal", text, ref, "Observation.value")
            return
        reading.state(fact(name, graded, ref, effective_day(observation)))
        return
    outcome = _outcome(observation)
    if outcome is None:
        reading.problem("marker-not-told", f"{name}: the result is not understood", ref, "Observation.value")
        return
    words = words_of(str(observation.get("valueString") or ""), observation.get("valueCodeableConcept"))
    codes = {c.code for c in codings(observation.get("code"))}
    if (
        marker == "braf_v600"
        and outcome
        and codes <= _BRAF_ANY
        and "v600" not in words
        and "val600" not in words
    ):
        text = "A BRAF mutation is reported whose codon is not told; V600 is not assumed"
        reading.problem("codon-not-told", text, ref, "Observation.value")
        return
    reading.state(fact(name, yes if outcome else no, ref, effective_day(observation)))


def _her2_grade(observation: Resource) -> str | None:
    """HER2 by immunohistochemistry score: 3+ positive, 1+ low, 0 negative, 2+ needs another test."""
    words = (
        f"{observation.get('valueString') or ''} {words_of(observation.get('valueCodeableConcept'))}".lower()
    )
    for sign, meaning in (("3+", "positive"), ("2+", "equivocal"), ("1+", "low"), ("her2-low", "low")):
        if sign in words:
            return meaning
    compact = f" {words.strip()} "
    if any(sign in compact for sign in (" her2 low ", " low ")):
        return "low"
    return "equivocal" if " equivocal " in compact else None


def _variant(reading: Reading, observation: Resource) -> None:
    """A GenomicVariant: the genes (a fusion has two), whether it was found, and what kind of change it is."""
    parts: list[tuple[str, Resource]] = [
        (coding.code, component)
        for component in items(observation.get("component"))
        if isinstance(component, dict)
        for coding in codings(component.get("code"))
    ]
    said = [(code, codings(part.get("valueCodeableConcept"))) for code, part in parts]
    if any(coding.code == _GERMLINE for code, given in said if code == _ORIGIN for coding in given):
        return
    found = [value_set("genes").match(given) for code, given in said if code == _GENE]
    markers = dict.fromkeys(_GENES[gene.id] for gene in found if gene is not None and gene.id in _GENES)
    outcome = _outcome(observation)
    if outcome is None:
        return
    words = words_of(
        *(part.get("valueCodeableConcept") for _, part in parts),
        *(str(part.get("valueString") or "") for _, part in parts),
        *(observation.get("interpretation") or ()),
        str(observation.get("valueString") or ""),
    )
    for marker in markers:
        _altered(reading, observation, marker, _does_not_count(marker, words) if outcome else _NOT_FOUND)


def _altered(reading: Reading, observation: Resource, marker: str, against: str) -> None:
    """State that the gene is altered, or say why the variant does not show it."""
    (name, yes, _no), ref = _FACTS[marker], reference_to(observation)
    if against:
        reading.problem("variant-not-conclusive", f"{name}: {against}", ref, "Observation.component")
        return
    reading.state(fact(name, yes, ref, effective_day(observation), stated=False, certainty="likely"))


def _does_not_count(marker: str, words: str) -> str:
    """Why a variant found in a gene does not settle its marker; nothing where it does."""
    if marker == "braf_v600" and "v600" not in words and "val600" not in words:
        return "the variant is not told to be at codon 600"
    if marker in ("alk", "ros1") and not any(word in words for word in _STRUCTURAL_WORDS):
        return "the variant is not told to be a rearrangement"
    if marker == "her2" and not any(word in words for word in (" amplification ", " amplified ", " gain ")):
        return "a variant of ERBB2 that is not an amplification does not make HER2 positive"
    return ""


def _tumour_proportion(reading: Reading, observation: Resource) -> None:
    """PD-L1 as percent of tumour cells; presence alone is no proportion."""
    quantity = observation.get("valueQuantity")
    if not isinstance(quantity, dict) or quantity.get("comparator"):
        return
    value, ref = quantity.get("value"), reference_to(observation)
    written = str(quantity.get("code") or quantity.get("unit") or "%")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    percent = units.convert(float(value), written, "%")
    codes = {c.code for c in codings(observation.get("code"))}
    if _TPS not in codes or percent is None or not 0 <= percent <= 100:
        reading.problem(
            "unit-does-not-fit", "PD-L1 is not given as percent of tumour cells", ref, "Observation.value"
        )
        return
    reading.state(fact("pdl1_tps_pct", percent, ref, effective_day(observation)))


def _breast_subtype(reading: Reading, receptors: Mapping[str, list[tuple[Resource, bool]]]) -> None:
    """The subtype as Breast GPA 2020 divides them: by hormone receptors and HER2, each in its newest test."""
    her2 = [f for f in reading.facts if f.name == "molecular.HER2" and f.value in _HER2_TOLD]
    newest = [max(tests, key=_recency) for tests in receptors.values()]
    hormone = any(positive for _, positive in newest)
    if not her2 or not newest or not (hormone or len(newest) == len(_RECEPTORS)):
        return
    overexpressed = max(her2, key=lambda f: (f.on or dt.date.min, f.source))
    subtype = _SUBTYPES[hormone, overexpressed.value == "positive"]
    told = [(effective_day(test), reference_to(test)) for test, _ in newest]
    on, ref = max(
        [*told, (overexpressed.on, overexpressed.source)], key=lambda t: (t[0] or dt.date.min, t[1])
    )
    receptor = "positive" if hormone else "negative"
    reason = f"The hormone receptors are {receptor} and HER2 is {overexpressed.value}."
    reading.read.update(ref for _, ref in told)
    reading.infer("breast_subtype", subtype, ref, on, why=reason)


def _recency(test: tuple[Resource, bool]) -> tuple[dt.date, str]:
    return effective_day(test[0]) or dt.date.min, reference_to(test[0])
