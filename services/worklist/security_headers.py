"""What browsers are told about the pages: no script and no style from within a page, no frame, no referrer.

https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""For every answer of the worklist."""
KEPT_BY_NOBODY = {"cache-control": "no-store"}
"""For every answer about patients."""
