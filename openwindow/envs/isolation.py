"""What the kernel can be asked for, to keep a program away from everything but its own input: by ctypes, no helpers.

A worker calls `enter` once. It comes back in a process that is the first of its own pid namespace, sees a minimal
read-only tree (the standard library, the system's shared libraries, four devices), has no network, no capability that
counts outside, and carries the seccomp filter. Each program forked from it then calls `confine` on itself.

Two ways in. As root: mounts first, then the identity of `NOBODY` inside a new user namespace, so that nothing that belongs to root
is reachable by identity. As an ordinary user: a new user namespace first. Each measure that the kernel refuses is
recorded with its reason and left out; what that costs is for `sandbox.describe` to say.

Not covered: speculative-execution side channels, bugs of the kernel itself, the share of CPU time and memory bandwidth
that a program takes while it runs, and the clock (a program can measure time).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from dataclasses import dataclass, field
from pathlib import Path

from openwindow.envs import seccomp

NOBODY = 65534
TMP = "/tmp"

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE, MS_NOATIME = 1 << 14, 1 << 18, 1024
MNT_DETACH = 2
AT_RECURSIVE = 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446
_DEVICES = ("null", "zero", "random", "urandom")
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/var", "/tmp", "/home")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Settings:
    """What the supervisor tells a worker at start."""

    memory_mb: int
    cpu_seconds: int
    file_mb: int
    processes: int
    open_files: int
    scratch: str
    """Folder to use as working folder where no private one can be mounted."""
    readable: tuple[str, ...]
    """Folders shown read-only besides the standard library."""
    without: frozenset[str]
    """Measures left out on purpose (tests of the fallbacks)."""


@dataclass
class Measures:
    """Which measures are in force, and why the others are not."""

    settings: Settings
    missing: dict[str, str] = field(default_factory=dict)
    force: list[str] = field(default_factory=list)
    landlock: int = -1
    """Descriptor of the ruleset that each program applies to itself; -1 for none."""
    folder: str = TMP
    """The program's working folder."""

    def has(self, name: str) -> bool:
        return name in self.force

    def attempt(self, name: str, action: object, *arguments: object) -> bool:
        """Calls `action`; records whether the measure `name` is now in force."""
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


def enter(settings: Settings) -> Measures:
    """Puts this process (and its children) behind all that the kernel gives; returns in a process forked for it."""
    measures = Measures(settings)
    as_root = os.geteuid() == 0 and _may_mount()
    if not as_root:
        measures.attempt("user", _new_user_namespace)
    measures.attempt("pid", _unshare, CLONE_NEWPID)
    _fork_inside(as_root)
    for name, flag in (("mount", CLONE_NEWNS), ("network", CLONE_NEWNET), ("ipc", CLONE_NEWIPC), ("uts", CLONE_NEWUTS)):
        measures.attempt(name, _unshare, flag)
    if measures.has("mount"):
        measures.force.remove("mount")
        measures.attempt("mount", _build_tree, settings.readable)
    owner = NOBODY if os.geteuid() == 0 and _serves_nobody(measures) else os.geteuid()
    if measures.has("mount"):
        fresh_tmp(settings.file_mb, owner)
        measures.force.append("tmpfs")
    if owner != os.geteuid():
        measures.attempt("identity", _become_nobody, settings.scratch)
        if as_root and measures.has("identity"):
            measures.attempt("user", _ask_for_user_namespace)
    if measures.has("tmpfs"):
        measures.attempt("renew", fresh_tmp, settings.file_mb, os.geteuid())
    measures.folder = TMP if measures.has("tmpfs") else settings.scratch
    os.chdir(measures.folder)
    measures.attempt("landlock", _prepare_landlock, measures)
    os.umask(0o077)
    _prctl(4, 0)  # PR_SET_DUMPABLE: nobody of the same identity may trace or read this process
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what a program leaves behind comes back to us
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    measures.attempt("seccomp", _install_filter)
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: gone when the launcher is gone
    return measures


def confine(measures: Measures) -> None:
    """What each program's process does to itself before it runs the first line of it."""
    settings = measures.settings
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, settings.memory_mb << 20)
    _limit(resource.RLIMIT_FSIZE, settings.file_mb << 20)
    _limit(resource.RLIMIT_NOFILE, settings.open_files)
    if measures.has("pid") and measures.has("user"):
        _limit(resource.RLIMIT_NPROC, settings.processes + 2)  # the worker and its launcher count as well
    _limit(resource.RLIMIT_CPU, settings.cpu_seconds, settings.cpu_seconds + 1)
    if not measures.has("seccomp") and measures.has("ipc"):
        _unshare(CLONE_NEWIPC)  # nothing stops shared memory from outliving the program, so each gets its own
    if measures.landlock >= 0:
        _syscall(_LANDLOCK_RESTRICT, measures.landlock, 0)
        os.close(measures.landlock)
    _drop_capabilities()
    if measures.has("seccomp") and not measures.has("pid"):
        seccomp.install(seccomp.lone_filter(os.getpid()))


def fresh_tmp(file_mb: int, owner: int) -> None:
    """An empty, size-limited working folder in place of whatever was there."""
    _libc.umount2(TMP.encode(), MNT_DETACH)
    options = f"size={file_mb}m,nr_inodes=1024,mode=0700,uid={owner},gid={owner}".encode()
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME
    _check(_libc.mount(b"tmpfs", TMP.encode(), b"tmpfs", flags, options), "mount tmpfs")


