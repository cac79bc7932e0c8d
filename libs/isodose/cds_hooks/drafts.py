"""Draft orders to which the EHR has given no id yet: each gets a name that holds for one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from isodose.cds_hooks.hook import HookCall

_OURS = "unnamed-draft-"


def with_named_drafts(call: HookCall) -> HookCall:
    """`call` in which every draft has an id, among its resources too."""
    named = {
        id(draft): {**draft, "id": f"{_OURS}{place}"}
        for place, draft in enumerate(call.drafts)
        if not draft.get("id")
    }
    if not named:
        return call
    return replace(
        call,
        drafts=tuple(named.get(id(draft), draft) for draft in call.drafts),
        resources=tuple(named.get(id(resource), resource) for resource in call.resources),
    )


def is_named_here(draft: Mapping[str, Any]) -> bool:
    """Whether the id of a draft was made for the call, so that the EHR does not know it."""
    return str(draft.get("id")).startswith(_OURS)
