"""The resources of one patient, put in order and indexed, and the record being written from them.

A reader takes what it understands from the `Chart` and adds it to the `Reading`; oddities are Problems.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from isodose.clinical import facts
from isodose.clinical.record import (
    Certainty,
    Course,
    Exposure,
    Fact,
    FactScalar,
    Operation,
    Problem,
    Scan,
    Scope,
    Subject,
)
from isodose.clinical.terminology import Coding, codings, words_of
from isodose.fhir.links import merges, survivors

Resource = Mapping[str, Any]
RESULT_SYSTEM_END = "/NamingSystem/result"
FACT_SYSTEM_END = "/CodeSystem/fact"
FACT_VALUE_SYSTEM_END = "/CodeSystem/fact-value"


def reference_to(resource: Resource) -> str:
    """`Type/id`; the type alone where the resource has no id yet."""
    kind, identity = resource.get("resourceType", ""), resource.get("id")
    return f"{kind}/{identity}" if isinstance(identity, str) and identity else str(kind)


def target_of(reference: Any) -> str:
    """`Type/id` of a FHIR Reference, without server and version; `urn:` and `#` references as written."""
    written = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(written, str):
        return ""
    if written.startswith(("urn:", "#")):
        return written
    parts = written.partition("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:])


def targets_of(references: Any) -> list[str]:
    """`target_of` each Reference in a list."""
    return [ref for item in items(references) if (ref := target_of(item))]


def items(value: Any) -> list[Any]:
    """A list as it is; a single value as a list; nothing as an empty one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def extensions(element: Resource, url_end: str) -> Iterator[dict[str, Any]]:
    """The extensions of `element` whose url ends with `url_end`."""
    for extension in element.get("extension") or ():
        if isinstance(extension, dict) and str(extension.get("url", "")).endswith(url_end):
            yield extension


class Chart:
    """What came in: each resource once, by type, sorted by id: the order of arrival does not matter."""

    def __init__(self, patient_id: str, resources: Iterable[Resource]) -> None:
        self.patient_id = patient_id
        given = list(_each_once(resources))
        self.also = _merged_into(patient_id, (resource for _, resource in given))
        self.merged: list[str] = []
        self.by_ref: dict[str, Resource] = {}
        self.of_other_patients: list[str] = []
        self._by_type: dict[str, list[Resource]] = {}
        self._codes: dict[int, list[Coding]] = {}
        self._words: dict[int, str] = {}
        mine = f"Patient/{patient_id}"
        for ref, resource in given:
            if resource.get("identifier") is not None and _is_result(resource):
                continue
            if self.also and resource.get("resourceType") == "Patient" and resource.get("id") in self.also:
                self.merged.append(ref)
                continue
            if self._is_of_another(resource, mine):
                self.of_other_patients.append(ref)
                continue
            self._by_type.setdefault(str(resource.get("resourceType", "")), []).append(resource)
            self.by_ref[ref] = resource

    def of(self, kind: str) -> list[Resource]:
        """The resources of one type that are not entered in error."""
        return [r for r in self._by_type.get(kind, ()) if r.get("status") != "entered-in-error"]

    def codes(self, resource: Resource) -> list[Coding]:
        """The codings of `resource.code`, worked out once however many readers ask."""
        key = id(resource)
        if key not in self._codes:
            self._codes[key] = codings(resource.get("code"))
        return self._codes[key]

    def words(self, resource: Resource) -> str:
        """The words of `resource.code`, worked out once."""
        key = id(resource)
        if key not in self._words:
            self._words[key] = words_of(resource.get("code"))
        return self._words[key]

    def at(self, owner: Resource, reference: Any) -> Resource | None:
        """The resource that `reference`, found in `owner`, points to, contained ones included."""
        target = target_of(reference)
        if target.startswith("#"):
            contained = owner.get("contained") or ()
            return next((c for c in contained if isinstance(c, dict) and f"#{c.get('id')}" == target), None)
        return self.by_ref.get(target)

    def _is_of_another(self, resource: Resource, mine: str) -> bool:
        if not self.patient_id:
            return False
        if resource.get("resourceType") == "Patient":
            return resource.get("id") not in (None, self.patient_id)
        holder = resource.get("subject") or resource.get("patient")
        if isinstance(holder, dict) and holder.get("reference") == mine:
            return False
        kind, _, identity = target_of(holder).partition("/")
        return kind == "Patient" and identity != self.patient_id and identity not in self.also


