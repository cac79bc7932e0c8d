"""Puts derived facts on the subjects they are about, so that rules find them where stated facts stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from isodose.clinical.record import Fact, PatientRecord, Scope, Subject

Key = tuple[Scope, str]
Derived = tuple[Scope, str, Fact]
"""The scope and the reference of the subject a fact belongs to (patient: empty), and the fact."""


def attach(
    record: PatientRecord, derived: Iterable[Derived], wanted: Mapping[Key, tuple[str, ...]]
) -> PatientRecord:
    """`record` with the facts on their subjects, beside what is stated there: that still comes first.

    `wanted` are subjects that shall exist, with their links. Where the record keeps the facts of a scope on a
    subject without reference, the facts of a single new subject join it, and none is made beside it.
    """
    own: list[Fact] = []
    new: dict[Key, list[Fact]] = {key: [] for key in wanted}
    for scope, ref, fact in derived:
        if scope == "patient":
            own.append(fact)
        else:
            new.setdefault((scope, ref), []).append(fact)
    nameless = {s.scope for s in record.subjects if not s.ref}
    for scope in nameless:
        refs = [key for key in new if key[0] == scope]
        facts = [new.pop(key) for key in refs]
        if len(facts) == 1:
            new[(scope, "")] = facts[0]
    subjects = [_with(s, new.pop((s.scope, s.ref), []), wanted) for s in record.subjects]
    subjects.extend(
        _with(Subject(ref=ref, scope=scope), facts, wanted) for (scope, ref), facts in sorted(new.items())
    )
    return msgspec.structs.replace(record, facts=(*record.facts, *own), subjects=tuple(subjects))


def _with(subject: Subject, derived: list[Fact], wanted: Mapping[Key, tuple[str, ...]]) -> Subject:
    links = wanted.get((subject.scope, subject.ref), ())
    if not derived and not links:
        return subject
    return msgspec.structs.replace(
        subject,
        facts=(*subject.facts, *derived),
        links=(*subject.links, *(ref for ref in links if ref not in subject.links)),
    )
