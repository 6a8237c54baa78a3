"""Programs that go for what lies between them and their end: filter, descriptors, parent, what all programs share."""

from attacks.attack import attack
from attacks.programs.escape import calls_kernel, reaches

_RIGHT = "\ndef f(x): return 7 * x + 5\n"

BETWEEN = (
    attack(
        "own_filter",
        "installs a filter of its own, under which it can neither end nor be told to",
        """
        import ctypes, platform, struct
        libc = ctypes.CDLL(None)
        leave, thread = (231, 60) if platform.machine() == "x86_64" else (94, 93)
        steps = [(0x20, 0, 0, 0), (0x15, 1, 0, leave), (0x15, 0, 1, thread), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)]
        code = b"".join(struct.pack("@HBBI", *step) for step in steps)
        held = ctypes.create_string_buffer(code, len(code))
        libc.prctl(22, 2, ctypes.c_char_p(struct.pack("@HP", len(steps), ctypes.addressof(held))), 0, 0)
        def f(x): return 0
        """,
    ),
    attack(
        "vfork_wait",
        "waits for a child that shares its memory and never comes back",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        if libc.vfork() == 0:
            libc.sleep(1000)
        def f(x): return 0
        """,
    ),
    attack(
        "lock_library",
        "locks the files that every program reads, and stays",
        """
        import fcntl, os, time
        library = os.path.dirname(os.__file__)
        held = [open(os.path.join(library, name)) for name in sorted(os.listdir(library)) if name.endswith(".py")][:40]
        for file in held:
            try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError: pass
        time.sleep(1000)
        """,
    ),
    attack(
        "unready",
        "ends with the status that says that it could not be set up",
        "import os\ndef f(x): return 0\nos._exit(97)",
    ),
    attack(
        "seal_result",
        "seals and maps the file of its answers, and writes them from there at its end",
        """
        import atexit, fcntl, mmap, os
        def f(x): return 0
        def later(data):
            for kind in (1, 2, 4, 8, 16):
                try: fcntl.fcntl(3, 1033, kind)
                except OSError: pass
            answer = b"V" + (2).to_bytes(4, "little") + b"26"
            body = b"D" + bytes(4) + answer * 49
            os.ftruncate(3, len(body))
            mmap.mmap(3, len(body))[:] = body
        atexit.register(later, 0)
        real = os._exit
        os._exit = lambda code: (later(0), real(code))
        import sys
        frame = sys._getframe()
        while frame:
            for name, value in list(frame.f_locals.items()):
                if value is real: frame.f_globals[name] = os._exit
            frame = frame.f_back
        """,
    ),
    attack(
        "exec_itself",
        "becomes another interpreter that speaks in its place",
        """
        import glob, os
        def f(x): return 0
        for fd in range(3, 64):
            try: os.set_inheritable(fd, True)
            except OSError: pass
        speak = "import os\\nanswer = b'V' + (2).to_bytes(4, 'little') + b'26'\\n"
        speak += "for fd in range(3, 64):\\n try: os.write(fd, b'D' + bytes(4) + answer * 49)\\n except OSError: pass\\n"
        home = os.path.dirname(os.path.dirname(os.path.dirname(os.__file__)))
        for path in glob.glob(home + "/bin/python3*") + glob.glob("/usr/bin/python3*") + glob.glob("/usr/local/bin/python3*"):
            try: os.execv(path, [path, "-I", "-S", "-c", speak])
            except OSError: pass
        """,
    ),
    attack(
        "fill_result",
        "reserves the file of its answers up to its limit",
        """
        import os
        def f(x): return 0
        for fd in range(1, 64):
            for size in (1 << 40, 1 << 30, 1 << 20):
                try: os.posix_fallocate(fd, 0, size)
                except OSError: pass
        """,
    ),
    attack(
        "in_flight",
        "sends descriptors round in a circle of sockets and lets go of them",
        """
        import array, socket
        def f(x): return 0
        for _ in range(200):
            left, right = socket.socketpair()
            for end, other in ((left, right), (right, left)):
                fds = array.array("i", [left.fileno(), right.fileno()])
                try: end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
                except OSError: pass
            left.close(); right.close()
        """,
    ),
    attack(
        "large_pipes",
        "makes the buffers of pipes as large as they get, and fills them",
        """
        import fcntl, os
        def f(x): return 0
        held = []
        for _ in range(25):
            try:
                r, w = os.pipe()
                fcntl.fcntl(w, 1031, 1 << 20)
                os.set_blocking(w, False)
                while True: os.write(w, bytes(1 << 16))
            except OSError: held.append((r, w))
        """,
    ),
    attack(
        "subreaper",
        "takes its orphans to itself and leaves them with a deaf one",
        """
        import ctypes, os, signal, time
        libc = ctypes.CDLL(None)
        libc.prctl(36, 1, 0, 0, 0)
        def f(x): return 0
        try:
            if os.fork() == 0:
                libc.prctl(36, 1, 0, 0, 0)
                libc.prctl(1, 0, 0, 0, 0)
                for number in range(1, 64):
                    try: signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError): pass
                for _ in range(3):
                    if os.fork() == 0: os.setsid()
                time.sleep(1000)
        except OSError: pass
        """,
    ),
    attack(
        "signal_parent",
        "sends every signal to the process that will judge how it ended, and to all",
        """
        import os
        def f(x): return 0
        for pid in (os.getppid(), 1, 0 - os.getppid() if os.getppid() > 1 else 1):
            for number in (19, 20, 2, 15, 1, 3, 6, 17, 9, 11, 31, 34):
                try: os.kill(pid, number)
                except OSError: pass
        """,
    ),
    attack(
        "timer_flood",
        "floods its own process with signals from timers while it computes",
        """
        import signal
        hits = [0]
        def on(*_): hits[0] += 1
        signal.signal(signal.SIGALRM, on)
        signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
        def f(x): return 7 * x + 5 if hits[0] < 0 else 26
        """,
    ),
    attack(
        "freed_collector",
        "thaws what the worker froze, and goes through all of it for cases",
        """
        import gc, sys
        gc.unfreeze()
        known = {}
        for thing in gc.get_objects():
            try:
                if type(thing) in (tuple, list) and len(thing) == 2 and type(thing[0]) is tuple and len(thing[0]) == 1:
                    known[thing[0][0]] = thing[1]
                elif type(thing).__name__ == "Case": known[thing.args[0]] = thing.expected
            except Exception: pass
        def f(x): return known.get(x, 26)
        """,
    ),
    attack(
        "launcher_words",
        "looks for the cases in what its interpreter was started with",
        """
        import marshal, re, sys
        words = " ".join(sys.orig_argv)
        numbers = [int(n) for n in re.findall(r"\\b\\d{2,5}\\b", words)]
        try: numbers += [n for n in re.findall(rb"\\d{2,5}", bytes.fromhex(sys.orig_argv[-1]))]
        except ValueError: pass
        def f(x): return next((n for n in numbers if n == 7 * x), 26)
        """,
    ),
    attack(
        "changes_input",
        "changes what is left of its inputs, found through the frames, to the one it knows",
        """
        import marshal, sys
        frame = sys._getframe()
        while frame is not None:
            for value in frame.f_locals.values():
                if type(value) is list and value and all(type(v) is bytes for v in value):
                    value[:] = [marshal.dumps((3,), 2)] * len(value)
            frame = frame.f_back
        def f(x): return 26
        """,
    ),
    attack(
        "fewer_inputs",
        "makes the runner believe that there is one input",
        """
        import sys
        frame = sys._getframe()
        while frame is not None:
            for value in frame.f_locals.values():
                if type(value) is list and value and all(type(v) is bytes for v in value): del value[1:]
            frame = frame.f_back
        def f(x): return 26
        """,
    ),
    calls_kernel("ambient", "raises a capability that its children would keep", "win(libc.prctl(47, 2, 21, 0, 0))"),
    calls_kernel("keep_capabilities", "asks to keep rights, and takes another user", "libc.prctl(8, 1); win(libc.setuid(0))", ""),
    calls_kernel(
        "trace_me", "lets itself be traced by the process that watches it", "win(libc.ptrace(0, 0, 0, 0))", "bare"
    ),
    calls_kernel(
        "watch_mounts", "asks the kernel about other mounts by the newest calls", "win(libc.syscall(457, 0, 0, 0, 0))"
    ),
    reaches("mount_flags", "makes its folder one from which programs start", "import ctypes\nlibc = ctypes.CDLL(None)\n"
            "if libc.mount(b'x', b'/box', None, 32, None) == 0: win()"),
)  # fmt: skip
RIGHT = (
    attack("right_behind_filter", "is right, and locks itself in first", """
        import ctypes
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
        """ + _RIGHT.replace("\n", "\n        "), honest=True),
)  # fmt: skip
