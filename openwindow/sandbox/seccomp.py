"""The system calls that a program may make: a seccomp filter in classic BPF, written by hand.

Covered: x86_64 and aarch64. The filter lists what CPython and its standard library need, some of it only with harmless arguments;
everything else gets EPERM, or ENOSYS if it is newer than 2019, so that libraries fall back to the older call. This refuses:
sockets other than a local pair, tracing, namespaces and mounts, kernel keys, whatever outlives a process, and the channels
through which programs running side by side could communicate, since they see the same files: locks, watches, hints on files,
futexes in shared pages, and the counters that the kernel keeps per user or per machine (inotify, asynchronous I/O, descriptors in
flight, pipe sizes, huge pages, the number of processes). Commands of a `Shell` may do some more, including locks.

Not covered: other processors get no filter; `available()` says so. A hole in the kernel behind an allowed call stays reachable.
"""

from __future__ import annotations

import ctypes
import platform
import struct

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL = 0x80000000
EPERM = 1
EINVAL = 22
ENOSYS = 38
EOPNOTSUPP = 95

NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
CLONE_THREAD = 0x00010000
AF_UNIX = 1

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x3FFFFFFF  # the x32 convention starts above this
_NEW = 424  # the first call of Linux 5.1; libraries manage without this and later calls

# Calls allowed with any arguments: (number on x86_64, number on aarch64); None if the processor has no such call.
_FREE: dict[str, tuple[int | None, int | None]] = {
    # files
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "dup": (32, 23), "dup2": (33, None), "sendfile": (40, 71), "fsync": (74, 82), "fdatasync": (75, 83),
    "getdents": (78, None), "ftruncate": (77, 46), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "rename": (82, None), "mkdir": (83, None), "rmdir": (84, None), "creat": (85, None), "link": (86, None),
    "unlink": (87, None), "symlink": (88, None), "readlink": (89, None), "umask": (95, 166), "mknod": (133, None),
    "statfs": (137, 43), "fstatfs": (138, 44), "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10),
    "listxattr": (194, 11), "llistxattr": (195, 12), "flistxattr": (196, 13), "getdents64": (217, 61), "openat": (257, 56),
    "mkdirat": (258, 34), "mknodat": (259, 33), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38),
    "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78), "faccessat": (269, 48), "splice": (275, 76),
    "fallocate": (285, 47), "dup3": (292, 24), "preadv": (295, 69), "pwritev": (296, 70), "renameat2": (316, 276),
    "copy_file_range": (326, 285), "preadv2": (327, 286), "pwritev2": (328, 287), "statx": (332, 291),
    "close_range": (436, 436), "openat2": (437, 437), "faccessat2": (439, 439),
    # waiting, pipes, local pairs of sockets
    "poll": (7, None), "pipe": (22, None), "select": (23, None), "sendto": (44, 206), "recvfrom": (45, 207),
    "shutdown": (48, 210), "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
    "epoll_create": (213, None), "epoll_wait": (232, None), "epoll_ctl": (233, 21), "pselect6": (270, 72), "ppoll": (271, 73),
    "epoll_pwait": (281, 22), "signalfd": (282, None), "timerfd_create": (283, 85), "eventfd": (284, None),
    "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87), "signalfd4": (289, 74), "eventfd2": (290, 19),
    "epoll_create1": (291, 20), "pipe2": (293, 59), "pidfd_open": (434, 434), "epoll_pwait2": (441, 441),
    # memory
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "msync": (26, 227), "madvise": (28, 233),
    # processes, threads and their limits
    "execve": (59, 221), "execveat": (322, 281), "exit": (60, 93), "exit_group": (231, 94), "wait4": (61, 260),
    "waitid": (247, 95), "fork": (57, None), "vfork": (58, None), "getpid": (39, 172), "getppid": (110, 173),
    "gettid": (186, 178), "getpgrp": (111, None), "getpgid": (121, 155), "getsid": (124, 156), "setsid": (112, 157),
    "setpgid": (109, 154), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getgroups": (115, 158), "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setgroups": (116, 159), "setresuid": (117, 147), "getresuid": (118, 148), "setresgid": (119, 149), "getresgid": (120, 150),
    "capget": (125, 90), "capset": (126, 91), "getrlimit": (97, 163), "getrusage": (98, 165), "times": (100, 153),
    "getpriority": (140, 141), "sched_yield": (24, 124), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "sched_rr_get_interval": (148, 127),
    "sched_getaffinity": (204, 123), "getcpu": (309, 168), "arch_prctl": (158, None), "set_tid_address": (218, 96),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293), "landlock_restrict_self": (446, 446),
    "seccomp": (317, 277),
    # signals
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "pause": (34, None),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "restart_syscall": (219, 128),
    # time, and what the machine is
    "nanosleep": (35, 101), "getitimer": (36, 102), "alarm": (37, None), "setitimer": (38, 103), "gettimeofday": (96, 169),
    "time": (201, None), "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "uname": (63, 160), "getrandom": (318, 278),
}  # fmt: skip

