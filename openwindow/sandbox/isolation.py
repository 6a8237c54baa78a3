"""Isolates a program from everything but its own input with what the kernel offers: by ctypes, no helpers.

A worker calls `enter` once. It returns in a process that is the first of its own pid namespace, sees a minimal
read-only tree (the standard library, the system's shared libraries, four devices) and one small private folder, has
no network and no capabilities, and carries the seccomp filter. Every program forked from it starts like that; it calls
`confine` for what cannot be inherited.

There are two ways in. As root: mounts first, then the identity of `NOBODY` inside a new user namespace, so that nothing that
belongs to root is reachable by identity. As an ordinary user: a new user namespace first. Each measure that the
kernel refuses is recorded with its reason and skipped; `sandbox.describe` says what that costs.

Not covered: speculative-execution side channels, bugs in the kernel itself, the share of CPU time and memory
bandwidth that a program takes while it runs, and the clock (a program can measure time).
"""
# No pathlib and no dataclasses: if the interpreter is not restarted, this module is in the memory that every program's process is
# forked from, and each page of it costs every fork.
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH116, PTH118, PTH119, PTH120, PTH207, PTH208, PTH211

from __future__ import annotations

import ctypes
import fcntl
import glob
import os
import resource
import struct
from typing import NamedTuple

from openwindow.sandbox import launcher, seccomp
from openwindow.sandbox.launcher import NOBODY

BOX = "/box"  # the private working folder; /tmp leads there, unless something below /tmp is visible

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE, MS_NOATIME = 1 << 14, 1 << 18, 1024
MNT_DETACH = 2
AT_RECURSIVE = 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 5, 8  # Landlock rights; reading a library also means executing it
_DEVICES = ("null", "zero", "random", "urandom")
_SIGNALS_WAITING = 256
_HOST_NAME = b"box"
_TRUNCATE_ABI = 3  # the first version of Landlock that covers truncating files
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/var", "/tmp", "/home")

_libc = ctypes.CDLL(None, use_errno=True)


class Settings(NamedTuple):
    """What the supervisor tells a worker at start."""

    memory_mb: int
    cpu_seconds: int
    file_mb: int
    longest_mb: int
    """Maximum size of any one file, including those for printed and returned output."""
    processes: int
    open_files: int
    scratch: str
    """Working folder to use if no private one can be mounted."""
    readable: tuple[str, ...]
    """Folders visible read-only besides the standard library."""
    without: frozenset[str]
    """Measures left out on purpose (to test the fallbacks)."""
    received_mb: int
    """Maximum size of a file that the worker itself may receive, if larger than `longest_mb`."""
    runs_files: bool = False
    """Commands are run, and files in the working folder may be executed."""


class Measures:
    """The measures in force, and why the others are not."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.force: list[str] = []
        self.missing: dict[str, str] = {}
        self.folder = settings.scratch
        self.ruleset = -1  # descriptor of the Landlock rules that each program applies to itself; -1 for none

    def has(self, name: str) -> bool:
        return name in self.force

    def shared(self) -> bool:
        """Whether the worker can give up everything itself, once for all the programs that it will start.

        Without a pid namespace or a filter, each program must also be kept from its worker, by measures of its own.
        """
        return self.has("pid") and self.has("seccomp")

    def attempt(self, name: str, action: object, *arguments: object) -> bool:
        """Calls `action` and records whether the measure `name` is now in force."""
        assert callable(action)
        if name in self.settings.without:
            self.missing[name] = "left out on request"
            return False
        try:
            action(*arguments)
        except (OSError, KeyError, ValueError) as error:
            self.missing[name] = str(error)
            return False
        self.force.append(name)
        return True


def enter(settings: Settings, executable: str) -> Measures:
    """Puts this process (and its children) behind everything the kernel offers; returns in a process forked for it.

    `executable` stays reachable, so that the process can restart the interpreter.
    """
    measures = Measures(settings)
    as_root = os.geteuid() == 0 and _may_mount()
    if not as_root:
        measures.attempt("user", _new_user_namespace)
    measures.attempt("pid", _unshare, CLONE_NEWPID)
    launcher.fork_inside(as_root)
    measures.attempt("network", _unshare, CLONE_NEWNET)
    measures.attempt("ipc", _unshare, CLONE_NEWIPC)
    measures.attempt("uts", _rename_host)
    measures.attempt("mount", _enter_tree, settings.readable, executable)
    owner = NOBODY if os.geteuid() == 0 and _serves_nobody(measures) else os.geteuid()
    if measures.has("mount"):
        measures.folder = BOX
        _private_folder(settings, owner)
        measures.force.append("tmpfs")
    if owner != os.geteuid():
        measures.attempt("identity", _become_nobody, settings.scratch)
    elif as_root:
        measures.missing["identity"] = "the standard library or the working folder is open to root only"
    if as_root and measures.has("identity"):
        measures.attempt("user", _ask_for_user_namespace)
    elif as_root:
        measures.missing["user"] = "it takes another identity first"
    os.chdir(measures.folder)
    os.umask(0o077)
    _prctl(4, 0)  # PR_SET_DUMPABLE: no process with the same identity may trace or read this process
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: processes a program leaves behind are reparented to us
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    _limit(resource.RLIMIT_CORE, 1)  # too small for a core file; 0 would not stop a handler that the host pipes them to
    measures.attempt("landlock", _prepare_landlock, measures, executable)
    measures.attempt("seccomp", _install_filter, measures)
    if measures.shared():
        _surrender(measures)
    _prctl(1, 9)  # PR_SET_PDEATHSIG: die with the launcher
    _limit(resource.RLIMIT_AS, settings.memory_mb << 20)
    _limit(resource.RLIMIT_FSIZE, max(settings.longest_mb, settings.received_mb) << 20)
    _limit(resource.RLIMIT_NOFILE, settings.open_files)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    if measures.has("user"):
        _limit(resource.RLIMIT_NPROC, settings.processes + 2)  # the worker and its launcher count too
        _limit(resource.RLIMIT_SIGPENDING, _SIGNALS_WAITING)  # so that nobody uses up the total allowance of the host's user
    return measures


def confine(measures: Measures) -> None:
    """Applies what each program's process must still do itself, if its worker could not do it once for all."""
    if not measures.has("seccomp") and measures.has("ipc") and measures.has("user"):
        _unshare(CLONE_NEWIPC)  # nothing stops shared memory from outliving the program, so each program gets its own
    _surrender(measures)
    if measures.has("seccomp"):
        seccomp.install(seccomp.lone_filter(os.getpid()))


