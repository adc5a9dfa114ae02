"""Takes from the process that reads files what parsers never need: sockets, other processes, the kernel's odd corners.

A seccomp filter (Linux, x86-64 and ARM64), which any process may put on itself once it has given up gaining privileges.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
"""Instructions of the filter (linux/bpf_common.h): load a word, jump if equal, jump if at least, answer."""
_NUMBER_AT, _MACHINE_AT = 0, 4
"""Where the number of the call and the machine stand in what a filter sees (struct seccomp_data)."""
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x80000000
_X32 = 0x40000000
"""From here on numbers mean the calls of another interface, which would lead around the filter."""

_CALLS = {
    # socket, connect, accept, bind, listen, socketpair, accept4; ptrace, process_vm_readv and _writev, kcmp,
    # pidfd_getfd; io_uring_setup; userfaultfd, bpf, perf_event_open, keyctl, mount, unshare, setns
    "x86_64": (
        0xC000003E,
        (41, 42, 43, 49, 50, 53, 288, 101, 310, 311, 312, 438, 425, 323, 321, 298, 250, 165, 272, 308),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 203, 202, 200, 201, 199, 242, 117, 270, 271, 272, 438, 425, 282, 280, 241, 219, 40, 97, 268),
    ),
}
"""Machine (AUDIT_ARCH_…) and denied calls, by number (asm/unistd_64.h; asm-generic/unistd.h)."""


def deny_calls() -> bool:
    """Deny this process and its children every new connection, and whatever reaches into other processes.

    Sockets that are open stay so. For good; returns False where the system knows no such filter.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if platform.machine() not in _CALLS:
        return False
    program = _program(*_CALLS[platform.machine()])
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: number of instructions, and where they are
    head = struct.pack("HL", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0) == 0)


def _program(machine: int, denied: tuple[int, ...]) -> bytes:
    """Calls of another machine's interface end the process, denied ones give EACCES, all others are allowed."""
    instructions = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUALS, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, len(denied) + 1, 0, _X32),
    ]
    for place, number in enumerate(denied):
        instructions.append((_EQUALS, len(denied) - place, 0, number))
    instructions += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
