"""Run a command that may write to one folder only, with limits. Started by grade.py.

python confine.py FOLDER SECONDS GIGABYTES COMMAND...

Reading is not restricted. What the kernel offers is used: Landlock (Linux 5.13 or newer) for the
folder, and, where grade.py could start it in namespaces of its own, a network without a way out.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import struct
import subprocess
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, alike on all machines
WRITE_FILE, ON_NEWER = 1 << 1, {2: 1 << 13, 3: 1 << 14}  # since version 2: refer; 3: truncate
CHANGES = WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make, files and folders
NO_NEW_PRIVILEGES, VERSION = 38, 1
MOST_PROCESSES, LARGEST_FILE = 256, 100 * 2**20


def landlock_version() -> int:
    """Version of Landlock that the kernel offers; 0 without."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION))


def only_write_to(folder: str) -> bool:
    """From now on this process and its children change files in the folder only."""
    version = landlock_version()
    if not version:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    changes = CHANGES | sum(bit for since, bit in ON_NEWER.items() if version >= since)
    attributes = ctypes.create_string_buffer(struct.pack("Q", changes), 8)
    rules = libc.syscall(CREATE_RULESET, attributes, 8, 0)
    devices = changes & (WRITE_FILE | ON_NEWER[3])  # /dev/null
    for path, allowed in ((folder, changes), ("/dev", devices)):
        opened = os.open(path, os.O_PATH)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, opened), 12)
        if libc.syscall(ADD_RULE, rules, 1, rule, 0):
            raise OSError(ctypes.get_errno(), f"landlock, {path}")
        os.close(opened)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.syscall(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "landlock")
    os.close(rules)
    return True


def loopback_up() -> None:
    """A notebook and its kernel talk over the loopback, which is down in a new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")
        fcntl.ioctl(any_socket, 0x8914, up_and_running)  # SIOCSIFFLAGS


def main() -> int:
    """See the top of this file."""
    folder, seconds, gigabytes, *command = sys.argv[1:]
    if os.getpid() == 1:  # the first process of its own namespace
        loopback_up()
        resource.setrlimit(resource.RLIMIT_NPROC, (MOST_PROCESSES, MOST_PROCESSES))
    memory = int(float(gigabytes) * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    only_write_to(folder)
    return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
