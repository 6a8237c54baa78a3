"""Programs that try to reach beyond their process: files, other processes, the kernel, the network, the grader."""

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


def _calls_kernel(id: str, tries: str, call: str) -> Attack:
    return attack(id, tries, _C + call + "\n")


def _reaches(id: str, tries: str, body: str, beats: str = "") -> Attack:
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    return attack(id, tries, f"{_W}try:\n{lines}\nexcept Exception as error:\n    print(type(error).__name__, error)\n", beats)


FILES = (
    _reaches("read_passwd", "reads a file of the system", "win(open('/etc/passwd').read(20))", "bare"),
    _reaches("read_outside", "reads a file of the user", "win(open('@CANARY@').read())", "bare"),
    _reaches(
        "list_root",
        "lists a home folder",
        "win(os.listdir('/root'), os.listdir('/home'))\nif not os.listdir('/root'): raise OSError",
    ),
    _reaches("list_above", "finds this project's files", "win([d for d in os.walk('/') if 'verdict.py' in d[2]][0])"),
    _reaches("import_openwindow", "imports the environment with its solutions", "import openwindow\nwin()"),
    _reaches("write_outside", "overwrites a file of the user", "open('@CANARY@', 'w').write('pwned'); win()", "bare"),
    _reaches("append_library", "adds code to the standard library", "open(os.__file__, 'a').write('#'); win()"),
    _reaches(
        "create_library", "adds a module to the standard library", "open(os.path.dirname(os.__file__) + '/x_pwned.py', 'w'); win()"
    ),
    _reaches("write_root", "writes to the root", "open('/pwned', 'w'); win()"),
    _reaches("write_dev", "makes a file among the devices", "open('/dev/pwned', 'w'); win()"),
    _reaches("write_shm", "writes to shared memory", "open('/dev/shm/pwned', 'w').write('x'); win()"),
    _reaches("symlink", "reads through a link out of its folder", "os.symlink('@CANARY@', 'l'); win(open('l').read())", "bare"),
    _reaches("hardlink", "links a file from outside into its folder", "os.link('@CANARY@', 'h'); win(open('h').read())", "bare"),
    _reaches("dot_dot", "walks up", "win(open('../' * 30 + '@CANARY@').read())", "bare"),
    _reaches("proc_root", "goes through the root of another process", "win(os.listdir('/proc/@PID@/root'))", "bare"),
    _reaches("proc_environ", "reads the environment of the grader", "win(open('/proc/@PID@/environ').read())", "bare"),
    _reaches("proc_mem", "opens the memory of the first process", "open('/proc/1/mem', 'r+b').read(1); win()"),
    _reaches("proc_self", "reads its own memory map", "win(open('/proc/self/maps').read(99))", "bare"),
    _reaches("proc_fd", "lists what it has open", "win(os.listdir('/proc/self/fd'))", "bare"),
    _reaches(
        "chdir_fd",
        "leaves through a folder left open",
        "for fd in range(50):\n    try: os.fchdir(fd)\n    except OSError: continue\n    win(os.listdir('.'))",
    ),
    _reaches("chroot", "changes its root", "os.chroot('/tmp'); win()"),
    _reaches("mknod", "makes a device", "os.mknod('disk', 0o60600, os.makedev(254, 0)); win(open('disk', 'rb').read(9))"),
    _reaches("exec_shell", "starts a shell", "os.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED'])", "bare"),
    _reaches("subprocess", "starts a program of the system", "import subprocess\nsubprocess.run(['id']); win()", "bare"),
    _reaches("setuid_program", "starts a program with more rights", "os.execv('/usr/bin/su', ['su', '-c', 'echo ESCAPED'])"),
    _reaches(
        "exec_in_folder",
        "starts a program from its folder",
        "import shutil\nfd = os.open('p', os.O_CREAT | os.O_WRONLY, 0o700)\nos.write(fd, b'#!/usr/bin/env python3\\n'); os.close(fd)\nos.execv('./p', ['p'])",
    ),
)

