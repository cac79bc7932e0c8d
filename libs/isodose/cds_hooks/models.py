"""The JSON of CDS Hooks: what a card may say, what a call and its feedback must hold.

Specification: https://cds-hooks.hl7.org/2.0/. Members we do not know, `extension` among them, are tolerated
on the way in; on the way out nothing is null or empty except `cards` itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, LiteralString, Self
from uuid import UUID

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

SUMMARY_LIMIT = 140
"""A summary has fewer characters than this."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Summary = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=SUMMARY_LIMIT - 1)]
_URL, _ID, _CARD = r"^https?://[^\s]+$", r"^[A-Za-z0-9\-.]{1,64}$", r"^[!-~]{1,64}$"
Url = Annotated[str, StringConstraints(pattern=_URL)]
FhirId = Annotated[str, StringConstraints(pattern=_ID)]
CardName = Annotated[str, StringConstraints(pattern=_CARD)]
PATTERNS = {
    _URL: "must be an absolute http or https address",
    _ID: "must be the bare id of the patient, without `Patient/`",
    _CARD: "must be the uuid of the card",
}
"""What a text must be that has to fit one of these patterns."""
Indicator = Literal["info", "warning", "critical"]


class Answer(BaseModel):
    """Base of everything we send: frozen, and a member we misspell is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Coding(Answer):
    code: Text
    system: Text
    display: Text | None = None


class OverrideReason(Answer):
    """A reason a clinician may pick for not following the card; unlike other codings it needs a `display`."""

    code: Text
    system: Text
    display: Text


class Source(Answer):
    label: Text
    url: Url | None = None
    icon: Url | None = None
    topic: Coding | None = None


class Link(Answer):
    """A link beside the card. `appContext` goes with a SMART link only."""

    label: Text
    url: Url
    type: Literal["absolute", "smart"] = "absolute"
    app_context: Text | None = None

    @model_validator(mode="after")
    def _context_belongs_to_smart(self) -> Self:
        if self.app_context is not None and self.type != "smart":
            raise ValueError("appContext goes with a link of type smart only")
        return self


class Action(Answer):
    """One FHIR write that a suggestion proposes: the whole resource, or the reference of what to delete."""

    type: Literal["create", "update", "delete"]
    description: Text
    resource: dict[str, Any] | None = None
    resource_id: Text | None = None

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        if self.type == "delete":
            if self.resource_id is None or self.resource is not None:
                raise ValueError("a delete names a resourceId and carries no resource")
        elif self.resource is None or "resourceType" not in self.resource:
            raise ValueError(f"{self.type} carries the whole resource")
        for path in empty_values(self.resource) if self.resource is not None else ():
            raise ValueError(f"the resource has an empty value at {path}")
        return self


class Suggestion(Answer):
    label: Text
    uuid: UUID | None = None
    is_recommended: bool | None = None
    actions: tuple[Action, ...] = ()


class Card(Answer):
    """One thing to act on. Without `uuid` no feedback can name it; `cards.card` derives a stable one."""

    summary: Summary
    indicator: Indicator
    source: Source
    uuid: UUID | None = None
    detail: Text | None = None
    suggestions: tuple[Suggestion, ...] = ()
    selection_behavior: Literal["at-most-one", "any"] | None = None
    override_reasons: tuple[OverrideReason, ...] = ()
    links: tuple[Link, ...] = ()

    @model_validator(mode="after")
    def _says_how_suggestions_are_picked(self) -> Self:
        if self.suggestions and self.selection_behavior is None:
            raise ValueError("a card with suggestions says selectionBehavior")
        recommended = sum(bool(s.is_recommended) for s in self.suggestions)
        if self.selection_behavior == "at-most-one" and recommended > 1:
            raise ValueError("at-most-one allows one recommended suggestion")
        return self


def encode_cards(cards: Sequence[Card]) -> bytes:
    """The body of a response. `cards` is there even when empty: that is how no advice is said."""
    return orjson.dumps(
        {"cards": [_without_empty(card.model_dump(exclude_none=True, by_alias=True)) for card in cards]}
    )


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        if "resourceType" in value:
            return value
        slim = {name: _without_empty(member) for name, member in value.items()}
        return {name: member for name, member in slim.items() if member not in ("", (), [], {})}
    if isinstance(value, list | tuple):
        return [_without_empty(member) for member in value]
    return value


def empty_values(value: Any, path: str = "$") -> Iterator[str]:
    """The paths of every null, empty string, empty array and empty object in `value`."""
    if value is None or value in ("", [], {}):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from empty_values(member, f"{path}.{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from empty_values(member, f"{path}[{index}]")


def _required(member: str, said: LiteralString) -> PydanticCustomError:
    return PydanticCustomError("required", said, {"member": (member,)})


def _written(instant: Any) -> Any:
    """A time is text; as a number it would be taken for seconds since 1970."""
    if not isinstance(instant, str):
        raise PydanticCustomError("datetime_type", "not a text")
    return instant


class Received(BaseModel):
    """Base of everything we are sent: unknown members are tolerated, as the specification asks."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class FhirAuthorization(Received):
    """Access to the EHR's FHIR server for this one call. The token never shows in a repr or a log."""

    model_config = ConfigDict(alias_generator=None)

    access_token: SecretStr = Field(min_length=1)
    token_type: Literal["Bearer"]
    expires_in: int = Field(gt=0)
    scope: str
    subject: str
    patient: FhirId | None = None


class HookRequest(Received):
    """The envelope of a call. `context` and `prefetch` are judged by the hook and by prefetch."""

    hook: Text
    hook_instance: UUID
    context: dict[str, Any]
    fhir_server: Url | None = None
    fhir_authorization: FhirAuthorization | None = None
    prefetch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _authorization_names_a_server(self) -> Self:
        if self.fhir_authorization is not None and self.fhir_server is None:
            raise _required("fhirServer", "is required beside fhirAuthorization; add it")
        return self


class AcceptedSuggestion(Received):
    id: Text


class GivenCoding(Received):
    code: Text
    system: Text | None = None
    display: str | None = None


class GivenReason(Received):
    reason: GivenCoding | None = None
    user_comment: str | None = None


class Feedback(Received):
    """What became of one card. `userComment` is free text and may tell about the patient: never logged."""

    card: CardName
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: Annotated[AwareDatetime, BeforeValidator(_written)]
    accepted_suggestions: tuple[AcceptedSuggestion, ...] = ()
    override_reason: GivenReason | None = None

    @model_validator(mode="after")
    def _acceptance_names_suggestions(self) -> Self:
        if self.outcome == "accepted" and not self.accepted_suggestions:
            raise _required("acceptedSuggestions", "is required where the outcome is accepted; name them")
        return self


class FeedbackBatch(Received):
    feedback: tuple[Feedback, ...] = Field(min_length=1)