# Calls on the permissions, owners and times of files, by name or by an open file: harmless if a program sees only its own files.
_MARKS: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "utime": (132, None), "utimes": (235, None), "fchownat": (260, 54), "futimesat": (261, None), "fchmodat": (268, 53),
    "utimensat": (280, 88), "fchmodat2": (452, 452),
}  # fmt: skip
_TRUNCATE = {"truncate": (76, 45)}

# Calls answered as a file system without extended attributes would: tools that copy files then leave them out.
_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}  # fmt: skip

# Calls allowed with some arguments.
_CHECKED: dict[str, tuple[int | None, int | None]] = {
    "socketpair": (53, 199), "clone": (56, 220), "prlimit64": (302, 261), "setrlimit": (160, 164), "fcntl": (72, 25),
    "ioctl": (16, 29), "mmap": (9, 222), "memfd_create": (319, 279), "prctl": (157, 167), "futex": (202, 98),
}  # fmt: skip

# What an agent's commands also need; they share no verdict, and locks in their folder belong to them.
_COMMANDS: dict[str, tuple[int | None, int | None]] = {
    "flock": (73, 32), "sysinfo": (99, 179), "sendmsg": (46, 211), "recvmsg": (47, 212), "sendmmsg": (307, 269),
    "recvmmsg": (299, 243), "fadvise64": (221, 223), "readahead": (187, 213), "mincore": (27, 232), "mlock": (149, 228),
    "munlock": (150, 229), "timer_create": (222, 107), "timer_settime": (223, 110), "timer_gettime": (224, 108),
    "timer_getoverrun": (225, 109), "timer_delete": (226, 111), "tee": (276, 77), "sync_file_range": (277, 84),
    "vmsplice": (278, 75), "membarrier": (324, 283), "setfsuid": (122, 151), "setfsgid": (123, 152), "mlock2": (325, 284),
}  # fmt: skip

_LONE = frozenset({"fork", "vfork", "tkill", "setsid", "setpgid"})
_SIGNALS = frozenset({"kill", "tgkill"})
# F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS
_FCNTL = (0, 1, 2, 3, 4, 1030, 1032, 1033, 1034)
_LOCKS = (5, 6, 7, 36, 37, 38)  # F_GETLK F_SETLK F_SETLKW, and the same for open files
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
# PR_SET_PDEATHSIG PR_GET_DUMPABLE PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_SET_NO_NEW_PRIVS
# PR_GET_NO_NEW_PRIVS PR_SET_VMA
_PRCTL = (1, 3, 15, 16, 21, 22, 23, 38, 39, 0x53564D41)
_SET_DUMPABLE = 4
_CORE = 4  # RLIMIT_CORE
_HUGE_MAP, _HUGE_FILE = 0x40000, 4  # MAP_HUGETLB, MFD_HUGETLB: the machine has only a few of these
_FUTEX_PRIVATE = 128

_NUMBERS = _FREE | _MARKS | _TRUNCATE | _ATTRIBUTES | _CHECKED | _COMMANDS
_Instruction = tuple[int, int, int, int]


def available() -> str | None:
    """None if a filter can be built for this processor, otherwise the reason why not."""
    machine = platform.machine()
    return None if machine in _ARCHITECTURES else f"no table of system calls for the processor {machine}"


