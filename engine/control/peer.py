"""Who is at the other end of a local socket, by the kernel's word."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Final

from engine.control import wire

_UCRED: Final = struct.Struct("iII")


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """Process id and user id of the peer, as the kernel noted them when it connected, or listened."""
    pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid


def socket_holder(path: Path) -> int | None:
    """The pid of the live process that listens on a socket (0 where it is not ours to know); None where none
    does. The kernel tells who called listen, so a child that outlived a killed engine, and keeps its socket
    open without ever reading from it, is not mistaken for the engine."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.setblocking(False)
    try:
        with wire.reachable(path) as address:
            probe.connect(address)
        pid, _ = peer_of(probe)
        if pid:
            os.kill(pid, 0)
        return pid
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError, ProcessLookupError):
        return None
    except (BlockingIOError, PermissionError):  # a full queue, another user's process: it lives
        return 0
    finally:
        probe.close()
