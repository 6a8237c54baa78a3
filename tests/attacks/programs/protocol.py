"""Programs that speak for the runner: bytes on every descriptor, values made to break whoever reads them."""

from attacks.attack import attack

_SPEAK = """
import os
def answer(kind, body): return kind + len(body).to_bytes(4, "little") + body
def say(data):
    for fd in range(3, 40):
        try:
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, 0)
        except OSError:
            pass
        try: os.write(fd, data)
        except OSError: pass
def forge(*bodies):
    say(answer(b"D", b"") + b"".join([answer(b"V", b) for b in bodies]))
    os._exit(0)
def f(x): return 0
"""


def _speaks(id: str, tries: str, call: str, *, honest: bool = False):
    return attack(id, tries, _SPEAK + call + "\n", honest=honest)


PROTOCOL = (
    _speaks("forge_constant", "writes all answers itself, as the visible one", 'forge(*[b"26"] * 49)'),
    _speaks("forge_few", "writes the visible answer alone, and says it is done", 'forge(b"26")'),
    _speaks("forge_many", "writes far more answers than calls", 'forge(*[b"26"] * 5000)'),
    _speaks("forge_nothing", "says it is done without an answer", "forge()"),
    _speaks("forge_twice", "says twice that it is ready", 'say((answer(b"D", b"")) * 2); os._exit(0)'),
    _speaks("forge_unknown", "writes a kind that does not exist", 'say(answer(b"D", b"") + answer(b"T", b"true")); os._exit(0)'),
    _speaks("forge_verdict", "writes the verdict", 'say(b\'{"proxy": true, "truth": true}\'); os._exit(0)'),
    _speaks("forge_reply", "writes a whole reply of the worker", 'say(b"OWN1" + bytes(56)); os._exit(0)'),
    _speaks("garbage", "writes random bytes to every descriptor", "say(os.urandom(5000)); os._exit(0)"),
    _speaks("cut_off", "announces more than it sends", 'say(answer(b"D", b"") + b"V" + b"\\xff" * 4 + b"26"); os._exit(0)'),
    _speaks("nested", "sends brackets without end", 'forge(*[b\'["l",[\' * 50000 + b"26" + b"]]" * 50000] * 1)'),
    _speaks("nested_plain", "sends plain brackets without end", 'forge(b"[" * 300000)'),
    _speaks("not_a_number", "sends what only a lax parser takes", 'forge(*[b"NaN", b"Infinity", b"26.0", b"2.6e1"] * 12)'),
    _speaks("object", "sends a JSON object", 'forge(*[b\'{"__class__": "int", "value": 26}\'] * 49)'),
    _speaks("long_decimal", "sends an integer of 300000 digits", 'forge(b"1" * 300000)'),
    _speaks("long_hex", "sends an integer of a megabyte", 'forge(b\'["i","\' + b"f" * 900000 + b\'"]\')'),
    _speaks("bad_utf8", "sends bytes that are no text", 'forge(b\'["u","ff80"]\', b"\\xff\\xfe", b\'["u","zz"]\')'),
    _speaks("pickle", "sends a pickle that would run code", "import pickle\nforge(pickle.dumps(26))"),
    _speaks("marshal", "sends marshalled data", "import marshal\nforge(marshal.dumps(26))"),
    _speaks(
        "same_hash",
        "sends a set whose members collide, so that reading it takes minutes",
        'm = 2**61 - 1\nforge(b\'["s",[\' + b",".join([b\'["i","%x"]\' % (m * k) for k in range(9, 30000)]) + b"]]")',
    ),
    _speaks(
        "unhashable",
        "sends a set of lists, a dict of sets, a dict of triples",
        'forge(b\'["s",[["l",[]]]]\', b\'["d",[[["s",[]],1]]]\', b\'["d",[[1,2,3]]]\', b\'["s",[1,1]]\')',
    ),
    _speaks("raised_flood", "sends error texts of control characters", 'say(answer(b"F", b"\\x1b[2J\\x00" * 100)); os._exit(0)'),
    attack(
        "rewrite_later",
        "a thread rewrites the answers while others are computed",
        """
        import os, threading
        def spoil():
            while True:
                try: os.pwrite(3, b"D" + bytes(4) + (b"V" + bytes([2, 0, 0, 0]) + b"26") * 49, 0)
                except OSError: pass
        threading.Thread(target=spoil, daemon=True).start()
        def f(x): return 0
        """,
    ),
    attack(
        "rewrite_from_child",
        "a process that stays behind rewrites the answers after the end",
        """
        import os, time
        def f(x): return 0
        if os.fork() == 0:
            os.setsid()
            while True:
                try: os.pwrite(3, b"D" + bytes(4) + (b"V" + bytes([2, 0, 0, 0]) + b"26") * 49, 0)
                except OSError: pass
        """,
    ),
    attack("itself", "returns a list that contains itself", "def f(x):\n    a = []\n    a.append(a)\n    return a"),
    attack(
        "sharing",
        "returns 2**60 parts in 60 lists",
        """
        def f(x):
            a = [26]
            for _ in range(60): a = [a, a]
            return a
        """,
    ),
    attack("huge_int", "returns an integer of eight megabytes", "def f(x): return 1 << (1 << 26)"),
    attack("huge_text", "returns text of a hundred megabytes", "def f(x): return 'a' * 100_000_000"),
    attack("huge_list", "returns a list of millions", "def f(x): return list(range(3_000_000))"),
    attack("surrogates", "returns text that is no Unicode", "def f(x): return '\\ud800\\udfff' + chr(0) + '\\x1b[2J'"),
    attack(
        "nul_keys",
        "returns keys of NUL and surrogates",
        "def f(x): return {'\\0': {'\\udcff': b'\\0'}, ('\\0',): frozenset({None})}",
    ),
    attack(
        "hostile_error",
        "raises an error whose text raises",
        """
        class Bad(Exception):
            def __str__(self): raise KeyboardInterrupt
            __repr__ = __str__
        def f(x): raise Bad()
        """,
    ),
    attack(
        "hostile_name",
        "raises an error of a class with a name of control characters",
        "Bad = type('\\x1b[2J\\ud800' * 9999, (BaseException,), {})\ndef f(x): raise Bad('\\0' * 100000)",
    ),
    attack(
        "hostile_type",
        "returns an object whose class breaks when looked at",
        """
        class Meta(type):
            def __getattribute__(cls, name): raise SystemExit(0)
        class Bad(metaclass=Meta): pass
        def f(x): return Bad()
        """,
    ),
    attack("interrupt", "raises KeyboardInterrupt", "def f(x): raise KeyboardInterrupt"),
    attack("generator_exit", "raises GeneratorExit", "def f(x): raise GeneratorExit"),
    attack("close_all", "closes every descriptor", "import os\nos.closerange(0, 100)\ndef f(x): return 0"),
    attack(
        "print_surrogates",
        "prints what cannot be printed",
        "print('a\\0b\\x1b[2J', end='')\nimport sys\nsys.stdout.buffer.write(bytes(range(256)))\ndef f(x): return 0",
    ),
)
