"""Take the network, other programs and other processes from this process for good, by a seccomp filter (seccomp(2)).

It needs neither root nor a user namespace, which containers often forbid; container runtimes and all kernels since Linux 3.17 let a
process narrow itself. What reads uploaded bytes with libraries in C may then be taken over and still reaches nobody.
`python -m segloop.imaging.confine` says whether it is possible here.
"""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITIES_VERSION_3 = 0x20080522
_SECCOMP_SET_MODE_FILTER, _TSYNC = 1, 1
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _BITS_SET, _RETURN = (
    0x20,
    0x15,
    0x45,
    0x06,
)  # BPF_LD+W+ABS, BPF_JMP+JEQ+K, BPF_JMP+JSET+K, BPF_RET+K
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24  # struct seccomp_data
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_MACHINES: dict[str, tuple[int, int]] = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
"""A machine's AUDIT_ARCH and the number of seccomp(2) on it."""

_DENIED: dict[str, dict[str, int]] = {
    # Network and other sockets; io_uring opens them, too.
    "socket": {"x86_64": 41, "aarch64": 198},
    "socketpair": {"x86_64": 53, "aarch64": 199},
    "connect": {"x86_64": 42, "aarch64": 203},
    "bind": {"x86_64": 49, "aarch64": 200},
    "listen": {"x86_64": 50, "aarch64": 201},
    "accept": {"x86_64": 43, "aarch64": 202},
    "accept4": {"x86_64": 288, "aarch64": 242},
    "sendto": {"x86_64": 44, "aarch64": 206},
    "sendmsg": {"x86_64": 46, "aarch64": 211},
    "sendmmsg": {"x86_64": 307, "aarch64": 269},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "io_uring_enter": {"x86_64": 426, "aarch64": 426},
    "io_uring_register": {"x86_64": 427, "aarch64": 427},
    # Other programs and processes; threads stay possible, see `_program`.
    "execve": {"x86_64": 59, "aarch64": 221},
    "execveat": {"x86_64": 322, "aarch64": 281},
    "fork": {"x86_64": 57},
    "vfork": {"x86_64": 58},
    # Other processes of the same user: reading, stopping and signalling them.
    "ptrace": {"x86_64": 101, "aarch64": 117},
    "process_vm_readv": {"x86_64": 310, "aarch64": 270},
    "process_vm_writev": {"x86_64": 311, "aarch64": 271},
    "kcmp": {"x86_64": 312, "aarch64": 272},
    "kill": {"x86_64": 62, "aarch64": 129},
    "tkill": {"x86_64": 200, "aarch64": 130},
    "rt_sigqueueinfo": {"x86_64": 129, "aarch64": 138},
    "rt_tgsigqueueinfo": {"x86_64": 297, "aarch64": 240},
    "pidfd_open": {"x86_64": 434, "aarch64": 434},
    "pidfd_send_signal": {"x86_64": 424, "aarch64": 424},
    "pidfd_getfd": {"x86_64": 438, "aarch64": 438},
    "setpriority": {"x86_64": 141, "aarch64": 140},
    "ioprio_set": {"x86_64": 251, "aarch64": 30},
    "sched_setparam": {"x86_64": 142, "aarch64": 118},
    "sched_setscheduler": {"x86_64": 144, "aarch64": 119},
    "sched_setaffinity": {"x86_64": 203, "aarch64": 122},
    "sched_setattr": {"x86_64": 314, "aarch64": 274},
    # Wide surfaces of the kernel that no reader of files needs.
    "unshare": {"x86_64": 272, "aarch64": 97},
    "setns": {"x86_64": 308, "aarch64": 268},
    "mount": {"x86_64": 165, "aarch64": 40},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "add_key": {"x86_64": 248, "aarch64": 217},
    "request_key": {"x86_64": 249, "aarch64": 218},
    "keyctl": {"x86_64": 250, "aarch64": 219},
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = {"x86_64": 435, "aarch64": 435}
_TGKILL = {"x86_64": 234, "aarch64": 131}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_FCNTL, _F_SETOWN, _F_SETSIG, _F_SETOWN_EX = {"x86_64": 72, "aarch64": 25}, 8, 10, 15
_CAPSET = {"x86_64": 126, "aarch64": 91}


class _Program(ctypes.Structure):
    _fields_ = (("n", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def hide() -> None:
    """Keep memory and environment of this process from others of the same user, who else find both under /proc.

    Root's own processes are kept out only where they gave up root's powers, as `confine` does.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def confine() -> None:
    """Confine this process with all its threads: from here on such calls fail with EPERM. There is no way back.

    What root may beyond others is given up, too, and the process is hidden.

    Raises:
        OSError: the kernel or the machine's kind does not have it; the process is as it was.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES:
        raise OSError(errno.ENOSYS, "no confinement on this kind of machine")
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = _program(machine)
    program = _Program(len(instructions) // 8, instructions)
    hide()
    head = struct.pack("Ii", _CAPABILITIES_VERSION_3, 0)
    if libc.syscall(_CAPSET[machine], head, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    call = _MACHINES[machine][1]
    # With TSYNC a thread that can't follow is told as its id, greater than 0.
    if libc.syscall(call, _SECCOMP_SET_MODE_FILTER, _TSYNC, ctypes.byref(program)):
        raise OSError(ctypes.get_errno() or errno.EPERM, "seccomp")


def is_possible() -> bool:
    """Say whether a process can be confined on this host, by letting one try."""
    command = [sys.executable, "-m", __name__]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        return subprocess.run(command, env=environment, timeout=60, capture_output=True).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _program(machine: str) -> bytes:
    """Return the filter: everything is let through but what is listed."""
    deny = _returning(_ERRNO | errno.EPERM)
    own = os.getpid()
    code = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_EQUAL, _MACHINES[machine][0], if_so=1),
        _returning(_KILL_PROCESS),  # another architecture's numbers (32 bits, x32) would mean other calls
        _instruction(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        code += [_instruction(_BITS_SET, _X32, if_not=1), _returning(_KILL_PROCESS)]
    for numbers in _DENIED.values():
        if machine in numbers:
            code += [_instruction(_EQUAL, numbers[machine], if_not=1), deny]
    # glibc falls back to clone, whose flags can be seen; those of clone3 lie behind a pointer.
    code += [_instruction(_EQUAL, _CLONE3[machine], if_not=1), _returning(_ERRNO | errno.ENOSYS)]
    code += [_instruction(_EQUAL, _CLONE[machine], if_not=4), _instruction(_LOAD, _FIRST_ARGUMENT_AT)]
    code += [_instruction(_BITS_SET, _CLONE_THREAD, if_so=1), deny, _returning(_ALLOW)]
    # abort() signals its own process; what sets limits may name it as 0.
    code += [_instruction(_EQUAL, _TGKILL[machine], if_not=4), _instruction(_LOAD, _FIRST_ARGUMENT_AT)]
    code += [_instruction(_EQUAL, own, if_so=1), deny, _returning(_ALLOW)]
    code += [_instruction(_EQUAL, _PRLIMIT[machine], if_not=4), _instruction(_LOAD, _FIRST_ARGUMENT_AT)]
    code += [_instruction(_EQUAL, 0, if_so=1), deny, _returning(_ALLOW)]
    # A file can be made to send signals to anybody.
    code += [_instruction(_EQUAL, _FCNTL[machine], if_not=6), _instruction(_LOAD, _SECOND_ARGUMENT_AT)]
    code += [_instruction(_EQUAL, _F_SETOWN, if_so=2), _instruction(_EQUAL, _F_SETSIG, if_so=1)]
    code += [_instruction(_EQUAL, _F_SETOWN_EX, if_not=1), deny, _returning(_ALLOW)]
    return b"".join([*code, _returning(_ALLOW)])


def _instruction(operation: int, value: int, *, if_so: int = 0, if_not: int = 0) -> bytes:
    """Return a struct sock_filter; the jumps count instructions to skip."""
    return struct.pack("HBBI", operation, if_so, if_not, value)


def _returning(verdict: int) -> bytes:
    return _instruction(_RETURN, verdict)


if __name__ == "__main__":
    confine()
