"""A stored result made again from what it was decided on, and what made it what it is.

The archive tells which decision stood when a version was written, and keeps what that one was made on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from isodose.assessment.decider import Decider, Decision, decide, digest
from isodose.assessment.differences import Difference, differences
from isodose.assessment.handlers import WITHDRAWN
from isodose.assessment.withdrawal import because, reason
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Entry, Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.earlier import Earlier
from isodose.fhir.resources import dump, instant, with_meta
from isodose.fhir.stored import Stored
from isodose.storage.archive import Basis
from isodose.work import Work

Json = dict[str, Any]
_CODE = re.compile(r"[A-Z][A-Za-z0-9-]*[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of how one version of a result came about.

    `outcome`: it was made again to the byte (`same`); that decision no longer concluded it and withdrew it,
    to the byte (`withdrawn`); what is made again is not what is stored (`differs`, with `differences`, or the
    `reason` where nothing is concluded); or nothing can be made again (`not-derived`, with the `reason`).
    `findings` are those the result names, or all that are met where it names none; `evidence` are the entries
    it names that no rule judges. `digest_holds` tells whether all findings and options together are those
    of that decision; None where nothing can be made again.
    """

    result: str
    service: str
    basis: Basis
    outcome: Literal["same", "withdrawn", "differs", "not-derived"] = "not-derived"
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    findings: tuple[Finding, ...] = ()
    evidence: tuple[tuple[str, Entry], ...] = ()
    digest_holds: bool | None = None


def explain(
    work: Work, decider: Decider, type: str, id: str, version: str | None = None
) -> Explanation | None:
    """How the service of `decider` came to a result, in its version `version` or the current one; only reads.

    None where it stored no such result about a patient. Raises `FhirError` 404 for an unknown version.
    """
    current = work.resources.get(type, id)
    if current is None or current.origin != "result" or current.patient_id is None:
        return None
    stored = work.resources.vread(type, id, version or str(current.version))
    bases = work.archive.bases(decider.service, current.patient_id, instant(stored.last_updated))
    if not bases:
        return None
    basis = bases[0]
    told = Explanation(f"{stored.reference}/_history/{stored.version}", decider.service, basis)
    record = work.archive.record(basis.patient_id, basis.record_version)
    if record is None:
        return replace(told, reason=f"Record version {basis.record_version} is not kept here.")
    known, reason = _knowledge(work, decider, basis.knowledge_version)
    if known is None:
        return replace(told, reason=reason)
    decision = decide(replace(decider, knowledge=known), record, basis.on)
    then = replace(work, resources=Earlier(work.conn, work.resources.base, stored))
    concluded = decider.carry(then, decision.resources, basis.on)
    findings, evidence = _named(stored, decision, known)
    holds = digest(decision) == basis.digest
    told = replace(told, findings=findings, evidence=evidence, digest_holds=holds)
    why = _why_withdrawn(work, bases, record)
    return _compared(then, told, stored, concluded, why)


def _knowledge(work: Work, decider: Decider, version: str) -> tuple[Knowledge | None, str]:
    """The knowledge of that version, or why there is none."""
    if decider.knowledge.version == version:
        return decider.knowledge, ""
    kept = work.archive.knowledge(decider.service, version)
    if kept is None:
        return None, f"Knowledge version {version} is not kept here."
    known = decider.knowledge.restored(kept)
    if known.version != version:
        beside = "what stands beside its entries (trials, working calendar) is another in this release"
        return None, f"Knowledge version {version} cannot be restored: {beside}."
    return known, ""


def _why_withdrawn(work: Work, bases: Sequence[Basis], record: PatientRecord) -> str:
    """The reason that is given where this decision withdraws a result that the one before concluded."""
    on = bases[0].on
    if len(bases) == 1:
        return reason(None, record, (on, on), anew=False)
    last = bases[1]
    before = work.archive.record(last.patient_id, last.record_version)
    anew = last.knowledge_version != bases[0].knowledge_version
    return reason(before, record, (last.on, on), anew=anew)


def _compared(
    then: Work, told: Explanation, stored: Stored, concluded: Iterable[Json], why: str
) -> Explanation:
    again = next((r for r in concluded if (r["resourceType"], r["id"]) == (stored.type, stored.id)), None)
    withdrawn = again is None
    if again is None:
        again = _withdrawn(then, stored, why, told.basis.on)
    if again is None and stored.version > 1 and stored.resource().get("status") == WITHDRAWN.get(stored.type):
        return replace(told, reason="It was withdrawn; the version before it is not kept here.")
    if again is None:
        return replace(told, outcome="differs", reason="The decision, made again, does not conclude it.")
    again_stored = with_meta(dump(again), stored.id, stored.version, stored.last_updated)
    if again_stored == stored.body:
        return replace(told, outcome="withdrawn" if withdrawn else "same")
    where = differences(stored.resource(), orjson.loads(again_stored), stored.type)
    return replace(told, outcome="differs", differences=tuple(where))


def _withdrawn(then: Work, stored: Stored, why: str, on: dt.date) -> Json | None:
    """The version before, in its final status; None where the result cannot be withdrawn."""
    before, status = then.resources.get(stored.type, stored.id), WITHDRAWN.get(stored.type)
    if before is None or before.deleted or status is None:
        return None
    resource = before.resource()
    resource.pop("meta", None)
    return because(resource | {"status": status}, why, on)


def _named(
    stored: Stored, decision: Decision, known: Knowledge
) -> tuple[tuple[Finding, ...], tuple[tuple[str, Entry], ...]]:
    named = set(_CODE.findall(stored.body.decode())) & known.entries.keys()
    findings = tuple(finding for finding in decision.findings if finding.code in named)
    met = tuple(finding for finding in decision.findings if finding.verdict == "met")
    judged = {finding.code for finding in decision.findings}
    evidence = tuple((code, known.entry(code)) for code in sorted(named - judged))
    return findings or met, evidence