def _surrender(measures: Measures) -> None:
    """Gives up every capability, and everything that the Landlock rules do not allow."""
    if measures.ruleset >= 0:
        _check(_libc.syscall(_LANDLOCK_RESTRICT, measures.ruleset, 0), "landlock_restrict_self")
        os.close(measures.ruleset)
        measures.ruleset = -1
    header, nothing = struct.pack("@II", 0x20080522, 0), bytes(24)
    _check(_libc.syscall(_CAPSET[os.uname().machine], header, nothing), "capset")


def _private_folder(settings: Settings, owner: int) -> None:
    size = settings.file_mb
    options = f"size={size}m,nr_inodes={1024 * size},mode=0700,uid={owner},gid={owner}"
    flags = MS_NOSUID | MS_NODEV | MS_NOATIME | (0 if settings.runs_files else MS_NOEXEC)
    _mount("tmpfs", BOX, "tmpfs", flags, options)


def _rename_host() -> None:
    _unshare(CLONE_NEWUTS)
    _check(_libc.sethostname(_HOST_NAME, len(_HOST_NAME)), "sethostname")


def _ask_for_user_namespace() -> None:
    _unshare(CLONE_NEWUSER)
    os.write(8, b"?")
    if os.read(9, 1) != b"y":
        raise OSError("the identity map of the new user namespace was refused")


def _new_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    launcher.put("/proc/self/setgroups", "deny")
    launcher.put("/proc/self/uid_map", f"{NOBODY} {uid} 1")
    launcher.put("/proc/self/gid_map", f"{NOBODY} {gid} 1")


def _serves_nobody(measures: Measures) -> bool:
    """Whether the standard library and the working folder can still be reached under another identity."""
    needed = [os.__file__] if measures.has("mount") else [os.__file__, os.path.join(measures.settings.scratch, "x")]
    public = os.stat(os.__file__).st_mode & 0o004 != 0
    return public and all(os.stat(p).st_mode & 0o001 for path in needed for p in _parents(path)[1:])


def _become_nobody(scratch: str) -> None:
    if os.path.isdir(scratch):
        os.chown(scratch, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _enter_tree(readable: tuple[str, ...], executable: str) -> None:
    """Makes the root a small read-only tree in which only what a program needs is visible."""
    _unshare(CLONE_NEWNS)
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    library = os.path.dirname(os.__file__)
    parent = os.path.dirname(library)
    shown = [library, executable, *readable, "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"]
    if os.path.basename(parent).startswith("lib"):
        shown.append(parent)  # where some distributions keep the libraries that extension modules need
    base = next(b for b in _MOUNT_POINTS if os.path.isdir(b) and not any(_inside(path, b) for path in shown))
    _mount("tmpfs", base, "tmpfs", MS_NOSUID, "size=1m,mode=0755")
    for path in sorted(set(shown)):
        if os.path.lexists(path) and not any(_inside(path, other) and path != other for other in shown):
            _show(path, base, readable)
    os.mkdir(f"{base}/dev")
    for device in _DEVICES:
        launcher.put(f"{base}/dev/{device}", "")
        _mount(f"/dev/{device}", f"{base}/dev/{device}", None, MS_BIND)
        _restrict(f"{base}/dev/{device}", MS_RDONLY | MS_NOSUID | MS_NOEXEC)  # still writable; but its times stay
    os.mkdir(base + BOX)
    if not os.path.exists(f"{base}/tmp"):
        os.symlink(BOX, f"{base}/tmp")
    os.chdir(base)
    _check(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "leave the old root")
    os.chdir("/")
    _mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)


