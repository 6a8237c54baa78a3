"""The system calls that a program may not make: a seccomp filter in classic BPF, written out by hand.

Covered: x86_64 and aarch64. The filter is a list of what is refused (with EPERM, so that the program sees an ordinary
error): sockets other than a local pair, tracing or reading other processes, new namespaces and mounts by the new
interface, kernel keys, System V and POSIX queues and shared memory (they outlive a process), extended attributes,
io_uring, bpf, performance counters, signals aimed through a file descriptor, and every call newer than those known
here.

Not covered: other processors get no filter; `available()` says so. Calls that are not listed are allowed, so a hole
in the kernel behind an ordinary call stays within reach.
"""

from __future__ import annotations

import ctypes
import platform
import struct

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL = 0x80000000
EPERM = 1
ENOSYS = 38

NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
CLONE_THREAD = 0x00010000
AF_UNIX = 1

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LAST_KNOWN = 462  # mseal, the newest call in the table below; later ones get ENOSYS, as on an older kernel

# name: (number on x86_64, number on aarch64); None where the processor has no such call
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "socketpair": (53, 199), "mount": (165, 40), "umount2": (166, 39), "ptrace": (101, 117),
    "syslog": (103, 116),
    "personality": (135, 92), "pivot_root": (155, 41), "chroot": (161, 51), "acct": (163, 89),
    "adjtimex": (159, 171), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ioprio_set": (251, 30),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "unshare": (272, 97), "setns": (308, 268),
    "perf_event_open": (298, 241), "fanotify_init": (300, 262), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "clone3": (435, 435),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount_setattr": (442, 442), "memfd_secret": (447, 447), "process_mrelease": (448, 448),
    "set_mempolicy_home_node": (450, 450), "statmount": (457, 457), "listmount": (458, 458),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "modify_ldt": (154, None),
    "iopl": (172, None), "ioperm": (173, None), "uselib": (134, None), "vhangup": (153, 58), "sysfs": (139, None),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setpriority": (141, 140),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "fork": (57, None), "vfork": (58, None),
    "clone": (56, 220), "setsid": (112, 157), "setpgid": (109, 154), "prlimit64": (302, 261), "fcntl": (72, 25), "ioctl": (16, 29),
}  # fmt: skip

# What the filter looks at more closely: the call is refused unless its argument says that it is harmless.
_LONE = frozenset({"fork", "vfork", "tkill", "setsid", "setpgid"})
_CONDITIONAL = frozenset({"socketpair", "clone", "prlimit64", "fcntl", "ioctl", "clone3"})
_SIGNALS = frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
_FCNTL_REFUSED = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX

_Instruction = tuple[int, int, int, int]


def available() -> str | None:
    """None where a filter can be built for this processor, else the reason why not."""
    machine = platform.machine()
    return None if machine in _ARCHITECTURES else f"no table of system calls for the processor {machine}"


def base_filter() -> bytes:
    """The filter that a worker installs once, for itself and for every program that it starts."""
    return _assemble(_preamble() + _refusals(set(_NUMBERS) - _CONDITIONAL - _SIGNALS - _LONE) + _conditions() + [_ret(ALLOW)])


def lone_filter(pid: int) -> bytes:
    """The filter that stands in for a pid namespace: the process `pid` may start none, may signal only itself and stays
    in its group."""
    program = _preamble()
    for name in sorted(_LONE):
        program += _when(name, [_ret(ERRNO | EPERM)])
    program += _when("clone", [_load_argument(0), (0x45, 1, 0, CLONE_THREAD), _ret(ERRNO | EPERM), _ret(ALLOW)])
    for name in sorted(_SIGNALS - {"tkill"}):
        program += _when(name, [_load_argument(0), (0x15, 1, 0, pid), _ret(ERRNO | EPERM), _ret(ALLOW)])
    return _assemble([*program, _ret(ALLOW)])


def install(instructions: bytes) -> None:
    """Puts the filter in force for this process and all that it will start; OSError where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(buffer))
    if libc.prctl(22, 2, ctypes.c_char_p(header), 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "the kernel refuses the seccomp filter")


def _number(name: str) -> int | None:
    return _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]


def _ret(value: int) -> _Instruction:
    return (0x06, 0, 0, value)


def _load_argument(index: int) -> _Instruction:
    return (0x20, 0, 0, 16 + 8 * index)  # the low half; both processors are little endian


def _preamble() -> list[_Instruction]:
    """Kills what calls by a foreign convention (its numbers mean other things), then loads the number of the call."""
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, _ARCHITECTURES[platform.machine()]), _ret(KILL), (0x20, 0, 0, 0)]
    return [*program, (0x25, 0, 1, _LAST_KNOWN), _ret(ERRNO | ENOSYS)]  # also the x32 convention: numbers above 2**30


def _refusals(names: set[str]) -> list[_Instruction]:
    program: list[_Instruction] = []
    for number in sorted(n for n in map(_number, names) if n is not None):
        program += [(0x15, 0, 1, number), _ret(ERRNO | EPERM)]
    return program


def _when(name: str, body: list[_Instruction]) -> list[_Instruction]:
    number = _number(name)
    return [] if number is None else [(0x15, 0, len(body), number), *body]


def _conditions() -> list[_Instruction]:
    program = _when("clone3", [_ret(ERRNO | ENOSYS)])  # its flags are behind a pointer; libc falls back to clone
    program += _when("clone", [_load_argument(0), (0x45, 0, 1, NEW_NAMESPACES), _ret(ERRNO | EPERM), _ret(ALLOW)])
    program += _when("socketpair", [_load_argument(0), (0x15, 1, 0, AF_UNIX), _ret(ERRNO | EPERM), _ret(ALLOW)])
    program += _when("prlimit64", [_load_argument(0), (0x15, 1, 0, 0), _ret(ERRNO | EPERM), _ret(ALLOW)])
    refused = [i for command in _FCNTL_REFUSED for i in ((0x15, 0, 1, command), _ret(ERRNO | EPERM))]
    program += _when("fcntl", [_load_argument(1), *refused, _ret(ALLOW)])
    allowed = [i for command in _IOCTL_ALLOWED for i in ((0x15, 0, 1, command), _ret(ALLOW))]
    return program + _when("ioctl", [_load_argument(1), *allowed, _ret(ERRNO | EPERM)])


def _assemble(program: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)