def _each_once(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    """Each resource with its reference, in the order of the references."""
    by_ref: dict[str, list[Resource]] = {}
    for resource in resources:
        if isinstance(resource, Mapping):
            by_ref.setdefault(reference_to(resource), []).append(resource)
    for ref in sorted(by_ref):
        same = by_ref[ref]
        if "/" in ref:
            yield ref, same[0] if len(same) == 1 else max(same, key=_recency)
        else:
            yield from _named_by_place(same)


def _named_by_place(same: list[Resource]) -> Iterator[tuple[str, Resource]]:
    """Resources without an id, such as drafts, get one by their place, so that none hides another."""
    written = {orjson.dumps(r, option=orjson.OPT_SORT_KEYS): r for r in same}
    for number, key in enumerate(sorted(written), start=1):
        named = {**written[key], "id": f"unnamed-{number}"}
        yield reference_to(named), named


def _recency(resource: Resource) -> tuple[int, str, bytes]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    version = str(meta.get("versionId", ""))
    number = int(version) if version.isdigit() else -1
    return number, str(meta.get("lastUpdated", "")), orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)


def _merged_into(patient_id: str, resources: Iterable[Resource]) -> frozenset[str]:
    """Patients whose record is this one's now, as the Patients among the resources say."""
    people = [r for r in resources if r.get("resourceType") == "Patient" and r.get("id")]
    if not patient_id or not any(person.get("link") for person in people):
        return frozenset()
    links = [link for person in people for link in merges(person, "")]
    known = survivors(links, [str(person["id"]) for person in people])
    return frozenset(one for one, survivor in known.items() if survivor == patient_id)


def _is_result(resource: Resource) -> bool:
    return any(
        isinstance(i, dict) and str(i.get("system", "")).endswith(RESULT_SYSTEM_END)
        for i in items(resource.get("identifier"))
    )


class Reading:
    """The record as far as it is read."""

    def __init__(self) -> None:
        self.facts: set[Fact] = set()
        self.courses: list[Course] = []
        self.exposures: list[Exposure] = []
        self.scans: list[Scan] = []
        self.operations: list[Operation] = []
        self.problems: set[Problem] = set()
        self.read: set[str] = set()
        self.aliases: dict[str, str] = {}
        self._labels: dict[tuple[Scope, str], str] = {}
        self._facts: dict[tuple[Scope, str], set[Fact]] = {}
        self._links: dict[tuple[Scope, str], set[str]] = {}

    def problem(self, code: str, text: str, source: str, expression: str = "") -> None:
        self.problems.add(Problem(code=code, text=text, source=source, expression=expression))
        self.read.add(source)

    def subject(self, scope: Scope, ref: str, label: str = "", links: Iterable[str] = ()) -> None:
        """Make sure that the record has this subject; a label given first stays."""
        key = (scope, ref)
        if label or key not in self._labels:
            self._labels[key] = self._labels.get(key) or label
        self._facts.setdefault(key, set())
        self._links.setdefault(key, set()).update(link for link in links if link)

    def refs(self, scope: Scope) -> list[str]:
        return sorted(ref for kind, ref in self._facts if kind == scope)

    def state(self, fact: Fact, scope: Scope = "patient", ref: str = "") -> None:
        """Add a fact about the patient, or about the subject `ref`."""
        self.read.add(fact.source)
        if scope == "patient":
            self.facts.add(fact)
            return
        ref = self.aliases.get(ref, ref)
        self.subject(scope, ref)
        self._facts[scope, ref].add(fact)

    def infer(
        self,
        name: str,
        value: FactScalar,
        source: str,
        on: dt.date | None,
        *,
        why: str,
        certainty: Certainty = "likely",
    ) -> None:
        """Add a fact about the patient that nobody states but that follows from the resource `source`."""
        self.state(fact(name, value, source, on, certainty=certainty, stated=False, reasons=(why,)))

    def subjects(self) -> tuple[Subject, ...]:
        return tuple(
            Subject(
                ref=ref,
                scope=scope,
                label=self._told_apart(scope, ref),
                facts=in_order(self._facts[scope, ref]),
                links=tuple(sorted({self.aliases.get(k, k) for k in self._links[scope, ref]})),
            )
            for scope, ref in sorted(self._facts)
        )

    def _told_apart(self, scope: Scope, ref: str) -> str:
        """The label, with the id of the resource where another subject of the scope has the same one."""
        label = self._labels.get((scope, ref), "")
        alike = sum(scope == kind and label == other for (kind, _), other in self._labels.items())
        return f"{label} ({ref.rpartition('/')[2]})" if scope == "lesion" and label and alike > 1 else label


def in_order(given: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple(sorted(given, key=lambda f: (f.name, f.on or dt.date.min, f.source, repr(f))))


def fact(
    name: str,
    value: FactScalar,
    source: str,
    on: dt.date | None = None,
    *,
    certainty: Certainty = "sure",
    stated: bool = True,
    reasons: Iterable[str] = (),
) -> Fact:
    """A fact of the vocabulary with the unit the vocabulary gives it."""
    return Fact(
        name=name,
        value=value,
        unit=facts.definition(name).unit,
        on=on,
        source=source,
        certainty=certainty,
        stated=stated,
        reasons=tuple(reasons),
    )