def _fork_inside(as_root: bool) -> None:
    """Goes on in a child, the first process of the new pid namespace; the parent waits and maps identities for it."""
    ask, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(ask[1], 8, inheritable=False)
        os.dup2(answer[0], 9, inheritable=False)
        for fd in (*ask, *answer):
            os.close(fd)
        return
    os.closerange(0, 3)
    os.close(ask[1])
    while as_root and os.read(ask[0], 1):
        try:
            for kind in ("uid", "gid"):
                Path(f"/proc/{child}/{kind}_map").write_text(f"{NOBODY} {NOBODY} 1")
            os.write(answer[1], b"y")
        except OSError:
            os.write(answer[1], b"n")
    os.waitpid(child, 0)
    os._exit(0)


def _ask_for_user_namespace() -> None:
    _unshare(CLONE_NEWUSER | CLONE_NEWNS)
    os.write(8, b"?")
    if os.read(9, 1) != b"y":
        raise OSError("the identity map of the new user namespace was refused")


def _new_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")


def _serves_nobody(measures: Measures) -> bool:
    """Whether the standard library and the working folder could still be reached under another identity."""
    needed = [Path(os.__file__)] if measures.has("mount") else [Path(os.__file__), Path(measures.settings.scratch)]
    return Path(os.__file__).stat().st_mode & 0o004 != 0 and all(
        parent.stat().st_mode & 0o001 for path in needed for parent in path.parents
    )


def _become_nobody(scratch: str) -> None:
    if os.path.isdir(scratch):
        os.chown(scratch, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _build_tree(readable: tuple[str, ...]) -> None:
    """Makes the root a small read-only tree in which only what a program needs can be seen."""
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    library = Path(os.__file__).parent
    shown = [library, library.parent] if library.parent.name.startswith("lib") else [library]
    shown += [Path(p) for p in ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", *readable)]
    base = next(Path(b) for b in _MOUNT_POINTS if Path(b).is_dir() and not any(s.is_relative_to(b) for s in shown))
    _check(_libc.mount(b"tmpfs", bytes(base), b"tmpfs", MS_NOSUID, b"size=1m,mode=0755"), "mount the root")
    for path in sorted(set(shown)):
        if any(other != path and path.is_relative_to(other) for other in shown) or not path.exists():
            continue
        _show(path, base)
        if path.is_symlink():
            continue
        for hidden in (*path.glob("python3*/site-packages"), *path.glob("python3*/dist-packages")):
            if not any(hidden.is_relative_to(r) for r in readable):
                _check(_libc.mount(b"tmpfs", bytes(base) + bytes(hidden), b"tmpfs", MS_RDONLY, b"size=4k"), "hide packages")
    (base / "dev").mkdir()
    for device in _DEVICES:
        (base / "dev" / device).touch()
        _check(_libc.mount(f"/dev/{device}".encode(), bytes(base / "dev" / device), None, MS_BIND, None), "bind a device")
    (base / "tmp").mkdir(exist_ok=True)
    os.chdir(base)
    _syscall(_PIVOT_ROOT[os.uname().machine], b".", b".")
    _check(_libc.umount2(b".", MNT_DETACH), "leave the old root")
    os.chdir("/")
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID
    _check(_libc.mount(None, b"/", None, flags, None), "make the root read-only")


def _show(path: Path, base: Path) -> None:
    target = base / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        return
    target.mkdir() if path.is_dir() else target.touch()
    _check(_libc.mount(bytes(path), bytes(target), None, MS_BIND | MS_REC, None), f"bind {path}")
    attributes = struct.pack("@QQQQ", MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)
    _syscall(_MOUNT_SETATTR, -100, bytes(target), AT_RECURSIVE, attributes, len(attributes))


def _prepare_landlock(measures: Measures) -> None:
    """A ruleset that each program applies to itself: no TCP, no signals or abstract sockets outwards, and files.

    With the read-only tree the file rules have nothing left to do but to keep the program from tracing and mounting;
    without it they are what keeps the program out of the host's files.
    """
    abi = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    network, scope = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    attributes = struct.pack("@QQQ", rights, network, scope)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    read = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, list a folder
    if measures.has("mount"):
        _allow(ruleset, "/", rights)
    else:
        library = Path(os.__file__).parent
        own = [p for p in library.iterdir() if p.name not in ("site-packages", "dist-packages")]
        system = [Path(p) for p in ("/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")]
        for path in (*own, *system, *(Path(f"/dev/{d}") for d in _DEVICES), *map(Path, measures.settings.readable)):
            if path.exists():
                _allow(ruleset, str(path), read if path.is_dir() else read & ~(1 << 3))
        _allow(ruleset, "/dev/null", (1 << 1) | (1 << 2))
        _allow(ruleset, str(library), 1 << 3)  # listing only: imports look there
        _allow(ruleset, measures.settings.scratch, rights & ~(1 << 0))
    measures.landlock = ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, fd)
    _syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0)
    os.close(fd)


def _install_filter() -> None:
    reason = seccomp.available()
    if reason is not None:
        raise OSError(reason)
    seccomp.install(seccomp.base_filter())


def _drop_capabilities() -> None:
    header, nothing = struct.pack("@II", 0x20080522, 0), bytes(24)
    _syscall(_CAPSET[os.uname().machine], header, nothing)


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))
    return bool(effective >> 21 & 1)  # CAP_SYS_ADMIN


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(what)[1]
    wanted = soft if hard is None else hard
    hard = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(what, (min(soft, hard), hard))


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def _syscall(number: int, *arguments: object) -> int:
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    _check(result, f"system call {number}")
    return result


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")

