"""A service without authorisation is only for the machine it runs on."""

from __future__ import annotations

import ipaddress
from typing import Literal


class OpenDoorError(Exception):
    """Patient data would be served to anybody on the network."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost is taken for reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_door(auth: Literal["none", "smart"], host: str) -> None:
    """Raise `OpenDoorError` for `auth none` on an address other than loopback."""
    if auth == "none" and not is_loopback(host):
        raise OpenDoorError(
            f"ISODOSE_AUTH=none is allowed on loopback only, and ISODOSE_HOST is {host}; "
            "listen on 127.0.0.1 or set ISODOSE_AUTH=smart"
        )
