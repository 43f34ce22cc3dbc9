"""The descendants of this process, and the sockets on which they listen, read from the kernel's own tables."""

import os
import signal
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENING = "0A"  # the state of a TCP socket, as the kernel writes it
FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}
Listener = tuple[IPv4Address | IPv6Address, int]  # address and port


def descendants() -> set[int]:
    """Return the ids of all processes that descend from this one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end meanwhile
            parents[int(status.parent.name)] = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while found := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= found
    return family - {os.getpid()}


def end(pids: set[int]) -> None:
    """Kill these processes, those of a private Ray, where they are still there."""
    _signal(pids, signal.SIGKILL)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end_descendants() -> None:
    """Kill all processes that descend from this one; they are stopped first, so that none starts another meanwhile."""
    stopped: set[int] = set()
    while found := descendants() - stopped:
        _signal(found, signal.SIGSTOP)
        stopped |= found
    end(stopped)


def listeners() -> set[Listener]:
    """Return the TCP sockets on which this process and its descendants listen."""
    ours = _open_files({os.getpid()} | descendants())
    found = set()
    for table, family in FAMILIES.items():
        with suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and f"socket:[{fields[9]}]" in ours:
                    found.add(_address(fields[1], family))
    return found


def _open_files(pids: set[int]) -> set[str]:
    """Return the names of all files and sockets that these processes hold open; a socket's is "socket:[inode]"."""
    found = set()
    for pid in pids:
        with suppress(OSError):  # the process may end meanwhile
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    found.add(str(link.readlink()))
    return found


def _address(text: str, family: int) -> Listener:
    """Return the address and port in the kernel's `0100007F:1F90`: words of 32 bits in this machine's byte order."""
    host, port = text.split(":")
    words = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    address = ip_address(socket.inet_ntop(family, b"".join(struct.pack("=I", word) for word in words)))
    return getattr(address, "ipv4_mapped", None) or address, int(port, 16)
