"""Codes and what they mean: value sets of concepts, matched on system and code, never on a display.

A drug given only as text is matched by its name, and says so. https://hl7.org/fhir/R4/terminologies.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import msgspec

from isodose.clinical.record import Certainty
from isodose.clinical.written import parsed


class Coding(NamedTuple):
    """A code in a code system; `system` is the short name of code_systems.yaml or else the URI."""

    system: str
    code: str


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code of a concept. `match` is False for a code that looks right and must not match;
    `verified` tells whether the pair of code and meaning was read in a public file or is from memory.
    """

    system: str
    code: str
    verified: Literal["yes", "memory"]
    source: str
    says: str = ""
    note: str = ""
    match: bool = True


class Concept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meaning with all its codes. `prefixes` are ICD-10-CM categories, `names` what text may call it."""

    display: str
    role: str
    codes: tuple[Code, ...] = ()
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    histology: str = ""
    value: int | None = None
    caution: str = ""
    id: str = ""


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    title: str
    purpose: str
    sources: dict[str, str]
    concepts: dict[str, Concept]
    notes: tuple[str, ...] = ()


class ValueSet:
    """The concepts of one file, found by code."""

    def __init__(self, content: _Content) -> None:
        self.name = content.name
        self.title = content.title
        self.purpose = content.purpose
        self.notes = content.notes
        self.sources = content.sources
        self.concepts: Mapping[str, Concept] = {
            key: msgspec.structs.replace(concept, id=key) for key, concept in content.concepts.items()
        }
        self._codes: dict[Coding, Concept] = {}
        self._refused: dict[Coding, Concept] = {}
        self._prefixes: dict[str, Concept] = {}
        for concept in self.concepts.values():
            for code in concept.codes:
                target = self._codes if code.match else self._refused
                target[Coding(code.system, code.code)] = concept
            for prefix in concept.prefixes:
                self._prefixes[prefix] = concept

    def get(self, coding: Coding) -> Concept | None:
        """The concept of one code. ICD-10-CM codes also match by their category; HCPCS level I is CPT."""
        found = self._codes.get(coding)
        if found is not None or coding in self._refused:
            return found
        if coding.system == "icd10cm":
            for length in (6, 5, 4, 3):
                if (found := self._prefixes.get(coding.code[:length])) is not None:
                    return found
        elif coding.system == "hcpcs" and coding.code[:1].isdigit():
            return self._codes.get(Coding("cpt", coding.code))
        return None

    def match(self, codings: Iterable[Coding]) -> Concept | None:
        """The concept of the first of `codings` that has one here."""
        for coding in codings:
            if concept := self.get(coding):
                return concept
        return None

    def matches(self, codings: Iterable[Coding]) -> list[Concept]:
        """Every concept that `codings` have here, each once."""
        return list({c.id: c for coding in codings if (c := self.get(coding))}.values())

    def refused(self, codings: Iterable[Coding]) -> Concept | None:
        """The concept whose look-alike code, one that must not match, is among `codings`."""
        return next((concept for coding in codings if (concept := self._refused.get(coding))), None)

    def codes(self) -> Iterable[tuple[Concept, Code]]:
        return ((concept, code) for concept in self.concepts.values() for code in concept.codes)


VALUE_SETS = (
    "adverse_radiation_effects",
    "antibody_drug_conjugates",
    "bevacizumab",
    "body_sites",
    "braf_mek_inhibitors",
    "brain_imaging",
    "comorbidities",
    "contrast_agents",
    "corticosteroids",
    "disease_status",
    "genes",
    "hospice",
    "immune_checkpoint_inhibitors",
    "labs",
    "metastases",
    "morphologies",
    "mri_safety",
    "neurological_findings",
    "neurosurgery",
    "other_anticancer_drugs",
    "performance_status",
    "pregnancy",
    "primary_brain_tumours",
    "primary_cancers",
    "prior_treatment",
    "radiosurgery",
    "radiotherapy",
    "refusals",
    "site_qualifiers",
    "stage_groups",
    "steroid_toxicity",
    "supportive_drugs",
    "tumour_markers",
    "tumour_measurements",
    "tyrosine_kinase_inhibitors",
)
DRUG_SETS = (
    "immune_checkpoint_inhibitors",
    "corticosteroids",
    "antibody_drug_conjugates",
    "bevacizumab",
    "tyrosine_kinase_inhibitors",
    "braf_mek_inhibitors",
    "other_anticancer_drugs",
    "supportive_drugs",
)


@cache
def value_set(name: str) -> ValueSet:
    """The value set of that name. Raises `FileNotFoundError` where there is none."""
    text = files("isodose.clinical.value_sets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return ValueSet(msgspec.convert(parsed(text), _Content))


def load_all() -> None:
    """Read every value set now, so that the first patient does not wait for it."""
    for name in VALUE_SETS:
        value_set(name)
    _drugs()


@cache
def _system_names() -> dict[str, str]:
    text = files("isodose.clinical").joinpath("code_systems.yaml").read_text(encoding="utf-8")
    return {uri: name for name, uris in parsed(text).items() for uri in uris}


def official_uri(system: str) -> str:
    """The official URI of a code system by its short name; another URI is its own."""
    return next((uri for uri, name in _system_names().items() if name == system), system)


@lru_cache(maxsize=16384)
def coding(system: str, code: str) -> Coding:
    """`code` under the short name of its system, written the one way the value sets write it."""
    short = _system_names().get(system) or _system_names().get(system.partition("|")[0].rstrip("/"), system)
    code = code.strip()
    if short == "hgnc" and not code.startswith("HGNC:"):
        code = f"HGNC:{code}"
    elif short in ("icd10cm", "icdo3") and "." not in code and "/" not in code and len(code) > 3:
        code = f"{code[:3]}.{code[3:]}"
    elif short.startswith("http://snomed.info/sct/"):
        short = "snomed"
    elif short == "ndc":
        code = _eleven_digits(code)
    return Coding(short, code)


def _eleven_digits(ndc: str) -> str:
    """A National Drug Code in its billing form: labeler, product and package of 5, 4 and 2 digits."""
    parts = ndc.split("-")
    if len(parts) != 3:
        return ndc
    return "".join(part.rjust(width, "0") for part, width in zip(parts, (5, 4, 2), strict=True))


def codings(*concepts: Any) -> list[Coding]:
    """The codings of FHIR CodeableConcepts, or lists of them, in order; what is no coding is left out."""
    found: list[Coding] = []
    for concept in concepts:
        if isinstance(concept, list):
            found.extend(codings(*concept))
        elif isinstance(concept, dict):
            for item in concept.get("coding") or ():
                if isinstance(item, dict) and isinstance(code := item.get("code"), str):
                    system = item.get("system")
                    found.append(coding(system if isinstance(system, str) else "", code))
    return found


def words_of(*concepts: Any) -> str:
    """What FHIR CodeableConcepts say in words: text and displays, lower case, words parted by single spaces
    and with a space at both ends, so that `" brain " in words_of(...)` asks for a word.
    """
    parts: list[str] = []
    for concept in concepts:
        if isinstance(concept, str):
            parts.append(concept)
        elif isinstance(concept, list):
            parts.append(words_of(*concept))
        elif isinstance(concept, dict):
            parts.append(str(concept.get("text") or ""))
            parts.extend(
                str(c.get("display") or "") for c in concept.get("coding") or () if isinstance(c, dict)
            )
    joined = " ".join(parts).lower()
    return f" {' '.join(joined.translate(_TO_SPACE).split())} "


_TO_SPACE = {ord(sign): " " for sign in "-/,;:()[]+.&|_'\"\n\t"}


class Drug(NamedTuple):
    """A drug as recognised. `local_code` is a code that stands for a form which does not act systemically."""

    concept: Concept
    certainty: Certainty
    local_code: str = ""


class _DrugIndex(NamedTuple):
    codes: dict[Coding, Concept]
    says: dict[Coding, str]
    local: dict[Coding, Concept]
    names: dict[str, list[tuple[tuple[str, ...], Concept]]]


@cache
def _drugs() -> _DrugIndex:
    index = _DrugIndex({}, {}, {}, {})
    for name in DRUG_SETS:
        for concept in value_set(name).concepts.values():
            for code in concept.codes:
                (index.codes if code.match else index.local)[Coding(code.system, code.code)] = concept
                if code.says:
                    index.says[Coding(code.system, code.code)] = code.says
            for phrase in concept.names:
                words = tuple(phrase.split())
                index.names.setdefault(words[0], []).append((words, concept))
    for phrases in index.names.values():
        phrases.sort(key=lambda entry: -len(entry[0]))
    return index


def drugs(given: Sequence[Coding], words: str = "") -> list[Drug]:
    """The drugs that a medication names: by code where one is known, else by name in its words (`words_of`).

    Several where the medication is a combination; both ingredients of nivolumab and relatlimab are the
    one combination.
    """
    index = _drugs()
    found = {c.id: Drug(c, "sure") for coding in given if (c := index.codes.get(coding))}
    for coding in given:
        if (local := index.local.get(coding)) and local.id not in found:
            found[local.id] = Drug(local, "sure", coding.code)
    if not found and words:
        found = {concept.id: Drug(concept, "likely") for concept in _named(words.split(), index)}
    if Coding("hcpcs", "J9316") in given:
        pertuzumab = value_set("other_anticancer_drugs").concepts["pertuzumab"]
        found.setdefault("pertuzumab", Drug(pertuzumab, "sure"))
    if {"nivolumab", "relatlimab"} <= found.keys():
        certainty = found.pop("nivolumab").certainty
        found.pop("relatlimab")
        both = value_set("immune_checkpoint_inhibitors").concepts["nivolumab_relatlimab"]
        found[both.id] = Drug(both, certainty)
    return [found[key] for key in sorted(found)]


def product_names(given: Iterable[Coding]) -> list[str]:
    """What the code tables call the products among `given`, strength included where the code tells it."""
    says = _drugs().says
    return [says[coding] for coding in given if coding in says]


def _named(words: list[str], index: _DrugIndex) -> list[Concept]:
    """Concepts named in `words`, the longest name first: trastuzumab emtansine is not trastuzumab."""
    found: list[Concept] = []
    position = 0
    while position < len(words):
        step = 1
        for phrase, concept in index.names.get(words[position], ()):
            if tuple(words[position : position + len(phrase)]) == phrase:
                found.append(concept)
                step = len(phrase)
                break
        position += step
    return found
