"""Commands about decisions over time: what changed knowledge would change, and how a result came about."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from all_in_one.commands.speaking import (
    databases,
    day_or_fail,
    fail,
    known,
    say,
    service_or_fail,
    settings_or_fail,
)
from all_in_one.composition import DECIDING
from isodose.assessment import Decider
from isodose.assessment.comparison import Change, changed_entries
from isodose.assessment.explanation import Explanation, explain
from isodose.assessment.replay import Replayed, replay
from isodose.clinical.finding import Citation, Finding
from isodose.clinical.knowledge import Entry, Knowledge, KnowledgeError, entries_in
from isodose.fhir.errors import FhirError
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.work import work_at

Deciding = Annotated[str, typer.Argument(help="a decision service by name; empty: each one")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, a line for each patient or result")]


def replay_knowledge(
    service: Deciding = "all",
    *,
    knowledge: Annotated[
        Path, typer.Option(help="a knowledge file, changed; its entries take the place of theirs")
    ],
    since: Annotated[str, typer.Option(metavar="DATE", help="patients last decided on since that day")],
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="decide for this day; today by default")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide again with changed knowledge and tell who would get another answer, and why. Writes nothing."""
    settings = settings_or_fail()
    first, day = day_or_fail(since), day_or_fail(on) or settings.today()
    assert first is not None
    for decider, changed, database in _changed(service, settings, knowledge):
        told = []
        for one in replay(database, decider, changed, first, day):
            told.append(one)
            if one.changes:
                _tell_patient(decider.service, one, as_json)
        if not as_json:
            _sum_up(decider, changed, told, first, day)


def explain_result(
    result: Annotated[str, typer.Argument(help="a stored result, as Type/id or Type/id/_history/VERSION")],
    service: Deciding = "all",
    *,
    as_json: AsJson = False,
) -> None:
    """Make a result again from its record, knowledge and day, and tell what it rests on. Writes nothing."""
    type, _, rest = result.partition("/")
    id, _, version = rest.partition("/_history/")
    if not type or not id:
        fail(f"{result} is not a result; write it as Type/id or Type/id/_history/VERSION", code=2)
    try:
        found = _explained(service, type, id, version or None)
    except FhirError as error:
        fail(*(issue.diagnostics for issue in error.issues))
    if found is None:
        fail(f"no decision that is kept here stored {type}/{id} as a result about a patient")
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        _tell_result(found)
    if found.outcome not in ("same", "withdrawn") or found.digest_holds is False:
        raise typer.Exit(1)


def _explained(service: str, type: str, id: str, version: str | None) -> Explanation | None:
    for decider, settings in _deciding(service, settings_or_fail()):
        for _, database in databases(decider.service):
            with database.read() as conn:
                work = work_at(f"{settings.public_url}/fhir")(conn)
                found = explain(work, decider, type, id, version)
            if found is not None:
                return found
    return None


def _deciding(service: str, settings: Settings) -> Iterator[tuple[Decider, Settings]]:
    if service != "all" and known(service) not in DECIDING:
        fail(f"{service} decides nothing; the decision services are {', '.join(DECIDING)}")
    for name in DECIDING if service == "all" else (service,):
        made = service_or_fail(name, settings)
        assert made.decider is not None
        yield made.decider, settings.for_service(name, made.port)


def _changed(service: str, settings: Settings, file: Path) -> Iterator[tuple[Decider, Knowledge, Database]]:
    """The services that know entries of the file, with their knowledge as it would be."""
    try:
        entries = entries_in(file)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except KnowledgeError as error:
        fail(f"the knowledge does not validate: {error}")
    deciders = [decider for decider, _ in _deciding(service, settings)]
    unheard = sorted(entries.keys() - {code for one in deciders for code in one.knowledge.entries})
    if unheard:
        fail(f"{file.name}: {', '.join(unheard)} stands in no knowledge here, so no rule judges it")
    for decider in deciders:
        ours = {code: entry for code, entry in entries.items() if code in decider.knowledge.entries}
        if ours:
            changed = decider.knowledge.holding({**decider.knowledge.entries, **ours})
            for _, database in databases(decider.service):
                yield decider, changed, database


