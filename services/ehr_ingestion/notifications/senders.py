"""Who may send notifications: who knows a secret of ours, or has a token that may write anything."""

from __future__ import annotations

import hmac
import re
from pathlib import Path

from isodose.fhir.errors import FhirError, Issue
from isodose.security.callers import Caller
from isodose.security.gate import Gate, GateError
from isodose.security.tokens import BadTokenError

SHORTEST = 16
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)


class Senders:
    """Judges the Authorization header of a notification."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._secrets = secrets_in(gate.settings.notification_secret_file)

    def admit(self, authorization: str | None) -> Caller | None:
        """The caller where a token names one. Raises 401, 403."""
        found = _BEARER.fullmatch((authorization or "").strip())
        given = found[1].encode() if found else b""
        if any(hmac.compare_digest(given, one) for one in self._secrets):
            return None
        if not self._gate.closed and not self._secrets:
            return None
        if found is None or not self._gate.closed:
            raise _refused(401, "login", "A notification needs the secret that its Subscription was given.")
        try:
            caller = self._gate.callers.recognise(found[1])
        except BadTokenError as error:
            raise _refused(
                401, "login", f"This is no secret and no token that holds here: {error}."
            ) from None
        if not any(g.covers("u", "*") and g.patient is None and not g.query for g in caller.access.grants):
            raise _refused(403, "forbidden", "The access token does not allow to write every type.")
        return caller


def secrets_in(file: Path | None) -> tuple[bytes, ...]:
    """The secrets of the file, one a line. Raises `GateError` for a file without one that is long enough."""
    if file is None:
        return ()
    try:
        lines = tuple(line.strip() for line in file.read_bytes().splitlines() if line.strip())
    except OSError as error:
        raise GateError(f"{file}: {error.strerror}") from error
    if not lines or min(map(len, lines)) < SHORTEST:
        raise GateError(f"{file} needs secrets of at least {SHORTEST} characters, one a line")
    return lines


def _refused(status: int, code: str, said: str) -> FhirError:
    return FhirError(status, [Issue(code, said)])
