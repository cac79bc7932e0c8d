"""What became of a card is taken in, also many at once and again."""

from __future__ import annotations

from typing import Any

import pytest

OVERRIDDEN = {
    "card": "9368d37b-283f-44a0-93ea-547cebab93ed",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-11-23T10:05:31Z",
}


def test_feedback_reaches_the_sink_with_the_id_of_its_service(desk: Any) -> None:
    accepted = {**OVERRIDDEN, "outcome": "accepted", "acceptedSuggestions": [{"id": "s1"}]}
    answer = desk.post("view/feedback", {"feedback": [OVERRIDDEN, accepted]})
    assert answer.status_code == 200
    [(service, batch)] = desk.feedback
    assert service == "view"
    assert [given.outcome for given in batch] == ["overridden", "accepted"]


def test_feedback_on_an_unknown_service_is_404(desk: Any) -> None:
    assert desk.post("nobody/feedback", {"feedback": [OVERRIDDEN]}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"feedback": []},
        {"feedback": [{**OVERRIDDEN, "outcome": "ignored"}]},
        {"feedback": [{**OVERRIDDEN, "outcome": "accepted"}]},
        {"feedback": [{**OVERRIDDEN, "outcomeTimestamp": "yesterday"}]},
        {"feedback": [{**OVERRIDDEN, "outcomeTimestamp": "2026-11-23T10:05:31"}]},
        {"feedback": [{k: v for k, v in OVERRIDDEN.items() if k != "card"}]},
        {"feedback": [{**OVERRIDDEN, "outcomeTimestamp": 1764000000}]},
        {"feedback": [{**OVERRIDDEN, "card": "a\u0000b"}]},
        {"feedback": [{**OVERRIDDEN, "card": "x" * 65}]},
    ],
)
def test_malformed_feedback_is_400_and_kept_by_nobody(desk: Any, body: dict[str, Any]) -> None:
    assert desk.post("view/feedback", body).status_code == 400
    assert desk.feedback == []


@pytest.mark.parametrize(
    ("changed", "expression", "said"),
    [
        ({"outcome": "ignored"}, "feedback[1].outcome", "must be 'accepted' or 'overridden'."),
        (
            {"outcome": "accepted"},
            "feedback[1].acceptedSuggestions",
            "is required where the outcome is accepted; name them.",
        ),
        (
            {"outcomeTimestamp": "2026-02-30T10:00:00Z"},
            "feedback[1].outcomeTimestamp",
            "must be a time with its zone, such as 2026-11-23T10:00:00Z.",
        ),
        ({"overrideReason": "x"}, "feedback[1].overrideReason", "must be a JSON object."),
    ],
)
def test_what_is_wrong_with_feedback_is_said_once_and_in_plain_words(
    desk: Any, changed: dict[str, Any], expression: str, said: str
) -> None:
    answer = desk.post("view/feedback", {"feedback": [OVERRIDDEN, OVERRIDDEN | changed]})
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == [expression]
    assert issue["diagnostics"] == f"{expression} {said}"


def test_of_a_list_with_one_wrong_item_only_that_is_said(desk: Any) -> None:
    answer = desk.post("view/feedback", {"feedback": [OVERRIDDEN | {"outcome": "ignored"}]})
    assert [issue["expression"] for issue in answer.json()["issue"]] == [["feedback[0].outcome"]]
