"""Which addresses this process and its children listen on."""

from __future__ import annotations

import ipaddress
import socket

import psutil


def open_to_others() -> list[str]:
    """Return where this process or a child listens on other than loopback, as `name address:port`."""
    return [
        f"{name} {address}:{port}"
        for name, address, port in _listening()
        if not ipaddress.ip_address(address).is_loopback
    ]


def listening_ports() -> int:
    """Return how many addresses and ports this process and its children listen on."""
    return len(set(_listening()))


def children() -> list[psutil.Process]:
    """Return every process that descends from this one and has not ended."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
    ]


def _listening() -> list[tuple[str, str, int]]:
    found = []
    for process in [psutil.Process(), *children()]:
        try:
            name, connections = process.name(), process.net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        for connection in connections:
            waits = connection.status == psutil.CONN_LISTEN or (
                connection.type == socket.SOCK_DGRAM and not connection.raddr
            )
            if waits and connection.laddr:
                found.append((name, connection.laddr.ip, connection.laddr.port))
    return found