PROCESSES = (
    _reaches(
        "kill_parent",
        "kills its worker",
        "import time\nos.kill(os.getppid(), 9); time.sleep(0.02); os.kill(os.getppid(), 9) if os.getppid() != 1 else None",
    ),
    _reaches("stop_parent", "stops its worker", "os.kill(os.getppid(), 19)"),
    _reaches(
        "interrupt_parent", "interrupts its worker", "[os.kill(os.getppid(), s) for s in (1, 2, 3, 6, 10, 12, 14, 15, 17, 25, 34)]"
    ),
    _reaches("kill_all", "kills all that it may", "import signal\nos.kill(-1, signal.SIGCONT); os.kill(-1, 9)"),
    _reaches("kill_group", "kills its group", "os.killpg(0, 9)"),
    _reaches("kill_outside", "kills a process outside", "os.kill(@PID@, 0); win()", "bare"),
    _reaches(
        "kill_numbers",
        "kills every number",
        "for pid in range(2, 5000):\n    try: os.kill(pid, 0) if pid != os.getpid() else os.kill(0, 99999)\n    except OSError: continue\n    win(pid)",
    ),
    _reaches(
        "pidfd",
        "signals its worker through a descriptor",
        "import signal\nfd = os.pidfd_open(1)\nsignal.pidfd_send_signal(fd, 15); win()",
    ),
    _calls_kernel(
        "pidfd_getfd",
        "takes a descriptor of its worker",
        "fd = os.pidfd_open(1)\nfor i in range(20): win(libc.syscall(438, fd, i, 0))",
    ),
    _calls_kernel(
        "ptrace_attach",
        "traces its worker",
        "win(libc.ptrace(16, os.getppid(), 0, 0) or libc.ptrace(16, 1, 0, 0))\nwin(libc.ptrace(0, 0, 0, 0))",
    ),
    _calls_kernel(
        "vm_read", "reads its worker's memory", "b = ctypes.create_string_buffer(64)\nwin(libc.process_vm_readv(1, b, 0, b, 0, 0))"
    ),
    _calls_kernel("kcmp", "compares itself with its worker", "win(libc.syscall(number(312, 272), 1, os.getpid(), 0, 0, 0))"),
    _reaches(
        "signal_by_file",
        "has the kernel signal its worker",
        "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, 1); win()",
    ),
    _reaches(
        "limit_parent", "lowers its worker's limits", "import resource\nresource.prlimit(1, resource.RLIMIT_CPU, (1, 1)); win()"
    ),
    _reaches("slow_parent", "slows its worker down", "os.setpriority(os.PRIO_PROCESS, 1, 19); win()"),
    _reaches("pin_parent", "takes its worker's processors", "os.sched_setaffinity(1, {0}); win()"),
    _reaches("realtime", "asks for real-time scheduling", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)); win()"),
    _reaches("raise_limits", "raises its own limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1)); win()"),
    _reaches(
        "become_root",
        "becomes root",
        "os.setuid(0); win()",
    ),
    _reaches(
        "wait_parent_pipe",
        "writes into its worker's pipes",
        "for fd in (0, *range(4, 60)):\n    try: os.write(fd, b'x' * 100)\n    except OSError: continue\n    win(fd)",
    ),
)

