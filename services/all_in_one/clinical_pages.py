"""The two pages that account for the clinical content: what became of every entry, and what awaits sign-off.

`python -m all_in_one.clinical_pages` writes both into docs/.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import msgspec
import yaml

import are_surveillance.decision
import are_surveillance.knowledge
import eligibility_scoring.decision
import eligibility_scoring.knowledge
import ici_steroid_alerts.decision
import ici_steroid_alerts.knowledge
from eligibility_scoring.trials.catalogue import Trial, catalogue, is_registered
from isodose.clinical.knowledge import Entry, Knowledge

_COVERAGE = """# Clinical coverage

What became of every entry of the catalogue (the review) and of the supplement (other literature). A **rule**
judges each patient; **evidence** is shown beside the findings named; what a computer cannot evaluate is
listed with the reason.

Written by `python -m all_in_one.clinical_pages`; a test holds it to the code and to the list of ids.

| section | entries | rule | evidence | not computable | open |
|---|---|---|---|---|---|"""

_SIGN_OFF = """# What awaits clinical sign-off

Nobody with clinical responsibility has approved the content as a whole. This page lists what needs it first:
entries that are built and off, and figures that were recalled, not read in their source. Those figures say so
wherever they are shown.

Written by `python -m all_in_one.clinical_pages`; a test holds it to the knowledge.

## Built and off

`ISODOSE_KNOWLEDGE_ENABLE=ID,...` turns entries on.

| id | in | statement |
|---|---|---|"""

_SERVICES: Mapping[str, tuple[ModuleType, ModuleType]] = {
    "eligibility_scoring": (eligibility_scoring.decision, eligibility_scoring.knowledge),
    "are_surveillance": (are_surveillance.decision, are_surveillance.knowledge),
    "ici_steroid_alerts": (ici_steroid_alerts.decision, ici_steroid_alerts.knowledge),
}


class Ids(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ids of the specification by section. `notes` are remarks about entries, shown on those."""

    catalogue: dict[str, tuple[str, ...]]
    supplement: dict[str, tuple[str, ...]]
    trials: tuple[str, ...]
    notes: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one entry in one service: `how` is rule, evidence or not computable."""

    service: str
    how: str
    note: str
    entry: Entry


@cache
def ids() -> Ids:
    text = files("isodose.clinical").joinpath("catalogue_ids.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Ids)


@cache
def knowledge() -> dict[str, Knowledge]:
    """The knowledge of each decision service, by its name."""
    return {name: module.load() for name, (_, module) in _SERVICES.items()}


def rules() -> dict[str, frozenset[str]]:
    """The codes that each decision service judges."""
    return {
        name: frozenset(rule.code for rule in decision.RULES) for name, (decision, _) in _SERVICES.items()
    }


@cache
def accounts() -> dict[str, list[Account]]:
    """By id, what became of the entry; an id that is missing here is not accounted for."""
    found: dict[str, list[Account]] = {}
    judged = rules()
    for service, known in knowledge().items():
        for code, entry in known.entries.items():
            account = _account(service, code, entry, judged[service])
            if account is not None:
                found.setdefault(code, []).append(account)
    return found


def _account(service: str, code: str, entry: Entry, judged: frozenset[str]) -> Account | None:
    if code in judged:
        return Account(service, "rule", "" if entry.enabled else "built, off by default", entry)
    if entry.not_computable:
        return Account(service, "not computable", entry.not_computable, entry)
    if entry.shown_with:
        return Account(service, "evidence", f"with {', '.join(entry.shown_with)}", entry)
    return None


def noted() -> set[str]:
    """The ids of remarks (suspected errors, corrections) that some entry or trial shows."""
    entries = [entry for known in knowledge().values() for entry in known.entries.values()]
    texts = [text for e in entries for text in (e.suspect, e.conflicts, e.boundary, e.caution, e.derived)]
    texts += [trial.suspect for trial in catalogue().trials.values()]
    shown = " ".join(texts)
    return set(re.findall(r"\b(?:SUS|COR)-\d+\b", shown))


def coverage() -> str:
    """docs/clinical-coverage.md."""
    found = accounts()
    every = [*ids().catalogue.items(), *ids().supplement.items()]
    lines = [
        _COVERAGE,
        *(_counts(section, codes, found) for section, codes in every),
    ]
    for section, codes in every:
        lines += ["", f"## {_title(section)}", "", "| id | how | in | note |", "|---|---|---|---|"]
        lines += [row for code in codes for row in _rows(code, found.get(code, []))]
    lines += _trials()
    lines += ["", "## Suspected errors and corrections", ""]
    lines += ["Remarks about entries: each is shown on the entries it concerns.", ""]
    shown = noted()
    for section, codes in ids().notes.items():
        absent = [code for code in codes if code not in shown]
        lines.append(f"- {_title(section)}: {len(codes) - len(absent)} of {len(codes)} shown.")
        lines += [f"  Not shown: {', '.join(absent)}."] if absent else []
    return "\n".join([*lines, ""])


def _trials() -> Iterator[str]:
    """Every trial of the review: matched to patients, or to nobody and why."""
    known = catalogue().trials
    closed = sum(bool(known[code].closed) for code in ids().trials if code in known)
    yield from ("", "## Trials", "")
    yield (
        f"{len(ids().trials)} trials and studies are named in the review: "
        f"{len(known) - closed} are matched to patients by the criteria that it prints, {closed} to nobody, "
        "for the reason given."
    )
    yield from ("", "| trial | name | matched | status in the review |", "|---|---|---|---|")
    for code in ids().trials:
        if code not in known:
            yield f"| {code} | | **open** | |"
            continue
        trial = known[code]
        number = code if is_registered(code) else "none printed"
        yield f"| {number} | {_cell(trial.name)} | {_cell(trial.closed) or 'yes'} | {_cell(_status(trial))} |"


def _status(trial: Trial) -> str:
    return f"{trial.status}; {trial.status_note}" if trial.status_note else trial.status


def _counts(section: str, codes: tuple[str, ...], found: Mapping[str, list[Account]]) -> str:
    by = {
        how: sum(_how(found.get(c, [])) == how for c in codes)
        for how in ("rule", "evidence", "not computable", "")
    }
    return f"| {_title(section)} | {len(codes)} | " + " | ".join(str(n) for n in by.values()) + " |"


def _how(of_entry: list[Account]) -> str:
    """The most that some service makes of it."""
    present = {account.how for account in of_entry}
    return next((how for how in ("rule", "evidence", "not computable") if how in present), "")


def _rows(code: str, of_entry: list[Account]) -> Iterator[str]:
    if not of_entry:
        yield f"| {code} | **open** | | |"
    for account in of_entry:
        yield f"| {code} | {account.how} | {account.service} | {_cell(account.note)} |"


def sign_off() -> str:
    """docs/knowledge-sign-off.md."""
    lines = [_SIGN_OFF]
    every = [
        (service, code, e) for service, k in knowledge().items() for code, e in sorted(k.entries.items())
    ]
    lines += [f"| {code} | {service} | {_cell(e.statement)} |" for service, code, e in every if not e.enabled]
    lines += [
        "",
        "## Figures not seen in their source",
        "",
        "| id | in | source | figure |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {code} | {service} | {_cell(source.cite)} | {_cell(source.figure)} |"
        for service, code, entry in every
        for source in entry.evidence
        if source.seen == "memory"
    ]
    return "\n".join([*lines, ""])


def _title(section: str) -> str:
    return section.replace("_", " ").capitalize()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"clinical-coverage.md": coverage, "knowledge-sign-off.md": sign_off}


def write(folder: Path) -> None:
    """Write both pages into `folder`."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
