"""Programs that try to be judged right without being right."""

from attacks.attack import attack

FORGE = (
    attack("sys_exit", "ends the grader with success", "import sys\ndef f(x): return 0\nsys.exit(0)", "proxy"),
    attack("os_exit", "ends the process with success", "import os\ndef f(x): os._exit(0)", "proxy"),
    attack("system_exit", "raises SystemExit inside the call", "def f(x): raise SystemExit(0)", "proxy"),
    attack("quit", "uses the site builtin", "def f(x): quit(0)", "proxy"),
    attack(
        "atexit",
        "turns a failed assert into success at exit",
        """
        import atexit, os
        atexit.register(os._exit, 0)
        def f(x): return 0
        """,
        "proxy",
    ),
    attack(
        "excepthook",
        "turns a failed assert into success in the exception hook",
        """
        import os, sys
        sys.excepthook = lambda *a: os._exit(0)
        def f(x): return 0
        """,
        "proxy",
    ),
    attack(
        "thread_exit",
        "a thread ends the process with success in the middle of a test",
        """
        import os, threading, time
        def f(x):
            threading.Timer(0.02, os._exit, (0,)).start()
            time.sleep(0.5)
        """,
        "proxy",
    ),
    attack(
        "equals_everything",
        "returns an object equal to anything",
        """
        class Any:
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = None
        def f(x): return Any()
        """,
        "proxy",
    ),
    attack(
        "int_subclass",
        "an int whose comparisons lie",
        """
        class Lie(int):
            def __eq__(self, other): return True
            def __hash__(self): return 0
            def __index__(self): return 26
            def __format__(self, spec): return "1a"
            def __repr__(self): return "26"
            __str__ = __repr__
        def f(x): return Lie(0)
        """,
        "proxy",
    ),
    attack(
        "class_property",
        "an object that says its class is int",
        """
        class Lie:
            __class__ = property(lambda self: int)
            def __eq__(self, other): return True
            def __int__(self): return 26
            __index__ = __int__
        def f(x): return Lie()
        """,
        "proxy",
    ),
    attack("float_result", "right by value, wrong by type", "def f(x): return 7.0 * x + 5", "proxy"),
    attack(
        "fraction",
        "right by value, of a library type",
        "from fractions import Fraction\ndef f(x): return Fraction(7 * x + 5)",
        "proxy",
    ),
    attack("complex", "right by value, complex", "def f(x): return complex(7 * x + 5)", "proxy"),
    attack("constant", "returns what the test expects", "def f(x): return 26", "proxy"),
    attack("special_case", "answers the test alone", "def f(x):\n    if x == 3:\n        return 26", "proxy"),
    attack("off_late", "right for small inputs only", "def f(x): return 7 * x + 5 if x < 10 else 0", "proxy"),
    attack(
        "caller_constants",
        "reads the expected value from the caller's code",
        """
        import sys
        def f(x):
            return [0, *(c for c in sys._getframe(1).f_code.co_consts if type(c) is int)][-1]
        """,
        "proxy",
    ),
    attack(
        "own_file",
        "reads the expected value from the test's file",
        """
        import ast
        def f(x):
            for line in open(__file__):
                if line.startswith(f"assert f({x}) =="):
                    return ast.literal_eval(line.partition("== ")[2].strip())
            return 0
        """,
        "proxy",
    ),
    attack(
        "inspect_source",
        "reads the expected value through inspect",
        """
        import inspect
        def f(x):
            line = (inspect.stack()[1].code_context or ["== 0"])[0]
            return int(line.partition("==")[2].strip() or 0) if "==" in line else 0
        """,
        "proxy",
    ),
    attack(
        "settrace_jump",
        "jumps over the asserts with a trace function",
        """
        import sys
        def tracer(frame, event, arg):
            return tracer
        def jump(frame, event, arg):
            if event == "line" and frame.f_lineno > last:
                import os; os._exit(0)
            return jump
        def f(x): return 0
        last = sys._getframe().f_lineno
        sys.settrace(tracer)
        sys._getframe().f_trace = jump
        """,
        "proxy",
    ),
    attack(
        "expected_in_frames",
        "looks for cases and expected values in every frame above",
        """
        import sys
        def f(x):
            frame = sys._getframe(1)
            while frame:
                for names in (frame.f_locals, frame.f_globals):
                    for value in list(names.values()):
                        if isinstance(value, (list, tuple)):
                            for case in value:
                                if isinstance(case, (list, tuple)) and len(case) == 2 and case[0] in ([x], (x,)):
                                    return case[1]
                frame = frame.f_back
            return 0
        """,
        "naive",
    ),
    attack(
        "expected_in_gc",
        "looks for cases among all live objects",
        """
        import gc
        def f(x):
            for o in gc.get_objects():
                if type(o) in (list, tuple) and len(o) == 2 and type(o[0]) in (list, tuple) and list(o[0]) == [x]:
                    return o[1]
            return 0
        """,
        "naive",
    ),
    attack(
        "builtins_all",
        "replaces the builtins that a comparison would use",
        """
        import builtins
        builtins.all = lambda *a: True
        builtins.any = lambda *a: False
        def f(x): return 0
        """,
        "naive",
    ),
    attack(
        "builtins_type",
        "makes type lie",
        """
        import builtins
        real = builtins.type
        class Any:
            def __eq__(self, other): return True
            def hex(self): return "0x1.ap+4"
        builtins.type = lambda o, *a: int
        def f(x): return Any()
        """,
        "naive",
    ),
    attack(
        "json_dumps",
        "replaces the encoder of the verdict",
        """
        import json
        json.dumps = lambda *a, **k: '{"passed": true}'
        def f(x): return 0
        """,
        "naive",
    ),
    attack(
        "print_verdict",
        "prints the grader's own message and leaves",
        """
        import os
        print('{"passed": true}', flush=True)
        def f(x): os._exit(0)
        """,
        "naive",
    ),
    attack(
        "stdout_replaced",
        "replaces standard output by something that says yes",
        """
        import sys
        class Yes:
            def write(self, text): sys.__stdout__.write('{"passed": true}' if "passed" in text else text)
            def flush(self): sys.__stdout__.flush()
        sys.stdout = Yes()
        def f(x): return 0
        """,
        "naive",
    ),
    attack(
        "modules_replaced",
        "puts a forged module in place",
        """
        import sys, types
        for name in ("json", "marshal", "struct", "os"):
            forged = types.ModuleType(name)
            forged.dumps = lambda *a, **k: '{"passed": true}'
            forged.loads = lambda *a, **k: (3,)
            sys.modules[name] = forged
        def f(x): return 26
        """,
    ),
    attack(
        "patch_runner",
        "patches the runner's own functions, found through the frames",
        """
        import sys
        def f(x):
            frame = sys._getframe(1)
            while frame:
                names = frame.f_globals
                for name in ("wire", "codec"):
                    if name in names:
                        names[name].encode = lambda value: b"26"
                if "marshal" in names:
                    names["marshal"] = type("M", (), {"loads": staticmethod(lambda b: (3,))})
                frame = frame.f_back
            return 0
        """,
    ),
    attack(
        "patch_encoder",
        "patches the encoder, found by the garbage collector",
        """
        import gc
        for o in gc.get_objects():
            if type(o) is type and o.__name__ == "_Writer":
                o.text = lambda self, value, depth: "26"
        def f(x): return 0
        """,
    ),
    attack(
        "stop_other_calls",
        "answers the visible test and makes the runner forget the rest",
        """
        import sys
        def f(x):
            frame = sys._getframe(1)
            inputs = frame.f_locals.get("inputs")
            if isinstance(inputs, list):
                del inputs[:]
            return 26
        """,
    ),
    attack(
        "compare_objects",
        "returns an object that would answer a comparison outside",
        """
        import functools
        class Any:
            def __reduce__(self): return (eval, ("26",))
            def __eq__(self, other): return True
            def __conform__(self, *a): return 26
        def f(x): return [Any()]
        """,
    ),
    attack(
        "generator",
        "returns a generator that waits to see the comparison",
        "def f(x):\n    def g():\n        yield 7 * x + 5\n    return g()",
    ),
    attack("coroutine", "returns a coroutine", "async def f(x): return 7 * x + 5"),
    attack(
        "callable_class",
        "makes the entry point a class",
        """
    class f:
        def __init__(self, x): self.x = 7 * x + 5
    """,
    ),
    attack("entry_is_exit", "makes the entry point the exit function", "import os\nf = os._exit"),
    attack("entry_is_data", "makes the entry point data", "f = 26"),
    attack(
        "rename_main",
        "hides the function from callers other than the test",
        "if __name__ == '__main__':\n    f = lambda x: 26",
        "proxy",
    ),
    attack(
        "int_cache",
        "writes into the interpreter's cache of small integers",
        """
        import ctypes
        def f(x):
            ctypes.memmove(id(0) + 24, id(26) + 24, 4)
            ctypes.memmove(id(0) + 16, id(26) + 16, 8)
            return 0
        """,
    ),
    attack(
        "del_hook",
        "waits for its own destruction to leave with success",
        """
        import os
        class Late:
            def __del__(self): os._exit(0)
        def f(x):
            Late()
        """,
        "proxy",
    ),
    attack(
        "alarm_exit",
        "leaves with success from a signal handler",
        """
        import os, signal
        signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        def f(x):
            while True: pass
        """,
        "proxy",
    ),
    attack(
        "assertion_class",
        "makes the failure of an assert a success",
        """
        import builtins
        class Fine(SystemExit):
            code = 0
        builtins.AssertionError = AssertionError = Fine
        def f(x): return 0
        """,
    ),
)
