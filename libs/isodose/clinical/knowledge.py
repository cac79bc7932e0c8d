"""Clinical knowledge as data: dated values, statements and citations, read from YAML into frozen models.

A knowledge file holds `entries`, keyed by catalogue id. Every number a rule uses stands under `values` as a
list of dated values; a superseded value stays, with the day it ended. No expressions: rules are code.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import yaml

from isodose.clinical.finding import Citation, Severity, Strength
from isodose.clinical.written import parsed

_DAYS_KEPT = 50
"""Of so many decision days the values in force are kept ready."""


class KnowledgeError(Exception):
    """A knowledge file does not validate; a service refuses to start with it."""


class DatedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"valid_from": "from"}):
    """A value in force from `from` (inclusive) until `until` (exclusive), if it ended. `value` is a number, a
    string, a list or a table; `unit` is UCUM; `note` says where the figure stands when the entry has many.
    """

    valid_from: dt.date
    value: Any
    until: dt.date | None = None
    unit: str = ""
    note: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One catalogue entry in our words. `met`, `not_met` are short sentences for that verdict; `statement`
    serves where they are left out. `{value}` in `met` stands for what the rule yields, and `met_as` has a
    sentence of its own for each label it may yield; `unit` is UCUM, of a number it yields. `enabled: false`
    is built and tested but not run unless a setting says so.

    An entry that no rule judges is evidence beside the findings or options named in `shown_with`, or says in
    `not_computable` why a computer cannot evaluate it.
    """

    statement: str
    strength: Strength
    evidence: tuple[Citation, ...]
    met: str = ""
    not_met: str = ""
    met_as: dict[str, str] = {}
    unit: str = ""
    action: str = ""
    boundary: str = ""
    conflicts: str = ""
    suspect: str = ""
    derived: str = ""
    caution: str = ""
    where: str = ""
    severity: Severity | None = None
    enabled: bool = True
    shown_with: tuple[str, ...] = ()
    not_computable: str = ""
    values: dict[str, tuple[DatedValue, ...]] = {}


class Stated(msgspec.Struct, frozen=True):
    """An entry as findings state it: in words for met and not met, with the ids of the evidence beside it."""

    entry: Entry
    met: str
    not_met: str
    beside: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entries: dict[str, Entry]


class Values(dict[str, Any]):
    """The values of one entry in force on one day: `k["kps_below"]`.

    A day before the first value is judged by the first value: looking back, nothing older is known. All
    decisions of a day share them: they are never changed.
    """

    def __init__(self, code: str, entry: Entry, on: dt.date) -> None:
        super().__init__()
        self._code = code
        for name, dated in entry.values.items():
            first = min(dated, key=lambda v: v.valid_from)
            day = max(on, first.valid_from)
            for value in dated:
                if value.valid_from <= day and (value.until is None or day < value.until):
                    self[name] = value.value

    def __missing__(self, name: str) -> Any:
        raise KnowledgeError(f"{self._code} has no value '{name}' in force on the decision day")


