"""The wire format in which values leave a program, and what it means that two values are the same.

Covered: None, bool, int, float, str, bytes, list, tuple, dict, set and frozenset, by exact type: a subclass is refused,
because a subclass can lie about itself. Not covered: any other type, values nested deeper than `MAX_DEPTH`, values of more
than `MAX_NODES` parts, cyclic values.

The encoder runs inside the child, beside the program, and is therefore not trusted. The decoder runs outside and takes
any bytes at all: it builds plain values only, in time and memory proportional to the bytes it was given. `marshal`, `pickle`
and `eval` are never used on what comes from a program.

Format: JSON, in which null, true, false, integers below 2**63 and strings stand for themselves and everything else is a
pair [tag, content]. Integers beyond that are hexadecimal, since Python refuses long decimal ones; floats are hexadecimal,
so that they come back to the bit; strings with lone surrogates are UTF-32.
"""

from __future__ import annotations

import json
import struct
from collections import Counter

MAX_DEPTH = 64
MAX_NODES = 200_000
MAX_SAME_HASH = 64  # keys of one set or dict that share a hash: more are made on purpose, to cost quadratic time

REPLY = struct.Struct("<4sBidIII")  # magic, how it ended, exit code or signal, seconds, bytes printed, two lengths
MAGIC = b"OWN1"
EXITED, SIGNALLED, TIMED_OUT = 0, 1, 2
ANSWER = struct.Struct("<cI")  # one of the kinds below, and the length of what follows
DEFINED, FAILED, VALUE, RAISED = b"D", b"F", b"V", b"R"

_SMALL = 1 << 63


class WireError(ValueError):
    """The value cannot be sent, or the bytes that came are not a value."""


def encode(value: object) -> bytes:
    """The value in the wire format; WireError says in words why it has none."""
    return json.dumps(_Packer().pack(value, 0), separators=(",", ":")).encode("ascii")


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


class _Packer:
    """Turns a value into what JSON can write, and counts the parts as it goes."""

    def __init__(self) -> None:
        self.nodes = 0

    def pack(self, value: object, depth: int) -> object:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise WireError(f"returned a value nested more than {MAX_DEPTH} deep")
        if self.nodes > MAX_NODES:
            raise WireError(f"returned a value of more than {MAX_NODES} parts")
        # `type(x) is`, never isinstance: the program can make a class that passes isinstance for anything.
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            number = int.__index__(value)  # type: ignore[arg-type]
            return number if -_SMALL < number < _SMALL else ["i", format(number, "x")]
        if kind is float:
            return ["f", float.hex(value)]  # type: ignore[arg-type]
        if kind is str:
            return _pack_text(value)  # type: ignore[arg-type]
        if kind is bytes:
            return ["b", bytes.hex(value)]  # type: ignore[arg-type]
        return self.pack_container(value, depth + 1)

    def pack_container(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind is list:
            return ["l", [self.pack(v, depth) for v in list.__iter__(value)]]  # type: ignore[arg-type]
        if kind is tuple:
            return ["t", [self.pack(v, depth) for v in tuple.__iter__(value)]]  # type: ignore[arg-type]
        if kind is dict:
            pairs = dict.items(value)  # type: ignore[arg-type]
            return ["d", [[self.pack(k, depth), self.pack(v, depth)] for k, v in pairs]]
        if kind is set:
            return ["s", [self.pack(v, depth) for v in set.__iter__(value)]]  # type: ignore[arg-type]
        if kind is frozenset:
            return ["z", [self.pack(v, depth) for v in frozenset.__iter__(value)]]  # type: ignore[arg-type]
        raise WireError(f"returned an object of type {type.__dict__['__name__'].__get__(kind)[:80]}")


def _pack_text(value: str) -> object:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return ["u", value.encode("utf-32-le", "surrogatepass").hex()]
    return value


def _refuse(_: object) -> object:
    raise WireError("not a value in the wire format")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise WireError("a long decimal integer")
    return int(digits)


def _unpack(tree: object, depth: int) -> object:
    if tree is None or isinstance(tree, bool | int | str):
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
        return bytes.fromhex(content).decode("utf-32-le", "surrogatepass")
    raise WireError("an unknown tag")


def _distinct(keys: list[object]) -> list[object]:
    """The keys, once it is known that putting them into a set or dict is cheap and loses none."""
    hashes = Counter([hash(k) for k in keys])
    if hashes and max(hashes.values()) > MAX_SAME_HASH:
        raise WireError("too many keys with one hash")
    if len(set(keys)) != len(keys):
        raise WireError("a set or dict holds one key twice")
    return keys
