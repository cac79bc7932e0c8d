"""Which events make the service decide again."""

from __future__ import annotations

from collections.abc import Mapping

from ici_steroid_alerts.answering import on_card_feedback
from isodose import assessment
from isodose.assessment import Decider
from isodose.events.consumer import Handler


def handlers(decider: Decider) -> Mapping[str, Handler]:
    """A changed record, a new day for the patients whose answer may differ on it, an answer to a card."""
    return {**assessment.handlers(decider), "isodose.card-feedback.v1": on_card_feedback(decider)}
