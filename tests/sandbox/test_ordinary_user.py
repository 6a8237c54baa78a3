"""The sandbox and the shell as an ordinary user, when the tests themselves run as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import openwindow

pytestmark = pytest.mark.slow

NOBODY = 65534
PROGRAM = """
import json, os, sys
from openwindow.sandbox.sandbox import Calls, Sandbox
from openwindow.sandbox.shell import Shell
from openwindow.errors import SandboxError
TRY = '''
import os
def f(path):
    seen = []
    for action in (lambda: open(path).read(), lambda: open(path, "w"), lambda: os.listdir("/home"), lambda: os.kill(1, 9),
                   lambda: __import__("socket").create_connection(("127.0.0.1", 22), 1), lambda: os.setuid(0)):
        try: seen.append(repr(action()))
        except Exception: pass
    return seen
'''
with Sandbox(1) as sandbox:
    host = sandbox.describe()
    leaves, looks = "open('left', 'w')\\ndef f(x): return 0", "import os\\ndef f(x): return os.listdir()"
    left = sandbox.run([Calls(source, "f", ((1,),)) for source in (leaves, looks)])
    reached = sandbox.run([Calls(TRY, "f", ((sys.argv[1],),))])[0]
try:
    with Shell() as shell: said = shell.run(["sh", "-c", f"cat {sys.argv[1]}; echo ended"]).stdout.decode()
except SandboxError as error:
    said = str(error)
print(json.dumps([os.getuid(), sorted(host.guarantees), repr(left[1].values), repr(reached.values), said]))
"""  # fmt: skip


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can read, with the package in it."""
    folder = Path(tempfile.mkdtemp(prefix="openwindow-public-"))
    shutil.copytree(Path(openwindow.__file__).parent, folder / "openwindow", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (folder / "canary").write_text("secret")
    (folder / "canary").chmod(0o666)
    yield folder
    shutil.rmtree(folder)


def reachable(path: Path) -> bool:
    """Whether everybody may start this interpreter, and it is new enough."""
    if not path.exists() or any(not folder.stat().st_mode & 1 for folder in path.resolve().parents):
        return False
    words = [str(path), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def test_an_ordinary_user_has_the_same_isolation(public: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests are run as an ordinary user already")
    interpreter = next((p for p in (Path(sys.executable).resolve(), Path("/usr/bin/python3")) if reachable(p)), None)
    if interpreter is None:
        pytest.skip("no interpreter that everybody may start")
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(public), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [str(interpreter), "-c", PROGRAM, str(public / "canary")]
    ran = subprocess.run(
        words,
        cwd="/",
        env=environ,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    user, guarantees, left, reached, said = json.loads(ran.stdout)
    assert user == NOBODY
    assert {"network", "processes", "syscalls"} <= set(guarantees)
    assert left == "(Returned([]),)" or left == "(Returned(['submission.py']),)"
    assert reached in ("(Returned([]),)", "(Returned(['None']),)")  # a signal to the first process is sent and not heard
    assert said == "ended\n" or "use docker" in said
    assert (public / "canary").read_text() == "secret"
