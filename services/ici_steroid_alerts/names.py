"""By what an alert is known: one key per pair and reason, and the name of the card that shows it.

A card's name tells its rule, its drugs, how grave it was and the pair. So the feedback of CDS Hooks, which
brings the name alone, can be counted by rule and held against what the alert has become, and no card needs to
be written down when it is shown. The name is a UUID of version 8 (RFC 9562); the patient is in it as a hash.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from ici_steroid_alerts.alert import Alert

_VERSION = 8
_VARIANT = 0b10


@dataclass(frozen=True, slots=True)
class CardName:
    """What a card's name tells. `thread` is the same whatever drugs and gravity: one per rule and pair."""

    rule: int
    drugs: int
    level: int
    pair: int

    @property
    def thread(self) -> str:
        return f"{self.rule:08x}-{self.pair:016x}"

    @property
    def uuid(self) -> uuid.UUID:
        number = (self.rule << 16 | self.drugs >> 8) << 80
        number |= _VERSION << 76 | (self.level << 8 | self.drugs & 0xFF) << 64
        number |= _VARIANT << 62 | self.pair
        return uuid.UUID(int=number)


def key_of(alert: Alert, patient_id: str) -> str:
    """The stable key of the DetectedIssue: one per patient, reason and other end of the pair."""
    return "/".join(filter(None, ("ici_steroid_alerts", patient_id, alert.code, alert.about)))


def card_name(alert: Alert, patient_id: str) -> CardName:
    """The name under which this alert, as it stands, is shown."""
    return CardName(
        rule=rule_mark(alert.code),
        drugs=_hashed("+".join(sorted(set(alert.drugs))), 24),
        level=alert.level,
        pair=_hashed(key_of(alert, patient_id), 62),
    )


def rule_mark(code: str) -> int:
    """How an entry is written in a card's name."""
    return _hashed(code, 32)


def name_in(written: str) -> CardName | None:
    """What the name of a card tells; None where it is not one of ours."""
    try:
        number = uuid.UUID(written).int
    except ValueError:
        return None
    if number >> 76 & 0xF != _VERSION or number >> 62 & 0b11 != _VARIANT:
        return None
    middle = number >> 64 & 0xFFF
    return CardName(
        rule=number >> 96,
        drugs=(number >> 80 & 0xFFFF) << 8 | middle & 0xFF,
        level=middle >> 8,
        pair=number & (1 << 62) - 1,
    )


def _hashed(text: str, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 64 - bits
