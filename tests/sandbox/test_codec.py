"""Values survive the wire exactly, `same` is exact, and nothing that comes over the wire can hurt its reader."""

from __future__ import annotations

import contextlib
import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.sandbox.codec import decode, freeze, same
from openwindow.sandbox.wire import MAX_DEPTH, WireError, encode

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=True)
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
)
_KEYS = st.recursive(_SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(_KEYS, inner) | st.sets(_KEYS) | st.frozensets(_KEYS)
    ),
    max_leaves=20,
)


@given(_VALUES)
@settings(max_examples=50, deadline=None)
def test_round_trip(value: object) -> None:
    back = decode(encode(value))
    assert same(back, value)
    assert type(back) is type(value)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(data)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("ltdszifbu0"), st.lists, max_leaves=30))
@settings(max_examples=50, deadline=None)
def test_any_tree_is_a_value_or_an_error(tree: object) -> None:
    with contextlib.suppress(WireError):
        decode(json.dumps(tree).encode())


DISTINCT = [
    None, True, False, 1, 0, 1.0, 0.0, "1", b"1", [1], (1,), {1}, frozenset({1}), {1: 1}, {True: 1}, {1: True}, {1.0: 1},
    [True], [1.0], [[1]], [(1,)], ([1],), math.nan, [math.nan], "nan", math.inf, -math.inf, {(1,): 1}, {(True,): 1},
    {"a": [1]}, {"a": (1,)}, 10**30, float(10**30), "", [], (), {}, set(), frozenset(), [None], [""],
]  # fmt: skip


def test_same_is_exact() -> None:
    for i, left in enumerate(DISTINCT):
        for j, right in enumerate(DISTINCT):
            assert same(left, right) is (i == j), (left, right)


def test_same_where_equality_is_odd() -> None:
    assert same(math.nan, float("nan"))
    assert same({math.nan: [math.nan]}, {float("nan"): [float("nan")]})
    assert same(0.0, -0.0)
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same([1, 2], [2, 1])


class Lie(int):
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize("value", [Lie(3), [Lie(3)], {"a": (Lie(3),)}, object(), 1j, range(3), iter([]), len, Lie])
def test_other_types_are_named_and_refused(value: object) -> None:
    with pytest.raises(WireError, match="returned an object of type"):
        encode(value)


def test_limits_of_the_encoder() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert same(decode(encode(deep)), deep)
    with pytest.raises(WireError, match=f"nested more than {MAX_DEPTH} deep"):
        encode([deep])
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(WireError, match="nested"):
        encode(loop)
    shared: object = 1
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(WireError, match="parts"):
        encode(shared)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nul", b"26 ", b"NaN", b"Infinity", b"1.5", b"1e5", b"{}", b'{"a":1}', b'"text"', b"[]", b"[1]", b'["l"]',
        b'["l",1]', b'["l",[1],2]', b'["q",[]]', b'["q",""]', b'["i",""]', b'["i","xyz"]', b'["f","x"]', b'["b","0"]',
        b'["u","ff"]', b'["s",[["l",[]]]]', b'["d",[1]]', b'["d",[[1]]]', b'["s",[1,1]]', b'["d",[[1,1],[1,2]]]',
        b"\xff\xfe", b"1" * 5000, b"[" * 100_000, b'["l",[' * 100_000,
    ],
)  # fmt: skip
def test_what_the_runner_does_not_write(data: bytes) -> None:
    if data == b"26 ":
        assert decode(data) == 26  # white space is harmless
        return
    with pytest.raises(WireError):
        decode(data)


def test_colliding_keys_cost_no_time() -> None:
    modulus = 2**61 - 1
    members = b",".join([b'["i","%x"]' % (modulus * k) for k in range(9, 40_000)])
    for data in (b'["s",[' + members + b"]]", b'["d",[' + members.replace(b'["i"', b'[["i"').replace(b'"]', b'"],1]') + b"]]"):
        start = time.process_time()
        with pytest.raises(WireError, match="one hash"):
            decode(data)
        assert time.process_time() - start < 5


def test_frozen_values_can_be_counted() -> None:
    assert len({freeze(v) for v in DISTINCT}) == len(DISTINCT)
