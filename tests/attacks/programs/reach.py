"""Programs that try to reach the network, or the grader and what it knows."""

from attacks.attack import attack
from attacks.programs.escape import calls_kernel, reaches

NETWORK = (
    reaches(
        "tcp",
        "connects to a server of this machine",
        "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 1).send(b'x'); win()",
        "bare",
    ),
    reaches(
        "tcp6",
        "the same by the newer protocol",
        "import socket\ns = socket.socket(socket.AF_INET6)\ns.settimeout(1); s.connect(('::1', @PORT@)); win()",
    ),
    reaches(
        "udp",
        "sends a datagram",
        """
    import socket
    socket.socket(2, 2).sendto(b'x', ('127.0.0.1', @PORT@)); win()
    """,
        "bare",
    ),
    reaches(
        "unix_socket",
        "connects to a socket in the file system",
        "import socket\ns = socket.socket(1)\ns.connect('@SOCKET@'); win()",
        "bare",
    ),
    reaches(
        "abstract_socket",
        "connects to an abstract socket",
        "import socket\ns = socket.socket(1)\ns.connect('\\0@SOCKET@'); win()",
        "bare",
    ),
    reaches("dns", "resolves a name", "import socket\nwin(socket.getaddrinfo('example.com', 80))"),
    reaches("raw_socket", "opens a raw socket", "import socket\nsocket.socket(2, 3, 1); win()"),
    reaches("packet_socket", "opens a packet socket", "import socket\nsocket.socket(17, 3, 768); win()"),
    reaches("netlink", "talks to the kernel's network", "import socket\nsocket.socket(16, 3, 0); win()", "bare"),
    reaches(
        "vsock",
        "talks to the machine outside this one",
        "import socket\ns = socket.socket(40, 1)\ns.settimeout(1); s.connect((2, 1024)); win()",
    ),
    reaches(
        "listen",
        "opens a port",
        """
    import socket
    s = socket.socket()
    s.bind(('127.0.0.1', 0)); s.listen(); win()
    """,
        "bare",
    ),
    reaches(
        "http",
        "fetches a page",
        """
        import urllib.request
        urllib.request.urlopen('http://127.0.0.1:@PORT@/', timeout=1); win()
        """,
    ),
    reaches(
        "metadata",
        "asks the cloud for credentials",
        "import urllib.request\nurllib.request.urlopen('http://169.254.169.254/', timeout=1); win()",
    ),
    calls_kernel("socket_call", "opens a socket without the library", "win(libc.syscall(number(41, 198), 2, 1, 0))", "unfiltered"),
)

READ = (
    reaches(
        "environ",
        "reads the environment it was given",
        "secret = [k for k in os.environ if 'OPENWINDOW' in k or 'TOKEN' in k]\nif secret: win(secret)",
        "bare",
    ),
    reaches(
        "arguments",
        "reads its command line",
        "if any('/openwindow/' in a for a in sys.argv + sys.orig_argv): win(sys.argv)",
    ),
    reaches(
        "descriptors",
        "reads everything that is open",
        """
        for fd in range(100):
            try: data = os.pread(fd, 10000, 0)
            except OSError: continue
            if b'assert' in data: win(data)
        """,
    ),
    reaches(
        "loaded_modules",
        "looks for the grader among the loaded modules",
        "found = [m for m in sys.modules if 'openwindow' in m or 'verdict' in m]\nif found: win(found)",
    ),
    reaches(
        "live_objects",
        "looks for cases among live objects",
        """
        import gc
        found = [o for o in gc.get_objects() if type(o).__name__ in ('Case', 'Problem', 'Grader', 'Verdict')]
        if found: win(found)
        """,
    ),
    reaches(
        "path",
        "finds packages of the host on the path",
        """
        import importlib.util
        found = [n for n in ('numpy', 'torch', 'pydantic', 'pip', 'pytest') if importlib.util.find_spec(n)]
        if found: win(found)
        """,
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

REACH = (*NETWORK, *READ)
