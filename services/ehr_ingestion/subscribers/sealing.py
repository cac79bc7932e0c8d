"""The headers of Subscriptions are secrets of others: sealed in the database with a key that is not in it.

https://cryptography.io/en/latest/fernet/#cryptography.fernet.MultiFernet
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ehr_ingestion.notifications.senders import secrets_in
from ehr_ingestion.subscribers.asking import Asked, origin_of
from isodose.settings import Settings

_USE = b"isodose: headers of Subscriptions"


class SealedError(Exception):
    """Headers that no key here opens, or that were sealed for another address."""


class Sealing:
    """Seals with the first key and opens with any; without a key, headers are kept as they are."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        keys = [Fernet(_key(secret)) for secret in secrets]
        self._keys = MultiFernet(keys) if keys else None

    def sealed(self, asked: Asked) -> Asked:
        """The same with its headers sealed, for the origin of its endpoint alone."""
        headers = self.opened(asked)
        if self._keys is None or not headers:
            return replace(asked, headers=headers)
        text = orjson.dumps([origin_of(asked.endpoint), headers])
        return replace(asked, headers=self._keys.encrypt(text).decode())

    def opened(self, asked: Asked) -> tuple[str, ...]:
        """The headers as they are to be sent. Raises `SealedError`."""
        if not isinstance(asked.headers, str):
            return asked.headers
        try:
            text = self._keys.decrypt(asked.headers) if self._keys is not None else b""
        except InvalidToken:
            text = b""
        origin, headers = orjson.loads(text or b'["", []]')
        if origin != origin_of(asked.endpoint):
            raise SealedError("its headers are sealed, and no key of ISODOSE_SUBSCRIBER_KEY_FILE opens them")
        return tuple(headers)


def sealing_of(settings: Settings) -> Sealing:
    """By the keys of the file that the settings name. Raises `GateError` for a file that cannot serve."""
    return Sealing(secrets_in(settings.subscriber_key_file))


def _key(secret: bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_USE).derive(secret)
    return base64.urlsafe_b64encode(derived)
