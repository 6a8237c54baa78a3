"""Programs that use up what there is, or do not end; and programs that are odd to read."""

from attacks.attack import attack

EXHAUST = (
    attack("memory_list", "fills memory with a list", "def f(x):\n    a = [0]\n    while True: a += a"),
    attack("memory_bytes", "asks for all memory at once", "def f(x): return len(bytearray(1 << 40)) + len('x' * (1 << 33))"),
    attack(
        "memory_at_start",
        "fills memory while it is defined",
        """
    a = 'x' * 10
    while True: a += a
    def f(x): return 0
    """,
    ),
    attack(
        "memory_children",
        "fills memory in several processes",
        """
        import os
        def f(x): return 0
        for _ in range(6):
            if os.fork() == 0: break
        a = []
        try:
            while True: a.append(bytearray(1 << 20))
        except MemoryError: pass
        """,
    ),
    attack(
        "memory_files",
        "fills memory through files in memory",
        """
        import os
        def f(x): return 0
        fds = []
        try:
            while True:
                fds.append(os.memfd_create('m'))
                os.write(fds[-1], bytes(1 << 21))
        except OSError: pass
        """,
    ),
    attack(
        "disk",
        "fills the disk with one file",
        "def f(x): return 0\nwith open('big', 'wb') as b:\n    for _ in range(10**6): b.write(bytes(1 << 16))",
    ),
    attack(
        "disk_many",
        "fills the disk with many files",
        """
        def f(x): return 0
        n = 0
        try:
            for i in range(100000):
                open(str(i), 'wb').write(bytes(1 << 16)); n += 1
        except OSError: pass
        if n > 64: print('ESCAPED', n)
        """,
    ),
    attack(
        "inodes",
        "fills the disk with empty files",
        """
        import os
        def f(x): return 0
        n = 0
        try:
            for i in range(10**6): os.close(os.open(str(i), os.O_CREAT)); n += 1
        except OSError: pass
        if n > 5000: print('ESCAPED', n)
        """,
    ),
    attack(
        "sparse",
        "makes a file that is larger than it is",
        """
        import os
        def f(x): return 0
        try:
            os.truncate(os.open('s', os.O_CREAT | os.O_RDWR), 1 << 40)
            print('ESCAPED')
        except OSError: pass
        """,
    ),
    attack(
        "fork_bomb",
        "forks without end",
        """
        import os
        def f(x): return 0
        while True:
            try: os.fork()
            except OSError: pass
        """,
    ),
    attack(
        "fork_count",
        "counts how many processes it may have",
        """
        import os, time
        def f(x): return 0
        n = 0
        try:
            while n < 500:
                if os.fork() == 0: time.sleep(9)
                n += 1
        except OSError: pass
        if n > 20: print('ESCAPED', n, flush=True)
        """,
    ),
    attack(
        "threads",
        "starts threads without end",
        """
        import threading, time
        def f(x): return 0
        n = 0
        try:
            while n < 500: threading.Thread(target=time.sleep, args=(9,), daemon=True).start(); n += 1
        except RuntimeError: pass
        if n > 20: print('ESCAPED', n, flush=True)
        """,
    ),
    attack(
        "descriptor_flood",
        "opens without end",
        """
        def f(x): return 0
        a = []
        try:
            while len(a) < 5000: a.append(open('/dev/null'))
        except OSError: pass
        if len(a) > 200: print('ESCAPED', len(a))
        """,
    ),
    attack(
        "pipes",
        "fills the buffers of pipes",
        """
        import os
        def f(x): return 0
        try:
            while True:
                r, w = os.pipe(); os.set_blocking(w, False)
                try: os.write(w, bytes(1 << 20))
                except BlockingIOError: pass
        except OSError: pass
        """,
    ),
    attack("print_flood", "prints without end", "def f(x): return 0\nwhile True: print('a' * 10000)"),
    attack(
        "write_flood",
        "writes to its output without end",
        "import os\ndef f(x): return 0\nwhile True:\n    try: os.write(1, bytes(1 << 16))\n    except OSError: pass",
    ),
    attack(
        "error_flood",
        "writes to standard error in the call",
        "import sys\ndef f(x):\n    for _ in range(10**6): sys.stderr.write('b' * 1000)\n    return 0",
    ),
    attack(
        "seek_output",
        "writes its output far out",
        """
        import os
        def f(x): return 0
        try:
            os.lseek(1, 1 << 40, 0); os.write(1, b'x')
        except OSError: pass
        for i in range(10): os.ftruncate(1, 1000 * i)
        """,
    ),
    attack("recursion", "recurses until the interpreter stops it", "def f(x): return f(x)"),
    attack(
        "recursion_deep",
        "recurses until the stack is gone",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x):\n    return [*map(f, [x])]",
    ),
    attack(
        "repr_deep",
        "makes a value that overflows the stack when printed",
        "import sys\nsys.setrecursionlimit(10**8)\na = []\nfor _ in range(10**6): a = [a]\ndef f(x): return repr(a)",
    ),
    attack("big_power", "computes a number without end", "def f(x): return 9 ** 9 ** 9"),
    attack(
        "int_text",
        "turns a huge integer into text",
        """
        import sys
        sys.set_int_max_str_digits(0)
        def f(x): return str(7 ** 10**7)
        """,
    ),
    attack("regex", "matches a pattern without end", "import re\ndef f(x): return re.match('(a+)+$', 'a' * 40 + 'b')"),
    attack("crash", "crashes the interpreter", "import ctypes\ndef f(x): return ctypes.string_at(0)"),
    attack(
        "crash_at_start",
        "crashes while it is defined",
        """
    import ctypes
    ctypes.memset(0, 0, 9)
    def f(x): return 0
    """,
    ),
)

