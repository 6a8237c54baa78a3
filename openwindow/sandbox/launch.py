"""The first thing a worker's process does: it isolates itself and becomes the worker.

If the worker can give up everything once and for all, it does so by restarting the interpreter: what was needed
to isolate (ctypes above all) is then not in the memory that every program's process is forked from. The code for the
new interpreter travels in its arguments, because the files that it came from are no longer visible.
"""

# ruff: noqa: PTH120
# No pathlib: see isolation.py.

from __future__ import annotations

import marshal
import os
from types import CodeType

from openwindow.sandbox import isolation, wire, worker

_BOOT = """
import marshal, sys, types
modules, arguments = marshal.loads(bytes.fromhex(sys.argv[1]))
for name, code in modules:
    sys.modules[name] = types.ModuleType(name)
    if code is not None:
        exec(code, sys.modules[name].__dict__)
sys.modules["openwindow.sandbox.worker"].main(*arguments)
"""


def main(settings: isolation.Settings, wall: float, keep_out: int, keep_result: int) -> None:
    """Does not return while the worker lives."""
    here = os.path.dirname(__file__)
    modules: list[tuple[str, CodeType | None]] = [("openwindow", None), ("openwindow.sandbox", None)]
    modules += [(f"openwindow.sandbox.{name}", _compiled(f"{here}/{name}.py")) for name in ("wire", "empty_folder", "worker")]
    executable = os.path.realpath("/proc/self/exe")
    measures = isolation.enter(settings, executable)
    hello = wire.encode((measures.force, measures.missing))
    limits = (wall, settings.cpu_seconds, keep_out, keep_result, settings.longest_mb << 20)
    arguments = (limits, measures.folder, settings.readable, hello)
    if measures.shared():
        payload = marshal.dumps((modules, arguments)).hex()
        os.execv(executable, [executable, "-s", "-S", "-P", "-B", "-c", _BOOT, payload])
    worker.main(*arguments, lambda: isolation.confine(measures))


def _compiled(path: str) -> CodeType:
    with open(path, encoding="utf-8") as file:
        return compile(file.read(), "<openwindow>", "exec", dont_inherit=True)