def _show(path: str, base: str, readable: tuple[str, ...]) -> None:
    """Makes a file or folder of the host visible under the new root, read-only, with the packages installed in it hidden."""
    target = base + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.mkdir(target)
    else:
        launcher.put(target, "")
    _mount(path, target, None, MS_BIND | MS_REC)
    _restrict(target, MS_RDONLY | MS_NOSUID | MS_NODEV)
    for pattern in ("site-packages", "dist-packages", "python3*/site-packages", "python3*/dist-packages"):
        for packages in glob.glob(f"{glob.escape(path)}/{pattern}"):
            if not any(_inside(r, packages) for r in readable):
                _mount("tmpfs", base + packages, "tmpfs", MS_RDONLY, "size=4k")


def _restrict(target: str, flags: int) -> None:
    attributes = struct.pack("@QQQQ", flags, 0, 0, 0)
    number = ctypes.c_long(_MOUNT_SETATTR)
    _check(_libc.syscall(number, -100, target.encode(), AT_RECURSIVE, attributes, len(attributes)), "mount_setattr")


def _prepare_landlock(measures: Measures, executable: str) -> None:
    """A ruleset that each program applies to itself: no TCP, no outgoing signals or abstract sockets, and files.

    With the read-only tree, the file rules only keep the program from tracing and mounting; without it, they are what keeps the
    program out of the host's files.
    """
    abi = _check(_libc.syscall(_LANDLOCK_CREATE, None, 0, 1), "landlock")
    measures.attempt("truncation", _covers_truncation, abi)
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    network, scope = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    attributes = struct.pack("@QQQ", rights, network, scope)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _check(_libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0), "landlock_create_ruleset")
    if measures.has("mount"):
        _allow(ruleset, "/", rights)
    else:
        library = os.path.dirname(os.__file__)
        own = [f"{library}/{name}" for name in os.listdir(library) if not name.endswith("-packages")]
        system = ["/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo"]
        shared = glob.glob(f"{glob.escape(os.path.dirname(library))}/libpython*.so*")  # with --enable-shared
        for path in (*own, executable, *shared, *system, *(f"/dev/{d}" for d in _DEVICES), *measures.settings.readable):
            if os.path.exists(path):
                _allow(ruleset, path, _READ | _LIST if os.path.isdir(path) else _READ)
        _allow(ruleset, "/dev/null", _READ | _WRITE)
        _allow(ruleset, library, _LIST)  # imports look there
        _allow(ruleset, measures.folder, rights & ~_EXECUTE)
    measures.ruleset = fcntl.fcntl(ruleset, fcntl.F_DUPFD_CLOEXEC, 20)  # away from the worker's own descriptors
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, fd)
    _check(_libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock_add_rule for {path}")
    os.close(fd)


def _covers_truncation(abi: int) -> None:
    if abi < _TRUNCATE_ABI:
        raise OSError(f"Landlock here is version {abi}, which does not cover truncating files")


def _install_filter(measures: Measures) -> None:
    reason = seccomp.available()
    if reason is not None:
        raise OSError(reason)
    apart = measures.has("mount")  # otherwise the host's files are visible, and Landlock does not cover these
    commands = measures.settings.runs_files
    seccomp.install(seccomp.base_filter(commands=commands, marks=apart, truncates=apart or measures.has("truncation")))


def _may_mount() -> bool:
    with open("/proc/self/status") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    return bool(effective >> 21 & 1)  # CAP_SYS_ADMIN


def _limit(what: int, value: int) -> None:
    ceiling = resource.getrlimit(what)[1]
    if ceiling != resource.RLIM_INFINITY:
        value = min(value, ceiling)
    resource.setrlimit(what, (value, value))


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    given = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _check(_libc.mount(given[0], given[1], given[2], ctypes.c_ulong(flags), given[3]), f"mount on {target}")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _parents(path: str) -> list[str]:
    """The path and every folder above it."""
    return [path] if path in ("/", "") else [path, *_parents(os.path.dirname(path))]


def _inside(path: str, folder: str) -> bool:
    return folder in _parents(path)
