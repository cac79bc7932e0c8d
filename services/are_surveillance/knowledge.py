"""The knowledge of this service, as dated and cited data, and what the site that uses it has chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from are_surveillance.todo import TITLE, Kind
from are_surveillance.working_days import EVERY_DAY, WorkingDays
from isodose.clinical.knowledge import Entry, Knowledge, KnowledgeError
from isodose.clinical.knowledge import load as load_package

LONGEST_VERSION = 64
"""Characters that the tables have for the version of a knowledge."""

NO_POLICY: Mapping[Kind, int] = {}


class SiteKnowledge(Knowledge):
    """All entries, the calendar to whose working days windows move, and the site's days for kinds of tasks.

    The version tells all of it.
    """

    def __init__(
        self, known: Knowledge, working_days: WorkingDays, task_days: Mapping[Kind, int] = NO_POLICY
    ) -> None:
        super().__init__(known.entries, [code for code in known.entries if known.is_enabled(code)])
        chosen = [working_days.name, *(f"{kind}={days}" for kind, days in sorted(task_days.items()))]
        self.version = _version(known.version, "-".join(chosen))
        self._known = known
        self.working_days = working_days
        self.task_days = task_days

    def text(self) -> bytes:
        return self._known.text()

    def holding(self, entries: Mapping[str, Entry], enable: Iterable[str] | None = None) -> Knowledge:
        return SiteKnowledge(self._known.holding(entries, enable), self.working_days, self.task_days)


def _version(known: str, site: str) -> str:
    """Both in words where the databases have room for them, else the site's part as a digest."""
    told = f"{known}-{site}"
    return (
        told if len(told) <= LONGEST_VERSION else f"{known}-{hashlib.sha256(site.encode()).hexdigest()[:16]}"
    )


def load(
    enable: Iterable[str] = (),
    working_days: WorkingDays = EVERY_DAY,
    task_days: Mapping[str, int] | None = None,
) -> Knowledge:
    """All entries of this service. Raises `KnowledgeError` where a file does not validate, and for days of a
    kind of task that there is not.
    """
    known = load_package("are_surveillance", enable)
    given = task_days or {}
    if strange := sorted(set(given) - set(TITLE)):
        raise KnowledgeError(f"there is no kind of task {', '.join(strange)}: known are {', '.join(TITLE)}")
    chosen = {kind: given[kind] for kind in TITLE if kind in given}
    return SiteKnowledge(known, working_days, chosen) if working_days.name or chosen else known


def working_days(knowledge: Knowledge) -> WorkingDays:
    """The working days that `knowledge` was loaded with; every day where none were given."""
    return knowledge.working_days if isinstance(knowledge, SiteKnowledge) else EVERY_DAY


def task_days(knowledge: Knowledge) -> Mapping[Kind, int]:
    """By kind of task, the days that the site allows where no source gives a day."""
    return knowledge.task_days if isinstance(knowledge, SiteKnowledge) else NO_POLICY
