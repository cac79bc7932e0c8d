"""Hosts with a network of their own between them, in which a way can be cut without either end being told.

Each host is a Linux network namespace that a veth pair joins to one router; nothing of it is seen outside.
It needs the right to make namespaces: root, or `unshare --user --map-current-user --keep-caps`.
https://man7.org/linux/man-pages/man7/network_namespaces.7.html
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A router and a host for each name; addresses are of the range kept for tests of networks (RFC 2544)."""

    said = "network namespaces behind a router that drops"

    def __init__(self, names: Sequence[str]) -> None:
        """Raises `OSError` where namespaces may not be made."""
        self._router = _new_namespace()
        self._hosts = {name: _new_namespace() for name in names}
        self._number = {name: number for number, name in enumerate(names)}
        with _entered(self._router):
            _FORWARDING.write_text("1")
            _ip("link set lo up", *(line for name in names for line in self._joined(name)))
        for name, number in self._number.items():
            with self.at(name):
                _ip(
                    "link set lo up",
                    f"addr add {self.address(name)}/30 dev eth0",
                    "link set eth0 up",
                    f"route add default via 198.18.{number}.1",
                )

    def close(self) -> None:
        """The namespaces end with the last process in them."""
        for namespace in (*self._hosts.values(), self._router):
            os.close(namespace)

    def address(self, name: str) -> str:
        return f"198.18.{self._number[name]}.2"

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Within, this thread opens its sockets on that host, and so do threads and processes begun by it."""
        with _entered(self._hosts[name]):
            yield

    def cut(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Drop silently what `other` sends to `one`, or all between them."""
        self._rule("add", other, one)
        if both_ways:
            self._rule("add", one, other)

    def mend(self, one: str, other: str) -> None:
        for source, target in ((one, other), (other, one)):
            with contextlib.suppress(subprocess.CalledProcessError):
                self._rule("del", source, target)

    def reset(self, one: str, other: str) -> None:
        """Break every connection between them, as a firewall that restarts does; new ones are let through."""
        for source, target in ((one, other), (other, one)):
            with self.at(source):
                subprocess.run(["ss", "-K", "dst", self.address(target)], check=True, capture_output=True)

    def _joined(self, name: str) -> Sequence[str]:
        number, namespace = self._number[name], f"/proc/{os.getpid()}/fd/{self._hosts[name]}"
        return (
            f"link add host{number} type veth peer name eth0 netns {namespace}",
            f"addr add 198.18.{number}.1/30 dev host{number}",
            f"link set host{number} up",
        )

    def _rule(self, does: str, source: str, target: str) -> None:
        with _entered(self._router):
            _ip(f"rule {does} from {self.address(source)} to {self.address(target)} blackhole")


def _new_namespace() -> int:
    with _entered(None):
        _checked(_libc.unshare(_CLONE_NEWNET))
        return _current()


@contextmanager
def _entered(namespace: int | None) -> Iterator[None]:
    """This thread in that network namespace; afterwards again in the one it was in."""
    before = _current()
    try:
        if namespace is not None:
            _checked(_libc.setns(namespace, _CLONE_NEWNET))
        yield
    finally:
        _checked(_libc.setns(before, _CLONE_NEWNET))
        os.close(before)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*commands: str) -> None:
    subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True, capture_output=True
    )
