"""The knowledge of this service, as dated and cited data, and the working days of the site that uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from are_surveillance.working_days import EVERY_DAY, WorkingDays
from isodose.clinical.knowledge import Entry, Knowledge
from isodose.clinical.knowledge import load as load_package


class SiteKnowledge(Knowledge):
    """All entries, and the calendar to whose working days windows move; the version tells both."""

    def __init__(self, known: Knowledge, working_days: WorkingDays) -> None:
        super().__init__(known.entries, [code for code in known.entries if known.is_enabled(code)])
        self._known = known
        self.version = f"{known.version}-{working_days.name}"
        self.working_days = working_days

    def text(self) -> bytes:
        return self._known.text()

    def holding(self, entries: Mapping[str, Entry], enable: Iterable[str] | None = None) -> Knowledge:
        return SiteKnowledge(self._known.holding(entries, enable), self.working_days)


def load(enable: Iterable[str] = (), working_days: WorkingDays = EVERY_DAY) -> Knowledge:
    """All entries of this service. Raises `KnowledgeError` where a file does not validate."""
    known = load_package("are_surveillance", enable)
    return SiteKnowledge(known, working_days) if working_days.name else known


def working_days(knowledge: Knowledge) -> WorkingDays:
    """The working days that `knowledge` was loaded with; every day where none were given."""
    return knowledge.working_days if isinstance(knowledge, SiteKnowledge) else EVERY_DAY
