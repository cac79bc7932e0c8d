"""What a lane of the picture is drawn with. A mark says in words what it shows and where that was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

UNDATED = "day not known"
Shape = Literal["bar", "dot", "diamond", "line", "text", "rule"]


@dataclass(frozen=True)
class Mark:
    """One drawn thing. `x` and `y` are its left and top (a dot's centre); `look` names its style; `points`
    are those of a line. `says` is its tooltip.
    """

    shape: Shape
    look: str
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0
    points: str = ""
    says: str = ""
    text: str = ""
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True)
class Event:
    """A row of the table that tells the same in words. `sources` are FHIR references."""

    kind: str
    what: str
    first: str
    last: str
    sources: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The words of the tooltip: what, when, and where it was read."""
        when = self.first if self.last in ("", self.first) else f"{self.first} to {self.last}"
        return f"{self.what}, {when}. Source: {', '.join(self.sources) or 'worked out by Isodose'}"


@dataclass
class Lane:
    """One row of the picture, `height` high; marks are placed from its top."""

    label: str
    height: int
    marks: list[Mark] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    note: str = ""
    heading: str = ""
    y: int = 0