HANG = (
    attack("sleep", "sleeps", "import time\ntime.sleep(1000)\ndef f(x): return 0"),
    attack("sleep_in_call", "sleeps in the call", "import time\ndef f(x): time.sleep(1000)"),
    attack("busy", "computes for ever", "def f(x):\n    while True: pass"),
    attack(
        "ignore_signals",
        "ignores all signals and every exception",
        """
        import signal
        for s in range(1, 65):
            try: signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True:
            try:
                while True: pass
            except BaseException: pass
        def f(x): return 0
        """,
    ),
    attack("stop_self", "stops itself", "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSTOP)"),
    attack(
        "main_thread_gone",
        "ends the main thread and leaves another",
        """
        import ctypes, threading, time
        def f(x): return 0
        threading.Thread(target=time.sleep, args=(1000,)).start()
        ctypes.CDLL(None).syscall({'x86_64': 60}.get(__import__('platform').machine(), 93), 0)
        """,
    ),
    attack(
        "deadlock",
        "waits for itself",
        "import threading\ndef f(x):\n    lock = threading.Lock()\n    lock.acquire(); lock.acquire()",
    ),
    attack(
        "stdin",
        "waits for input",
        """
    def f(x):
        while True:
            try: input()
            except EOFError: pass
    """,
    ),
    attack(
        "at_exit",
        "sleeps when it should end",
        "import atexit, time\natexit.register(time.sleep, 1000)\ndef f(x): return 7 * x + 5",
        honest=True,
    ),
    attack(
        "infinite_iterator",
        "returns what never ends",
        """
    import itertools
    def f(x): return list(itertools.count())
    """,
    ),
    attack(
        "children_busy",
        "computes in all its processes",
        "import os\nfor _ in range(4): os.fork()\nwhile True: pass\ndef f(x): return 0",
    ),
)

ODD = (
    attack("empty", "is empty", ""),
    attack("only_comment", "is a comment", "# f(3) == 26\n"),
    attack("no_function", "defines something else", "def g(x): return 7 * x + 5"),
    attack("syntax_error", "is no Python", "def f(x) return 26"),
    attack("nul_source", "has a NUL in its source", "def f(x): return 26\0\n"),
    attack("surrogate_source", "has a lone surrogate in its source", "def f(x): return '\ud800'\n"),
    attack("long_line", "is ten megabytes long", "x = '" + "a" * 10_000_000 + "'\ndef f(x): return 0\n"),
    attack("many_lines", "has a hundred thousand lines", "x = 1\n" * 100_000 + "def f(x): return 0\n"),
    attack("too_long", "is longer than any job may be", "#" + "a" * (33 << 20)),
    attack("deep_parentheses", "is nested ten thousand deep", "def f(x): return " + "(" * 10_000 + "26" + ")" * 10_000),
    attack("deep_operators", "is a chain of a hundred thousand operators", "def f(x): return " + "-" * 100_000 + "26"),
    attack(
        "deep_blocks",
        "is nested in blocks",
        "def f(x):\n" + "".join(" " * (i + 1) + "if x:\n" for i in range(99)) + " " * 101 + "return 26\n",
    ),
    attack("cookie", "declares an encoding that hides code", "# coding: utf-7\ndef f(x): return 0\n"),
    attack("form_feed", "is full of odd white space", "\ufeff\x0cdef f(x):\r\n\treturn 0\r"),
    attack(
        "confusable",
        "defines the function under a name that only looks alike",
        """
    def \N{MATHEMATICAL BOLD SMALL F}(x): return 7 * x + 5
    del f
    """,
    ),
    attack(
        "future",
        "turns a language feature on",
        """
    from __future__ import annotations, barry_as_FLUFL
    def f(x): return 26
    """,
    ),
)
