"""CDS Hooks 2.0: discovery, calls answered from prefetch, feedback, and how findings read on a card."""

from isodose.cds_hooks.discovery import discovery_router
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch, discovery
from isodose.cds_hooks.models import Action, Card, Coding, Feedback, Link, Source, Suggestion
from isodose.cds_hooks.router import cds_router

__all__ = [
    "Action",
    "Card",
    "CdsService",
    "Coding",
    "Feedback",
    "HookCall",
    "Link",
    "Prefetch",
    "Source",
    "Suggestion",
    "cds_router",
    "discovery",
    "discovery_router",
]