def _tell_patient(service: str, one: Replayed, as_json: bool) -> None:
    if as_json:
        typer.echo(
            msgspec.json.encode(
                {"service": service, "patient": one.patient_id, "changes": one.changes}
            ).decode()
        )
        return
    say(one.patient_id)
    for change in one.changes:
        becomes = f"{change.before or 'absent'} -> {change.after or 'absent'}"
        say(f"  {change.kind} {change.name}: {becomes}{_why(change)}")


def _why(change: Change) -> str:
    return f" ({', '.join(change.because)})" if change.because else ""


def _sum_up(
    decider: Decider, changed: Knowledge, told: Sequence[Replayed], since: dt.date, on: dt.date
) -> None:
    entries = sorted(changed_entries(decider.knowledge, changed))
    other = [one for one in told if one.changes]
    words = sum(one.reworded for one in told if not one.changes)
    say(
        f"{decider.service}: {len(other)} of {len(told)} patients decided on since {since} would get another "
        f"answer on {on}, {words} the same in other words"
    )
    say(f"changed entries: {', '.join(entries) or 'none'}")
    by_entry = Counter(
        code for one in other for code in {c for change in one.changes for c in change.because}
    )
    for code, count in by_entry.most_common():
        say(f"  {code}: {count} patients")
    for code in entries:
        for day in _later(decider.knowledge.entries.get(code), changed.entries[code], on):
            say(f"  {code} has values in force from {day}: see them with --on {day}")


def _later(before: Entry | None, after: Entry, on: dt.date) -> list[dt.date]:
    """The days after `on` from which a value of the changed entry is in force that was not there before."""
    there = [value for dated in before.values.values() for value in dated] if before else []
    new = [value for dated in after.values.values() for value in dated if value not in there]
    return sorted({value.valid_from for value in new if value.valid_from > on})


def _tell_result(told: Explanation) -> None:
    basis = told.basis
    say(f"{told.result}, by {told.service}")
    record = f"version {basis.record_version} of the record of Patient/{basis.patient_id}"
    say(f"decided for {basis.on} on {record}, knowledge {basis.knowledge_version}")
    say(_OUTCOME[told.outcome] + (f": {told.reason}" if told.reason else ""))
    for one in told.differences:
        say(f"  {one.path}: stored {_short(one.stored)}, made again {_short(one.again)}")
    if told.digest_holds is not None:
        holds = "the same" if told.digest_holds else "NOT the same"
        say(f"all findings and options of that decision: {holds}")
    for finding in told.findings:
        _tell_finding(finding)
    for code, entry in told.evidence:
        say(f"{code}, evidence: {entry.statement}")
        _tell_sources(entry.evidence)


_OUTCOME = {
    "same": "made again: the same to the byte",
    "withdrawn": "made again: no longer concluded, withdrawn as stored, to the byte",
    "differs": "made again: NOT the same",
    "not-derived": "not made again",
}


def _tell_finding(finding: Finding) -> None:
    about = f" [{finding.applies_to}]" if finding.applies_to else ""
    say(f"{finding.code}{about}, {finding.verdict}: {finding.summary}")
    for fact in finding.facts:
        source = f", {fact.source}" if fact.source else ""
        say(
            f"  fact {fact.name} = {fact.value}{fact.unit and ' '}{fact.unit}, {fact.on or 'no date'}{source}"
        )
    if finding.missing:
        say(f"  not known: {', '.join(finding.missing)}")
    _tell_sources(finding.sources)


def _tell_sources(sources: Sequence[Citation]) -> None:
    for source in sources:
        awaits = " (awaits clinical sign-off)" if source.seen == "memory" else ""
        say(f"  source {source.cite}{': ' + source.figure if source.figure else ''}{awaits}")


def _short(value: Any) -> str:
    text = "nothing" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else f"{text[:197]}..."
