"""The topic that others may subscribe to: new guidance for a patient.

A decision on a patient made, changed or withdrew results. The focus of an event is the Patient, its
additional context are the results that differ. R4 has no SubscriptionTopic: a topic is its address, told
in the
CapabilityStatement. https://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics
"""

from __future__ import annotations


def topic_url(base: str) -> str:
    return f"{base}/SubscriptionTopic/new-guidance"
