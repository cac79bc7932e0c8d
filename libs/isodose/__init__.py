"""Isodose: decision support for stereotactic radiosurgery of brain metastases."""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
"""httpx loads its own command line where it can, and with it rich and pygments: a fifth of the start."""
