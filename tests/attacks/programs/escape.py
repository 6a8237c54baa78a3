"""Programs that try to reach beyond their process: files, other processes, the kernel."""

import textwrap

from attacks.attack import Attack, attack

_C = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def number(x86, arm): return x86 if platform.machine() == "x86_64" else arm
def win(result):
    if result >= 0: print("ESCAPED", result, flush=True)
def f(x): return 0
"""
_W = """
import os, sys
def f(x): return 0
def win(*what):
    print("ESCAPED", *what, flush=True)
"""


def calls_kernel(id: str, tries: str, call: str, beats: str = "") -> Attack:
    """An attack that makes a system call, and wins if it succeeds."""
    return attack(id, tries, _C + textwrap.dedent(call).strip() + "\n", beats)


def reaches(id: str, tries: str, body: str, beats: str = "") -> Attack:
    """An attack that wins if it comes to the call of `win`."""
    lines = "\n".join("    " + line for line in textwrap.dedent(body).strip().splitlines())
    caught = "except Exception as error:\n    print(type(error).__name__, error)\n"
    return attack(id, tries, f"{_W}try:\n{lines}\n{caught}", beats)


FILES = (
    reaches("read_passwd", "reads a file of the system", "win(open('/etc/passwd').read(20))", "bare"),
    reaches("read_outside", "reads a file of the user", "win(open('@CANARY@').read())", "bare"),
    reaches(
        "list_root",
        "lists a home folder",
        "win(os.listdir('/root'), os.listdir('/home'))\nif not os.listdir('/root'): raise OSError",
    ),
    reaches("list_above", "finds this project's files", "win([d for d in os.walk('/') if 'verdict.py' in d[2]][0])"),
    reaches("import_openwindow", "imports the environment with its solutions", "import openwindow\nwin()"),
    reaches("write_outside", "overwrites a file of the user", "open('@CANARY@', 'w').write('pwned'); win()", "bare"),
    reaches("append_library", "adds code to the standard library", "open(os.__file__, 'a').write('#'); win()"),
    reaches(
        "create_library", "adds a module to the standard library", "open(os.path.dirname(os.__file__) + '/x_pwned.py', 'w'); win()"
    ),
    reaches("write_root", "writes to the root", "open('/pwned', 'w'); win()"),
    reaches("write_dev", "makes a file among the devices", "open('/dev/pwned', 'w'); win()"),
    reaches("write_shm", "writes to shared memory", "open('/dev/shm/pwned', 'w').write('x'); win()"),
    reaches("symlink", "reads through a link out of its folder", "os.symlink('@CANARY@', 'l'); win(open('l').read())", "bare"),
    reaches("hardlink", "links a file from outside into its folder", "os.link('@CANARY@', 'h'); win(open('h').read())", "bare"),
    reaches("dot_dot", "walks up", "win(open('../' * 30 + '@CANARY@').read())", "bare"),
    reaches("proc_root", "goes through the root of another process", "win(os.listdir('/proc/@PID@/root'))", "bare"),
    reaches("proc_environ", "reads the environment of the grader", "win(open('/proc/@PID@/environ').read())", "bare"),
    reaches("proc_mem", "opens the memory of the first process", "open('/proc/1/mem', 'r+b').read(1); win()"),
    reaches("proc_self", "reads its own memory map", "win(open('/proc/self/maps').read(99))", "bare"),
    reaches("proc_fd", "lists what it has open", "win(os.listdir('/proc/self/fd'))", "bare"),
    reaches(
        "chdir_fd",
        "leaves through a folder left open",
        "for fd in range(50):\n    try: os.fchdir(fd)\n    except OSError: continue\n    win(os.listdir('.'))",
    ),
    reaches("chroot", "changes its root", "os.chroot('/tmp'); win()"),
    reaches("mknod", "makes a device", "os.mknod('disk', 0o60600, os.makedev(254, 0)); win(open('disk', 'rb').read(9))"),
    reaches("exec_shell", "starts a shell", "os.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED'])", "bare"),
    reaches(
        "subprocess",
        "starts a program of the system",
        """
    import subprocess
    subprocess.run(['id']); win()
    """,
        "bare",
    ),
    reaches("setuid_program", "starts a program with more rights", "os.execv('/usr/bin/su', ['su', '-c', 'echo ESCAPED'])"),
    reaches(
        "exec_in_folder",
        "starts a program from its folder",
        """
        import shutil
        fd = os.open('p', os.O_CREAT | os.O_WRONLY, 0o700)
        os.write(fd, b'#!/usr/bin/env python3\\n'); os.close(fd)
        os.execv('./p', ['p'])
        """,
    ),
)

PROCESSES = (
    reaches(
        "kill_parent",
        "kills its worker",
        """
        import time
        os.kill(os.getppid(), 9); time.sleep(0.02); os.kill(os.getppid(), 9) if os.getppid() != 1 else None
        """,
    ),
    reaches("stop_parent", "stops its worker", "os.kill(os.getppid(), 19)"),
    reaches(
        "interrupt_parent", "interrupts its worker", "[os.kill(os.getppid(), s) for s in (1, 2, 3, 6, 10, 12, 14, 15, 17, 25, 34)]"
    ),
    reaches("kill_all", "kills all that it may", "import signal\nos.kill(-1, signal.SIGCONT); os.kill(-1, 9)"),
    reaches("kill_group", "kills its group", "os.killpg(0, 9)"),
    reaches("kill_outside", "kills a process outside", "os.kill(@PID@, 0); win()", "bare"),
    reaches(
        "kill_numbers",
        "kills every number",
        """
        for pid in range(2, 5000):
            try: os.kill(pid, 0) if pid != os.getpid() else os.kill(0, 99999)
            except OSError: continue
            win(pid)
        """,
    ),
    reaches(
        "pidfd",
        "signals its worker through a descriptor",
        "import signal\nfd = os.pidfd_open(1)\nsignal.pidfd_send_signal(fd, 15); win()",
    ),
    calls_kernel(
        "pidfd_getfd",
        "takes a descriptor of its worker",
        "fd = os.pidfd_open(1)\nfor i in range(20): win(libc.syscall(438, fd, i, 0))",
    ),
    calls_kernel(
        "ptrace_attach",
        "traces its worker",
        "win(libc.ptrace(16, os.getppid(), 0, 0) or libc.ptrace(16, 1, 0, 0))\nwin(libc.ptrace(0, 0, 0, 0))",
    ),
    calls_kernel(
        "vm_read",
        "reads its worker's memory",
        """
        b = ctypes.create_string_buffer(64)
        win(libc.process_vm_readv(1, b, 0, b, 0, 0))
        """,
    ),
    calls_kernel("kcmp", "compares itself with its worker", "win(libc.syscall(number(312, 272), 1, os.getpid(), 0, 0, 0))"),
    reaches(
        "signal_by_file",
        "has the kernel signal its worker",
        "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, 1); win()",
    ),
    reaches(
        "limit_parent",
        "lowers its worker's limits",
        """
        import resource
        resource.prlimit(1, resource.RLIMIT_CPU, (1, 1)); win()
        """,
    ),
    reaches("slow_parent", "slows its worker down", "os.setpriority(os.PRIO_PROCESS, 1, 19); win()"),
    reaches("pin_parent", "takes its worker's processors", "os.sched_setaffinity(1, {0}); win()"),
    reaches("realtime", "asks for real-time scheduling", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)); win()"),
    reaches(
        "raise_limits",
        "raises its own limits",
        """
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); win()
    """,
    ),
    reaches(
        "become_root",
        "becomes root",
        "os.setuid(0); win(open('/etc/shadow').read())",
    ),
    reaches(
        "wait_parent_pipe",
        "writes into its worker's pipes",
        "for fd in (0, *range(4, 60)):\n    try: os.write(fd, b'x' * 100)\n    except OSError: continue\n    win(fd)",
    ),
)

KERNEL = (
    calls_kernel("unshare_user", "makes a user namespace to gain rights in it", "win(libc.unshare(0x10000000))"),
    calls_kernel(
        "clone_user",
        "starts a process in a user namespace",
        "r = libc.syscall(number(56, 220), 0x10000000 | 17, 0, 0, 0, 0)\nif r == 0: os._exit(0)\nwin(r)",
    ),
    calls_kernel(
        "clone3_user",
        "the same by the newer call",
        """
        b = ctypes.create_string_buffer((0x10000000).to_bytes(8, 'little') + bytes(24) + (17).to_bytes(8, 'little') + bytes(48))
        r = libc.syscall(435, b, 88)
        if r == 0: os._exit(0)
        win(r)
        """,
    ),
    calls_kernel("setns", "enters another namespace", "win(libc.setns(os.pidfd_open(1), 0x20000))"),
    calls_kernel("mount", "mounts a file system", "win(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))"),
    calls_kernel("remount", "makes the root writable", "win(libc.mount(None, b'/', None, 32 | 4096, None))"),
    calls_kernel(
        "umount",
        "takes the read-only root away",
        """
    win(libc.umount2(b'/', 2))
    win(libc.umount2(b'/tmp', 2))
    """,
    ),
    calls_kernel("mount_proc", "mounts the process table", "win(libc.mount(b'proc', b'/tmp', b'proc', 0, None))"),
    calls_kernel(
        "open_tree",
        "mounts by the newer calls",
        """
        win(libc.syscall(428, -100, b'/', 1))
        win(libc.syscall(430, b'tmpfs', 0))
        """,
    ),
    calls_kernel("pivot_root", "swaps the root", "win(libc.syscall(number(155, 41), b'/tmp', b'/tmp'))"),
    calls_kernel("open_by_handle", "opens a file by its number", "win(libc.syscall(number(304, 265), 0, bytes(64), 0))"),
    calls_kernel("bpf", "loads a program into the kernel", "win(libc.syscall(number(321, 280), 0, bytes(64), 64))"),
    calls_kernel(
        "io_uring", "makes a ring that goes round the filter", "win(libc.syscall(425, 4, ctypes.create_string_buffer(256)))"
    ),
    calls_kernel("userfaultfd", "handles its own page faults", "win(libc.syscall(number(323, 282), 1))"),
    calls_kernel(
        "perf_event",
        "counts what others do",
        "win(libc.syscall(number(298, 241), bytes([1, 0, 0, 0, 112]) + bytes(200), 0, -1, -1, 0))",
    ),
    calls_kernel("keyctl", "uses the kernel's key rings", "win(libc.syscall(number(248, 217), b'user', b'k', b'v', 1, -4))"),
    calls_kernel("module", "loads a module", "win(libc.syscall(number(175, 105), bytes(64), 64, b''))"),
    calls_kernel("kexec", "starts another kernel", "win(libc.syscall(number(246, 104), 0, 0, 0, 0))"),
    calls_kernel("reboot", "restarts the machine", "win(libc.reboot(0x1234567))"),
    calls_kernel("host_name", "renames the machine", "win(libc.sethostname(b'pwned', 5))"),
    calls_kernel("clock", "sets the clock", "win(libc.syscall(number(227, 112), 0, bytes(16)))"),
    calls_kernel(
        "capset",
        "gives itself capabilities",
        "head = (0x20080522).to_bytes(4, 'little') + bytes(4)\nwin(libc.syscall(number(126, 91), head, b'\\xff' * 24))",
    ),
    calls_kernel(
        "unfilter",
        "takes the filter off",
        """
        win(libc.prctl(22, 0, 0, 0, 0))
        win(-1 if libc.prctl(21, 0, 0, 0, 0) else 1)
        """,
    ),
    calls_kernel("privileges", "takes back that it may gain no privileges", "win(libc.prctl(38, 0, 0, 0, 0))"),
    calls_kernel("foreign_numbers", "calls by the numbers of another convention", "win(libc.syscall(0x40000000 + 41, 2, 1, 0))"),
    attack(
        "foreign_convention",
        "calls the kernel as a 32-bit program, where the numbers mean other things",
        """
        import ctypes, mmap, platform
        def f(x): return 0
        if platform.machine() == "x86_64":
            # mov eax, 359 (socket); mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret
            code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(code)
            call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
            if call() >= 0: print("ESCAPED", flush=True)
        """,
    ),
    calls_kernel(
        "terminal",
        "types into the terminal",
        """
        import fcntl
        for fd in range(3):
            win(libc.ioctl(fd, 0x5412, b'x'))
        """,
    ),
)

ESCAPE = (*FILES, *PROCESSES, *KERNEL)
