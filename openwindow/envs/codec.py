"""What reads a program's answers, and what it means that two values are the same.

The decoder takes any bytes at all, as if from an enemy: it builds plain values only, in time and memory proportional
to the bytes it was given. `marshal`, `pickle` and `eval` are never used on what comes from a program. The format is
that of `wire.py`, which writes it. Not covered: whether a value is right, which is for `verdict.py`.
"""

from __future__ import annotations

import json
from collections import Counter

from openwindow.envs.wire import MAX_DEPTH, WireError

MAX_SAME_HASH = 64  # keys of one set or dict that share a hash: more are made on purpose, to cost quadratic time


def decode(data: bytes) -> object:
    """The value that the bytes stand for; WireError for anything that `encode` would not have written."""
    try:
        tree = json.loads(
            data.decode("ascii"), parse_int=_integer, parse_float=_refuse, parse_constant=_refuse, object_hook=_refuse
        )
        return _unpack(tree, 0)
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise WireError(f"not a value in the wire format ({type(error).__name__})") from None


def same(left: object, right: object) -> bool:
    """Whether two values are equal in type and value, all the way down.

    True is not 1, 1 is not 1.0, a list is not a tuple. The order of a dict's keys does not count. NaN equals NaN.
    -0.0 equals 0.0, because a caller who compares cannot tell them apart.
    """
    return freeze(left) == freeze(right)


def freeze(value: object) -> object:
    """A hashable stand-in: two values have equal stand-ins exactly if they are the `same`."""
    kind = type(value)
    if isinstance(value, float) and value != value:
        return kind, "nan"
    if isinstance(value, list | tuple):
        return kind, tuple([freeze(v) for v in value])
    if isinstance(value, set | frozenset):
        return kind, frozenset(Counter([freeze(v) for v in value]).items())
    if isinstance(value, dict):
        return kind, frozenset(Counter([(freeze(k), freeze(v)) for k, v in value.items()]).items())
    return kind, value


def _refuse(_: object) -> object:
    raise WireError("not a value in the wire format")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise WireError("a long decimal integer")
    return int(digits)


def _unpack(tree: object, depth: int) -> object:
    if tree is None or isinstance(tree, bool | int):
        return tree
    if depth > MAX_DEPTH or not isinstance(tree, list) or len(tree) != 2:
        raise WireError("not a pair of tag and content, or nested too deep")
    tag, content = tree
    if isinstance(content, str):
        return _unpack_scalar(tag, content)
    if not isinstance(content, list):
        raise WireError("content is neither text nor list")
    if tag == "l":
        return [_unpack(v, depth + 1) for v in content]
    if tag == "t":
        return tuple([_unpack(v, depth + 1) for v in content])
    if tag == "d":
        if any(not isinstance(pair, list) or len(pair) != 2 for pair in content):
            raise WireError("a dict holds something other than pairs")
        keys = _distinct([_unpack(pair[0], depth + 1) for pair in content])
        return dict(zip(keys, [_unpack(pair[1], depth + 1) for pair in content], strict=True))
    if tag in ("s", "z"):
        members = _distinct([_unpack(v, depth + 1) for v in content])
        return set(members) if tag == "s" else frozenset(members)
    raise WireError("an unknown tag")


def _unpack_scalar(tag: object, content: str) -> object:
    if tag == "i":
        return int(content, 16)
    if tag == "f":
        return float.fromhex(content)
    if tag == "b":
        return bytes.fromhex(content)
    if tag == "u":
        return bytes.fromhex(content).decode("utf-8", "surrogatepass")
    raise WireError("an unknown tag")


def _distinct(keys: list[object]) -> list[object]:
    """The keys, once it is known that putting them into a set or dict is cheap and loses none."""
    hashes = Counter([hash(k) for k in keys])
    if hashes and max(hashes.values()) > MAX_SAME_HASH:
        raise WireError("too many keys with one hash")
    if len(set(keys)) != len(keys):
        raise WireError("a set or dict holds one key twice")
    return keys