KERNEL = (
    _calls_kernel("unshare_user", "makes a user namespace to gain rights in it", "win(libc.unshare(0x10000000))"),
    _calls_kernel(
        "clone_user",
        "starts a process in a user namespace",
        "r = libc.syscall(number(56, 220), 0x10000000 | 17, 0, 0, 0, 0)\nif r == 0: os._exit(0)\nwin(r)",
    ),
    _calls_kernel(
        "clone3_user",
        "the same by the newer call",
        "b = ctypes.create_string_buffer((0x10000000).to_bytes(8, 'little') + bytes(24) + (17).to_bytes(8, 'little') + bytes(48))\nr = libc.syscall(435, b, 88)\nif r == 0: os._exit(0)\nwin(r)",
    ),
    _calls_kernel("setns", "enters another namespace", "win(libc.setns(os.pidfd_open(1), 0x20000))"),
    _calls_kernel("mount", "mounts a file system", "win(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))"),
    _calls_kernel("remount", "makes the root writable", "win(libc.mount(None, b'/', None, 32 | 4096, None))"),
    _calls_kernel("umount", "takes the read-only root away", "win(libc.umount2(b'/', 2))\nwin(libc.umount2(b'/tmp', 2))"),
    _calls_kernel("mount_proc", "mounts the process table", "win(libc.mount(b'proc', b'/tmp', b'proc', 0, None))"),
    _calls_kernel(
        "open_tree", "mounts by the newer calls", "win(libc.syscall(428, -100, b'/', 1))\nwin(libc.syscall(430, b'tmpfs', 0))"
    ),
    _calls_kernel("pivot_root", "swaps the root", "win(libc.syscall(number(155, 41), b'/tmp', b'/tmp'))"),
    _calls_kernel("open_by_handle", "opens a file by its number", "win(libc.syscall(number(304, 265), 0, bytes(64), 0))"),
    _calls_kernel("bpf", "loads a program into the kernel", "win(libc.syscall(number(321, 280), 0, bytes(64), 64))"),
    _calls_kernel(
        "io_uring", "makes a ring that goes round the filter", "win(libc.syscall(425, 4, ctypes.create_string_buffer(256)))"
    ),
    _calls_kernel("userfaultfd", "handles its own page faults", "win(libc.syscall(number(323, 282), 1))"),
    _calls_kernel(
        "perf_event",
        "counts what others do",
        "win(libc.syscall(number(298, 241), bytes([1, 0, 0, 0, 112]) + bytes(200), 0, -1, -1, 0))",
    ),
    _calls_kernel("keyctl", "uses the kernel's key rings", "win(libc.syscall(number(248, 217), b'user', b'k', b'v', 1, -4))"),
    _calls_kernel("module", "loads a module", "win(libc.syscall(number(175, 105), bytes(64), 64, b''))"),
    _calls_kernel("kexec", "starts another kernel", "win(libc.syscall(number(246, 104), 0, 0, 0, 0))"),
    _calls_kernel("reboot", "restarts the machine", "win(libc.reboot(0x1234567))"),
    _calls_kernel("host_name", "renames the machine", "win(libc.sethostname(b'pwned', 5))"),
    _calls_kernel("clock", "sets the clock", "win(libc.syscall(number(227, 112), 0, bytes(16)))"),
    _calls_kernel(
        "capset",
        "gives itself capabilities",
        "head = (0x20080522).to_bytes(4, 'little') + bytes(4)\nwin(libc.syscall(number(126, 91), head, b'\\xff' * 24))",
    ),
    _calls_kernel(
        "unfilter", "takes the filter off", "win(libc.prctl(22, 0, 0, 0, 0))\nwin(-1 if libc.prctl(21, 0, 0, 0, 0) else 1)"
    ),
    _calls_kernel("privileges", "takes back that it may gain no privileges", "win(libc.prctl(38, 0, 0, 0, 0))"),
    _calls_kernel("foreign_numbers", "calls by the numbers of another convention", "win(libc.syscall(0x40000000 + 41, 2, 1, 0))"),
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
    _calls_kernel(
        "terminal", "types into the terminal", "import fcntl\nfor fd in range(3):\n    win(libc.ioctl(fd, 0x5412, b'x'))"
    ),
)

