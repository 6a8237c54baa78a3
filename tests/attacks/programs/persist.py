"""Programs that leave something behind for the next one: files, processes, memory, changed modules."""

from attacks.attack import attack

PERSIST = (
    attack("leave_file", "leaves a file in its folder", "open('left', 'w').write('x')\ndef f(x): return 0"),
    attack("leave_many", "leaves many files", "for i in range(900): open(str(i), 'w')\ndef f(x): return 0"),
    attack(
        "leave_deep",
        "leaves folders nested as deep as it can",
        """
        import os
        try:
            while True:
                os.mkdir('d'); os.chdir('d')
        except OSError: pass
        def f(x): return 0
        """,
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
        """
        import os
        os.utime('.', (9, 9))
        try: os.setxattr('.', 'user.x', b'1')
        except OSError: pass
        def f(x): return 0
        """,
    ),
    attack(
        "rename_own_file",
        "moves its own file away",
        "import os\nos.rename(__file__, 'other')\nos.mkdir('submission.py')\ndef f(x): return 0",
    ),
    attack(
        "daemon",
        "leaves a process in a session of its own",
        """
        import os, time
        def f(x): return 0
        if os.fork() == 0:
            os.setsid()
            while True:
                time.sleep(0.001)
                open('left', 'w')
        """,
    ),
    attack(
        "double_fork",
        "leaves a grandchild that has lost its parent",
        """
        import os, time
        def f(x): return 0
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        os.wait()
        """,
    ),
    attack(
        "stopped_daemon",
        "leaves a stopped process that ignores signals",
        """
        import os, signal
        def f(x): return 0
        if os.fork() == 0:
            for s in range(1, 32):
                try: signal.signal(s, signal.SIG_IGN)
                except OSError: pass
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
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
        """
        import subprocess, sys
        def f(x): return 0
        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
        """,
    ),
    attack(
        "shared_memory",
        "leaves System V shared memory",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        if libc.shmget(4242, 4096, 0o1666) >= 0: print('ESCAPED', flush=True)
        def f(x): return 0
        """,
        "unfiltered",
    ),
    attack(
        "message_queue",
        "leaves a message queue and a semaphore",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        if libc.msgget(4242, 0o1666) >= 0 or libc.semget(4242, 1, 0o1666) >= 0: print('ESCAPED', flush=True)
        def f(x): return 0
        """,
        "unfiltered",
    ),
    attack(
        "posix_memory",
        "leaves POSIX shared memory",
        """
        from multiprocessing import shared_memory
        try:
            shared_memory.SharedMemory('pwned', True, 99)
            print('ESCAPED', flush=True)
        except OSError: pass
        def f(x): return 0
        """,
    ),
    attack(
        "module_state",
        "leaves changed modules and builtins",
        """
        import builtins, math, sys, os, marshal
        builtins.PWNED = 1
        math.pi = 3
        sys.PWNED = 1
        os.environ['PWNED'] = '1'
        marshal.loads = None
        sys.path.insert(0, '/tmp')
        def f(x): return 0
        """,
    ),
    attack(
        "umask",
        "leaves another umask, folder and limit",
        """
        import os, resource, sys
        os.umask(0)
        os.chdir('/')
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))
        sys.setrecursionlimit(50)
        def f(x): return 0
        """,
    ),
)
