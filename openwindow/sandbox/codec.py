"""Decodes a program's answers, and defines when two values are the same.

The decoder accepts arbitrary, hostile bytes: it builds only plain values, in time and memory proportional to the input.
`marshal`, `pickle` and `eval` are never used on what comes from a program. The format is that of `wire.py`, which writes it.
Values are compared by canonical bytes, so that hashes chosen by the program cost nothing. Not covered: whether a value is right,
which `verdict.py` decides.
"""

from __future__ import annotations

import json

from openwindow.sandbox.wire import MAX_DEPTH, WireError

MAX_SAME_HASH = 4096  # keys per reply that share a hash with another one; more can only be deliberate, to cost time
_SCALARS = (bool, int, str, bytes, type(None))
_KINDS = frozenset({*_SCALARS, float, complex, list, tuple, set, frozenset, dict})


class Budget:
    """How many more keys of a reply may share a hash with another key of their set or dict."""

    def __init__(self) -> None:
        self.left = MAX_SAME_HASH

    def distinct(self, keys: list[object]) -> list[object]:
        """Returns the keys once it is known that putting them into a set or dict is cheap and loses none."""
        self.left -= len(keys) - len({hash(k) for k in keys})
        if self.left < 0:
            raise WireError("too many keys with one hash")
        if len(set(keys)) != len(keys):
            raise WireError("a set or dict holds one key twice")
        return keys


def decode(data: bytes, budget: Budget | None = None) -> object:
    """The value that the bytes represent; WireError if they represent none.

    The answers of one reply share a `budget`: nested containers, and successive answers, multiply what each may cost.
    """
    try:
        tree = json.loads(
            data.decode("ascii"), parse_int=_integer, parse_float=_refuse, parse_constant=_refuse, object_hook=_refuse
        )
        return _unpack(tree, 0, budget or Budget())
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise WireError(f"not a value in the wire format ({type(error).__name__})") from None


def same(left: object, right: object) -> bool:
    """Whether two values are equal in type and value, at every level.

    True is not 1, 1 is not 1.0, a list is not a tuple. The order of a dict's keys does not matter. NaN equals NaN.
    -0.0 equals 0.0, because a caller who compares cannot tell them apart.
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, _SCALARS):
        return bool(left == right)
    return freeze(left) == freeze(right)


def freeze(value: object) -> bytes:
    """Canonical bytes: those of two plain values are equal exactly if the values are the `same`.

    The time is that of sorting: each level of nesting copies and sorts the bytes below it. Raises TypeError for other values.
    """
    kind = type(value)
    if kind not in _KINDS:
        raise TypeError(f"{kind.__name__} is not plain data")
    match value:
        case None | bool() | complex():
            return b"%a" % value
        case int():
            return b"i%x" % value
        case float():
            return b"fnan" if value != value else b"f" + (value + 0.0).hex().encode()  # + 0.0 makes -0.0 plain
        case str():
            return b"u" + value.encode("utf-8", "surrogatepass")
        case bytes():
            return b"b" + value
        case list() | tuple():
            return _framed(b"l" if kind is list else b"t", [freeze(v) for v in value])
        case set() | frozenset():
            return _framed(b"s" if kind is set else b"z", sorted([freeze(v) for v in value]))
        case dict():
            return _framed(b"d", sorted([_framed(b"", [freeze(k), freeze(v)]) for k, v in value.items()]))
    raise AssertionError(kind)


def _framed(tag: bytes, parts: list[bytes]) -> bytes:
    """Concatenates the parts, each prefixed by its length, so that no two lists of parts give the same bytes."""
    return tag + b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _refuse(_: object) -> object:
    raise WireError("not a value in the wire format")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise WireError("a long decimal integer")
    return int(digits)


def _unpack(tree: object, depth: int, budget: Budget) -> object:
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
        return [_unpack(v, depth + 1, budget) for v in content]
    if tag == "t":
        return tuple([_unpack(v, depth + 1, budget) for v in content])
    if tag == "d":
        if any(not isinstance(pair, list) or len(pair) != 2 for pair in content):
            raise WireError("a dict holds something other than pairs")
        keys = budget.distinct([_unpack(pair[0], depth + 1, budget) for pair in content])
        return dict(zip(keys, [_unpack(pair[1], depth + 1, budget) for pair in content], strict=True))
    if tag in ("s", "z"):
        members = budget.distinct([_unpack(v, depth + 1, budget) for v in content])
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