NETWORK = (
    _reaches(
        "tcp",
        "connects to a server of this machine",
        "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 1).send(b'x'); win()",
        "bare",
    ),
    _reaches(
        "tcp6",
        "the same by the newer protocol",
        "import socket\ns = socket.socket(socket.AF_INET6)\ns.settimeout(1); s.connect(('::1', @PORT@)); win()",
    ),
    _reaches("udp", "sends a datagram", "import socket\nsocket.socket(2, 2).sendto(b'x', ('127.0.0.1', @PORT@)); win()", "bare"),
    _reaches(
        "unix_socket",
        "connects to a socket in the file system",
        "import socket\ns = socket.socket(1)\ns.connect('@SOCKET@'); win()",
        "bare",
    ),
    _reaches(
        "abstract_socket",
        "connects to an abstract socket",
        "import socket\ns = socket.socket(1)\ns.connect('\\0@SOCKET@'); win()",
        "bare",
    ),
    _reaches("dns", "resolves a name", "import socket\nwin(socket.getaddrinfo('example.com', 80))"),
    _reaches("raw_socket", "opens a raw socket", "import socket\nsocket.socket(2, 3, 1); win()"),
    _reaches("packet_socket", "opens a packet socket", "import socket\nsocket.socket(17, 3, 768); win()"),
    _reaches("netlink", "talks to the kernel's network", "import socket\nsocket.socket(16, 3, 0); win()", "bare"),
    _reaches(
        "vsock",
        "talks to the machine outside this one",
        "import socket\ns = socket.socket(40, 1)\ns.settimeout(1); s.connect((2, 1024)); win()",
    ),
    _reaches("listen", "opens a port", "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0)); s.listen(); win()", "bare"),
    _reaches(
        "http", "fetches a page", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:@PORT@/', timeout=1); win()"
    ),
    _reaches(
        "metadata",
        "asks the cloud for credentials",
        "import urllib.request\nurllib.request.urlopen('http://169.254.169.254/', timeout=1); win()",
    ),
    _calls_kernel("socket_call", "opens a socket without the library", "win(libc.syscall(number(41, 198), 2, 1, 0))"),
)

READ = (
    _reaches(
        "environ",
        "reads the environment it was given",
        "secret = [k for k in os.environ if 'OPENWINDOW' in k or 'TOKEN' in k]\nif secret: win(secret)",
        "bare",
    ),
    _reaches(
        "arguments",
        "reads its command line",
        "if any('openwindow' in a or len(a) > 100 for a in sys.argv + sys.orig_argv[:2]): win(sys.argv)",
    ),
    _reaches(
        "descriptors",
        "reads everything that is open",
        "for fd in range(100):\n    try: data = os.pread(fd, 10000, 0)\n    except OSError: continue\n    if b'assert' in data: win(data)",
    ),
    _reaches(
        "loaded_modules",
        "looks for the grader among the loaded modules",
        "found = [m for m in sys.modules if 'openwindow' in m or 'verdict' in m]\nif found: win(found)",
    ),
    _reaches(
        "live_objects",
        "looks for cases among live objects",
        "import gc\nfound = [o for o in gc.get_objects() if type(o).__name__ in ('Case', 'Problem', 'Grader', 'Verdict')]\nif found: win(found)",
    ),
    _reaches(
        "path",
        "finds packages of the host on the path",
        "import importlib.util\nfound = [n for n in ('numpy', 'torch', 'pydantic', 'pip', 'pytest') if importlib.util.find_spec(n)]\nif found: win(found)",
    ),
    attack(
        "future_inputs",
        "reads the inputs of the calls to come, and guesses",
        """
        import sys, marshal
        def f(x):
            frame = sys._getframe(1)
            inputs = frame.f_locals.get("inputs") or []
            return sum(len(i) for i in inputs)
        """,
    ),
    attack(
        "own_memory",
        "searches its memory for an expected value beside the input",
        """
        import ctypes, gc
        def f(x):
            for o in gc.get_objects():
                if isinstance(o, dict) and x in o: return o[x]
                if isinstance(o, tuple) and len(o) == 2 and o[0] == x: return o[1]
            return 0
        """,
    ),
)

ESCAPE = (*FILES, *PROCESSES, *KERNEL, *NETWORK, *READ)