class Knowledge:
    """All entries of one service. `version` changes with any change of content or of what is enabled;
    `also` is the version of what decisions rest on beside the entries.
    """

    def __init__(self, entries: Mapping[str, Entry], enable: Iterable[str] = (), also: str = "") -> None:
        self.entries = dict(entries)
        self._enabled = frozenset(enable)
        self._also = also
        unheard = self._enabled - self.entries.keys()
        if unheard:
            raise KnowledgeError(f"cannot enable unknown entries: {', '.join(sorted(unheard))}")
        content = msgspec.json.encode([self.entries, sorted(self._enabled), also], order="deterministic")
        self.version = hashlib.sha256(content).hexdigest()[:16]
        self._is_enabled = {code: e.enabled or code in self._enabled for code, e in self.entries.items()}
        self._values: dict[dt.date, dict[str, Values]] = {}
        beside: dict[str, list[str]] = {}
        for code, entry in self.entries.items():
            for shown_with in entry.shown_with if self.is_enabled(code) else ():
                beside.setdefault(shown_with, []).append(code)
        self._evidence = {code: tuple(sorted(shown)) for code, shown in beside.items()}
        self._stated = {code: self._worded(code, entry) for code, entry in self.entries.items()}

    def text(self) -> bytes:
        """The entries, in their order, and what is enabled, as JSON: what `restored` takes."""
        return msgspec.json.encode([self.entries, sorted(self._enabled)])

    def restored(self, text: bytes) -> Knowledge:
        """The knowledge that `text` was made of; what stands beside the entries is that of today, and where
        it was another then, the version is another too.
        """
        entries, enabled = msgspec.json.decode(text, type=tuple[dict[str, Entry], list[str]])
        return self.holding(entries, enabled)

    def holding(self, entries: Mapping[str, Entry], enable: Iterable[str] | None = None) -> Knowledge:
        """The same with these entries; what is enabled stays unless told."""
        return Knowledge(entries, self._enabled if enable is None else enable, self._also)

    def is_enabled(self, code: str) -> bool:
        return self._is_enabled[code]

    def evidence_for(self, code: str) -> tuple[str, ...]:
        """The enabled entries that stand as evidence beside the finding or option `code`, by id."""
        return self._evidence.get(code, ())

    def stated(self, code: str) -> Stated:
        try:
            return self._stated[code]
        except KeyError:
            raise KnowledgeError(f"no knowledge entry {code}") from None

    def values(self, code: str, on: dt.date) -> Values:
        of_day = self._values.get(on)
        if of_day is None:
            if len(self._values) > _DAYS_KEPT:
                self._values.clear()
            of_day = self._values[on] = {}
        found = of_day.get(code)
        if found is None:
            found = of_day[code] = Values(code, self.entries[code], on)
        return found

    def entry(self, code: str) -> Entry:
        try:
            return self.entries[code]
        except KeyError:
            raise KnowledgeError(f"no knowledge entry {code}") from None

    def _worded(self, code: str, entry: Entry) -> Stated:
        return Stated(
            entry=entry,
            met=entry.met or entry.statement,
            not_met=entry.not_met or f"Does not apply: {entry.statement}",
            beside=self.evidence_for(code),
        )


def load(package: str, enable: Iterable[str] = (), also: str = "") -> Knowledge:
    """The knowledge in all YAML files of `package`/knowledge. Raises `KnowledgeError` naming the file."""
    entries: dict[str, Entry] = {}
    for file in sorted(files(package).joinpath("knowledge").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            for code, entry in entries_in(file).items():
                if code in entries:
                    raise KnowledgeError(f"{file.name}: {code} is defined twice")
                entries[code] = entry
    if not entries:
        raise KnowledgeError(f"{package} has no knowledge")
    return Knowledge(entries, enable, also)


def entries_in(file: Traversable) -> dict[str, Entry]:
    """The entries of one knowledge file. Raises `KnowledgeError` naming the file."""
    try:
        content = msgspec.convert(parsed(file.read_text(encoding="utf-8")), _File)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise KnowledgeError(f"{file.name}: {error}") from error
    for code, entry in content.entries.items():
        if not entry.evidence:
            raise KnowledgeError(f"{file.name}: {code} cites no source")
        if entry.not_computable and (entry.shown_with or entry.values):
            raise KnowledgeError(f"{file.name}: {code} is not computable, yet has values or is shown")
        for name, dated in entry.values.items():
            _check_periods(f"{file.name}: {code}.{name}", dated)
    return content.entries


def _check_periods(place: str, dated: tuple[DatedValue, ...]) -> None:
    if not dated:
        raise KnowledgeError(f"{place} has no value")
    ordered = sorted(dated, key=lambda v: v.valid_from)
    for earlier, later in itertools.pairwise(ordered):
        if earlier.until is None or earlier.until > later.valid_from:
            raise KnowledgeError(f"{place}: the value from {earlier.valid_from} overlaps the next one")
