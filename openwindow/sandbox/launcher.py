"""The process that stays outside: it starts the first process of a new pid namespace, maps identities for it, and ends it.

It lives exactly as long as the supervisor that started it: when that is gone, however it ended, everything inside is killed.
"""

from __future__ import annotations

import os
import select
import signal
from typing import NoReturn

NOBODY = 65534
_LOOK_MS = 100  # how often it checks its child if it cannot wait for it


def fork_inside(as_root: bool) -> None:
    """Continues in a child, the first process of the new pid namespace; the parent waits and maps identities for it."""
    ask, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(ask[1], 8, inheritable=False)
        os.dup2(answer[0], 9, inheritable=False)
        for fd in (*ask, *answer):
            os.close(fd)
        return
    os.close(ask[1])
    _attend(child, ask[0], answer[1], as_root)


def _attend(child: int, ask: int, answer: int, as_root: bool) -> NoReturn:
    """The launcher's main loop: it maps identities on request, ends with its child, and ends the child once the supervisor is gone.

    The supervisor holds the other end of standard output; when it closes, an error condition is reported there.
    """
    os.close(0)
    os.close(2)
    poll = select.poll()
    poll.register(1, 0)
    poll.register(ask, select.POLLIN)
    pidfd = _opened(child)
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        ready = dict(poll.poll(None if pidfd is not None else _LOOK_MS))
        if 1 in ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        if ask in ready and (not os.read(ask, 1) or not as_root):
            poll.unregister(ask)
        elif ask in ready:
            os.write(answer, b"y" if _map_nobody(child) else b"n")
    os._exit(0)


def _opened(pid: int) -> int | None:
    """A descriptor that becomes ready when the process has ended; None if the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _map_nobody(child: int) -> bool:
    try:
        for kind in ("uid", "gid"):
            put(f"/proc/{child}/{kind}_map", f"{NOBODY} {NOBODY} 1")
    except OSError:
        return False
    return True


def put(path: str, text: str) -> None:
    """Writes a small file, such as the kernel's own."""
    with open(path, "w") as file:
        file.write(text)