def base_filter(*, commands: bool = False, marks: bool = True, truncates: bool = True) -> bytes:
    """The filter that a worker installs once, for itself and for every program that it starts.

    `commands` allows what an agent's commands need. Without `marks`, the permissions, owners and times of files cannot be changed;
    without `truncates`, no file can be truncated by its name: for hosts whose files are visible.
    """
    free = _FREE | (_MARKS if marks else {}) | (_TRUNCATE if truncates else {}) | (_COMMANDS if commands else {})
    program = _preamble() + _conditions(commands)
    for number in sorted({n for n in map(_number, free) if n is not None}):
        program += [(0x15, 0, 1, number), _ret(ALLOW)]
    return _assemble([*program, (0x35, 1, 0, _NEW), _ret(ERRNO | EPERM), _ret(ERRNO | ENOSYS)])


def lone_filter(pid: int) -> bytes:
    """The filter that replaces a pid namespace, on top of the base filter.

    The process `pid` may start no process, may signal only itself and stays in its group.
    """
    program = _preamble()
    for name in sorted(_LONE):
        program += _when(name, [_ret(ERRNO | EPERM)])
    program += _when("clone", [_load_argument(0), (0x45, 1, 0, CLONE_THREAD), _ret(ERRNO | EPERM), _ret(ALLOW)])
    for name in sorted(_SIGNALS):
        program += _when(name, [_load_argument(0), (0x15, 1, 0, pid), _ret(ERRNO | EPERM), _ret(ALLOW)])
    return _assemble([*program, _ret(ALLOW)])


def install(instructions: bytes) -> None:
    """Puts the filter in force for this process and all that it will start; OSError if the kernel refuses."""
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
    """Kills the process on calls by a foreign convention (whose numbers mean other things), then loads the number of the call."""
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, _ARCHITECTURES[platform.machine()]), _ret(KILL), (0x20, 0, 0, 0)]
    return [*program, (0x25, 0, 1, _X32), _ret(ERRNO | ENOSYS)]


def _when(name: str, body: list[_Instruction]) -> list[_Instruction]:
    number = _number(name)
    return [] if number is None else [(0x15, 0, len(body), number), *body]


def _among(allowed: tuple[int, ...]) -> list[_Instruction]:
    """Allows the loaded value if it is one of these."""
    return [i for value in allowed for i in ((0x15, 0, 1, value), _ret(ALLOW))] + [_ret(ERRNO | EPERM)]


def _unless_any(bits: int) -> list[_Instruction]:
    """Allows the loaded value if it has none of these bits."""
    return [(0x45, 0, 1, bits), _ret(ERRNO | EPERM), _ret(ALLOW)]


def _conditions(commands: bool) -> list[_Instruction]:
    program = _when("clone", [_load_argument(0), *_unless_any(NEW_NAMESPACES)])  # clone3 hides its flags and is not listed
    program += _when("socketpair", [_load_argument(0), *_among((AF_UNIX,))])
    program += _when("mmap", [_load_argument(3), *_unless_any(_HUGE_MAP)])
    program += _when("memfd_create", [_load_argument(1), *_unless_any(_HUGE_FILE)])
    program += _when("ioctl", [_load_argument(1), *_among(_IOCTL)])
    program += _when("fcntl", [_load_argument(1), *_among((*_FCNTL, *(_LOCKS if commands else ())))])
    # nobody may raise the limit of 1 on core files, which keeps a crash from starting a program on the host
    program += _when("setrlimit", [_load_argument(0), (0x15, 0, 1, _CORE), _ret(ERRNO | EPERM), _ret(ALLOW)])
    new_limit = [i for half in (0, 4) for i in ((0x20, 0, 0, 16 + 8 * 2 + half), (0x15, 1, 0, 0), _ret(ERRNO | EPERM))]
    core = [_load_argument(1), (0x15, 1, 0, _CORE), _ret(ALLOW), *new_limit, _ret(ALLOW)]
    program += _when("prlimit64", [_load_argument(0), (0x15, 1, 0, 0), _ret(ERRNO | EPERM), *core])
    undumpable = [_load_argument(1), *_among((0,))]
    program += _when("prctl", [_load_argument(0), (0x15, 0, len(undumpable), _SET_DUMPABLE), *undumpable, *_among(_PRCTL)])
    for name in _ATTRIBUTES:
        program += _when(name, [_ret(ERRNO | EOPNOTSUPP)])
    if commands:
        return program + _when("futex", [_ret(ALLOW)])
    # EINVAL: of the errors that the C library accepts, the one after which it checks again
    return program + _when("futex", [_load_argument(1), (0x45, 1, 0, _FUTEX_PRIVATE), _ret(ERRNO | EINVAL), _ret(ALLOW)])


def _assemble(program: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)
