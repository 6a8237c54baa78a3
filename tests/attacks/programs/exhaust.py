"""Programs that leave something behind, use up what there is, or do not end; and programs that are odd to read."""

from attacks.attack import attack

PERSIST = (
    attack("leave_file", "leaves a file in its folder", "open('left', 'w').write('x')\ndef f(x): return 0"),
    attack("leave_many", "leaves many files", "for i in range(900): open(str(i), 'w')\ndef f(x): return 0"),
    attack(
        "leave_deep",
        "leaves folders nested as deep as it can",
        "import os\ntry:\n    while True:\n        os.mkdir('d'); os.chdir('d')\nexcept OSError: pass\ndef f(x): return 0",
    ),
    attack(
        "leave_locked",
        "leaves a folder that may not be entered",
        "import os\nos.makedirs('a/b/c')\nos.chmod('a/b', 0)\nos.chmod('a', 0)\ndef f(x): return 0",
    ),
    attack(
        "leave_names",
        "leaves files with strange names",
        "for n in ('\\n', ' ', '\\udcff', '\\x1b[2J', 'a' * 255, '-rf', '*'): open(n, 'w')\ndef f(x): return 0",
    ),
    attack(
        "leave_fifo",
        "leaves a pipe that blocks who opens it",
        "import os\nos.mkfifo('p')\nos.symlink('p', 'q')\nos.symlink('/', 'r')\ndef f(x): return 0",
    ),
    attack("lock_folder", "takes its folder's rights away", "import os\nos.chmod('.', 0)\ndef f(x): return 0"),
    attack(
        "mark_folder",
        "marks its folder with times and attributes",
        "import os\nos.utime('.', (9, 9))\ntry: os.setxattr('.', 'user.x', b'1')\nexcept OSError: pass\ndef f(x): return 0",
    ),
    attack(
        "rename_own_file",
        "moves its own file away",
        "import os\nos.rename(__file__, 'other')\nos.mkdir('submission.py')\ndef f(x): return 0",
    ),
    attack(
        "daemon",
        "leaves a process in a session of its own",
        "import os, time\ndef f(x): return 0\nif os.fork() == 0:\n    os.setsid()\n    while True:\n        time.sleep(0.001)\n        open('left', 'w')",
    ),
    attack(
        "double_fork",
        "leaves a grandchild that has lost its parent",
        "import os, time\ndef f(x): return 0\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(0)\nos.wait()",
    ),
    attack(
        "stopped_daemon",
        "leaves a stopped process that ignores signals",
        "import os, signal\ndef f(x): return 0\nif os.fork() == 0:\n    for s in range(1, 32):\n        try: signal.signal(s, signal.SIG_IGN)\n        except OSError: pass\n    os.kill(os.getpid(), signal.SIGSTOP)",
    ),
    attack(
        "zombies",
        "leaves processes that nobody has waited for",
        "import os\ndef f(x): return 0\nfor _ in range(6):\n    if os.fork() == 0: os._exit(0)",
    ),
    attack(
        "forker",
        "leaves a process that forks itself again and again",
        "import os\ndef f(x): return 0\nif os.fork() == 0:\n    while True:\n        if os.fork(): os._exit(0)",
    ),
    attack(
        "thread",
        "leaves a thread that is no daemon",
        "import threading, time\ndef f(x): return 0\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ),
    attack(
        "python_child",
        "leaves another interpreter",
        "import subprocess, sys\ndef f(x): return 0\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
    ),
    attack(
        "shared_memory",
        "leaves System V shared memory",
        "import ctypes\nlibc = ctypes.CDLL(None)\nif libc.shmget(4242, 4096, 0o1666) >= 0: print('ESCAPED', flush=True)\ndef f(x): return 0",
    ),
    attack(
        "message_queue",
        "leaves a message queue and a semaphore",
        "import ctypes\nlibc = ctypes.CDLL(None)\nif libc.msgget(4242, 0o1666) >= 0 or libc.semget(4242, 1, 0o1666) >= 0: print('ESCAPED', flush=True)\ndef f(x): return 0",
    ),
    attack(
        "posix_memory",
        "leaves POSIX shared memory",
        "from multiprocessing import shared_memory\ntry:\n    shared_memory.SharedMemory('pwned', True, 99)\n    print('ESCAPED', flush=True)\nexcept OSError: pass\ndef f(x): return 0",
    ),
    attack(
        "module_state",
        "leaves changed modules and builtins",
        "import builtins, math, sys, os, marshal\nbuiltins.PWNED = 1\nmath.pi = 3\nsys.PWNED = 1\nos.environ['PWNED'] = '1'\nmarshal.loads = None\nsys.path.insert(0, '/tmp')\ndef f(x): return 0",
    ),
    attack(
        "umask",
        "leaves another umask, folder and limit",
        "import os, resource, sys\nos.umask(0)\nos.chdir('/')\nresource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))\nsys.setrecursionlimit(50)\ndef f(x): return 0",
    ),
)

EXHAUST = (
    attack("memory_list", "fills memory with a list", "def f(x):\n    a = [0]\n    while True: a += a"),
    attack("memory_bytes", "asks for all memory at once", "def f(x): return len(bytearray(1 << 40)) + len('x' * (1 << 33))"),
    attack("memory_at_start", "fills memory while it is defined", "a = 'x' * 10\nwhile True: a += a\ndef f(x): return 0"),
    attack(
        "memory_children",
        "fills memory in several processes",
        "import os\ndef f(x): return 0\nfor _ in range(6):\n    if os.fork() == 0: break\na = []\ntry:\n    while True: a.append(bytearray(1 << 20))\nexcept MemoryError: pass",
    ),
    attack(
        "memory_files",
        "fills memory through files in memory",
        "import os\ndef f(x): return 0\nfds = []\ntry:\n    while True:\n        fds.append(os.memfd_create('m'))\n        os.write(fds[-1], bytes(1 << 21))\nexcept OSError: pass",
    ),
    attack(
        "disk",
        "fills the disk with one file",
        "def f(x): return 0\nwith open('big', 'wb') as b:\n    for _ in range(10**6): b.write(bytes(1 << 16))",
    ),
    attack(
        "disk_many",
        "fills the disk with many files",
        "def f(x): return 0\nn = 0\ntry:\n    for i in range(100000):\n        open(str(i), 'wb').write(bytes(1 << 16)); n += 1\nexcept OSError: pass\nif n > 64: print('ESCAPED', n)",
    ),
    attack(
        "inodes",
        "fills the disk with empty files",
        "import os\ndef f(x): return 0\nn = 0\ntry:\n    for i in range(10**6): os.close(os.open(str(i), os.O_CREAT)); n += 1\nexcept OSError: pass\nif n > 5000: print('ESCAPED', n)",
    ),
    attack(
        "sparse",
        "makes a file that is larger than it is",
        "import os\ndef f(x): return 0\ntry:\n    os.truncate(os.open('s', os.O_CREAT | os.O_RDWR), 1 << 40)\n    print('ESCAPED')\nexcept OSError: pass",
    ),
    attack(
        "fork_bomb", "forks without end", "import os\ndef f(x): return 0\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    ),
    attack(
        "fork_count",
        "counts how many processes it may have",
        "import os, time\ndef f(x): return 0\nn = 0\ntry:\n    while n < 500:\n        if os.fork() == 0: time.sleep(9)\n        n += 1\nexcept OSError: pass\nif n > 20: print('ESCAPED', n, flush=True)",
    ),
    attack(
        "threads",
        "starts threads without end",
        "import threading, time\ndef f(x): return 0\nn = 0\ntry:\n    while n < 500: threading.Thread(target=time.sleep, args=(9,), daemon=True).start(); n += 1\nexcept RuntimeError: pass\nif n > 20: print('ESCAPED', n, flush=True)",
    ),
    attack(
        "descriptor_flood",
        "opens without end",
        "def f(x): return 0\na = []\ntry:\n    while len(a) < 5000: a.append(open('/dev/null'))\nexcept OSError: pass\nif len(a) > 200: print('ESCAPED', len(a))",
    ),
    attack(
        "pipes",
        "fills the buffers of pipes",
        "import os\ndef f(x): return 0\ntry:\n    while True:\n        r, w = os.pipe(); os.set_blocking(w, False)\n        try: os.write(w, bytes(1 << 20))\n        except BlockingIOError: pass\nexcept OSError: pass",
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
        "import os\ndef f(x): return 0\ntry:\n    os.lseek(1, 1 << 40, 0); os.write(1, b'x')\nexcept OSError: pass\nfor i in range(10): os.ftruncate(1, 1000 * i)",
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
        "int_text", "turns a huge integer into text", "import sys\nsys.set_int_max_str_digits(0)\ndef f(x): return str(7 ** 10**7)"
    ),
    attack("regex", "matches a pattern without end", "import re\ndef f(x): return re.match('(a+)+$', 'a' * 40 + 'b')"),
    attack("crash", "crashes the interpreter", "import ctypes\ndef f(x): return ctypes.string_at(0)"),
    attack("crash_at_start", "crashes while it is defined", "import ctypes\nctypes.memset(0, 0, 9)\ndef f(x): return 0"),
)

HANG = (
    attack("sleep", "sleeps", "import time\ntime.sleep(1000)\ndef f(x): return 0"),
    attack("sleep_in_call", "sleeps in the call", "import time\ndef f(x): time.sleep(1000)"),
    attack("busy", "computes for ever", "def f(x):\n    while True: pass"),
    attack(
        "ignore_signals",
        "ignores all signals and every exception",
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass\ndef f(x): return 0",
    ),
    attack("stop_self", "stops itself", "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSTOP)"),
    attack(
        "main_thread_gone",
        "ends the main thread and leaves another",
        "import ctypes, threading, time\ndef f(x): return 0\nthreading.Thread(target=time.sleep, args=(1000,)).start()\nctypes.CDLL(None).syscall({'x86_64': 60}.get(__import__('platform').machine(), 93), 0)",
    ),
    attack(
        "deadlock",
        "waits for itself",
        "import threading\ndef f(x):\n    lock = threading.Lock()\n    lock.acquire(); lock.acquire()",
    ),
    attack("stdin", "waits for input", "def f(x):\n    while True:\n        try: input()\n        except EOFError: pass"),
    attack(
        "at_exit",
        "sleeps when it should end",
        "import atexit, time\natexit.register(time.sleep, 1000)\ndef f(x): return 7 * x + 5",
        honest=True,
    ),
    attack("infinite_iterator", "returns what never ends", "import itertools\ndef f(x): return list(itertools.count())"),
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
    attack("confusable", "defines the function under a name that only looks alike", "def \U0001d41f(x): return 7 * x + 5\ndel f\n"),
    attack("future", "turns a language feature on", "from __future__ import annotations, barry_as_FLUFL\ndef f(x): return 26"),
)
