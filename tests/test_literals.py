"""Numbers and settings of every kind, written into programs: the source gives the same bits, alone and compiled."""

import enum

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.ir.literal import literal, setting_key

inf, nan, long = np.inf, np.nan, np.longdouble


class Axis(enum.IntEnum):
    ROWS = 0
    COLUMNS = 1


VALUES = [
    None, ..., True, False, 0, -1, 2**63, -(2**70), 0.0, -0.0, 0.1, 1e300, 5e-324, inf, -inf, nan, 2j, complex(-0.0, inf),
    "it's", b"\0", slice(None), slice(1, None, -1), (), (1,), (1, (2.5, None)), [1, -inf], {"a": (nan,), 1: ...},
    np.float16(0.1), np.float32(0.1), np.float32(-inf), np.float64(-0.0), np.int8(-3), np.uint64(2**64 - 1), np.True_,
    np.complex64(1 - 2j), long("0.1"), long(1) + np.finfo(long).eps, long("1e4000"), long("-inf"), long("nan"),
    np.dtype("f2"), np.dtype(">f4"), np.dtype(bool), np.dtype(long), np.dtype(">i8"), float, int, bool, np.float32,
    np.exp, np.sum, np.arange(3), np.zeros((0, 2), "f4"), np.array([[1.0, nan], [-inf, -0.0]]), np.array([0.1, 3], "f2"),
    np.array(2.5),
    np.array([long("0.1"), long("1e-4000")]), np.array([1, 2**64 - 1], np.uint64), np.arange(3, dtype=">i2"),
    np.array([True]),
]  # fmt: skip


def same(a, b):
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, np.ndarray):
        return (a.shape, a.dtype) == (b.shape, b.dtype) and repr(a.tolist()) == repr(b.tolist())
    return type(a) is type(b) and repr(a) == repr(b)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value).partition(" at 0x")[0][:40])
def test_the_source_of_a_value_gives_it_again(value):
    assert same(eval(literal(value), {"np": np}), value)


def test_subclasses_are_written_as_what_they_stand_for():
    assert literal(Axis.COLUMNS) == "1"
    assert literal((Axis.ROWS, np.int64(2))) == "(0, np.int64(2))"


@pytest.mark.parametrize("value", [object(), lambda x: x, np.arange(1000), np.ma.masked_array([1.0]), (1, object())])
def test_other_objects_have_no_source(value):
    assert literal(value) == ""


def test_keys_of_settings_tell_apart_what_differs():
    large, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    values = [*VALUES, large, other, np.dtype("<f4"), np.int64(0), Axis.ROWS]
    keys = [setting_key(value) for value in values]
    assert len(set(keys)) == len(values)
    assert setting_key((1, 2.5)) == setting_key((1, 2.5))
    assert setting_key(large) == setting_key(large)


x = np.array([[1.0, -2.0, nan], [inf, 0.5, -0.0]])
CASES = {
    "pad -inf": (lambda t: np.pad(t, 1, constant_values=-inf), x),
    "pad nan": (lambda t: np.pad(t, ((1, 0), (0, 1)), constant_values=nan), x),
    "autograd's pad": (lambda t: ag.pad(t, 1, -inf), x),
    "pad float32": (lambda t: np.pad(t, 1, constant_values=np.float32(0.1)), x.astype("f4")),
    "pad with NumPy's integers": (lambda t: np.pad(t, np.int64(1), constant_values=np.int8(3)), x),
    "pad integers with a float": (lambda t: np.pad(t, 1, constant_values=2.7), np.arange(4, dtype="i4")),
    "pad integers beyond": (lambda t: np.pad(t, 1, constant_values=300), np.arange(4, dtype="i1")),
    "pad truths": (lambda t: np.pad(t, 1, constant_values=2), np.arange(4) > 1),
    "pad floats with a large integer": (lambda t: np.pad(t, 1, constant_values=2**70), np.arange(4.0)),
    "longdouble": (lambda t: t * 2.0 + 1.5, x.astype(long)),
    "longdouble numbers": (lambda t: (t * long("0.1") + long("-1e-4000")) * long(-1) + 1, x.astype(long)),
    "longdouble into places": (lambda t: ((t * long("0.1") + 1.5) * long("nan") + long("inf")).sum(axis=0), x.astype(long)),
    "longdouble next to 1": (lambda t: t * (1 + np.finfo(long).eps), x.astype(long)),
    "longdouble array": (lambda t: t * np.array([long("0.1"), long("1e4000"), long(1) / 3]), x.astype(long)),
    "float16": (lambda t: t * np.float16(0.1) + 1.5, x.astype("f2")),
    "float16 beyond": (lambda t: t * 1e5, np.arange(4, dtype="f2")),
    "float32 beyond": (lambda t: t * 1e300 + np.float32(0.1), np.arange(4, dtype="f4")),
    "nan_to_num": (lambda t: np.nan_to_num(t, nan=inf, posinf=-inf, neginf=nan), x),
    "clip": (lambda t: np.clip(t, -inf, None) + np.clip(t, -0.0, inf), x),
    "where": (lambda t: np.where(t > 0, t, -inf), x),
    "initial": (lambda t: np.max(t, axis=Axis.ROWS, initial=-inf), x),
    "an enumeration's axis": (lambda t: t.sum(axis=Axis.COLUMNS), x),
    "NumPy's integers": (lambda t: np.roll(np.triu(t, k=np.int64(-1)), np.int64(1), axis=np.int32(-1)), x),
    "offset": (lambda t: np.diagonal(t, offset=np.int8(1)), x),
    "index": (lambda t: t[..., None, ::-1, np.int64(1)], x),
    "index with a newaxis": (lambda t: t[None, 1:, ...], x),
    "astype >f4": (lambda t: t.astype(">f4"), x),
    "astype of both byte orders": (lambda t: [t.astype(">f4"), t.astype("<f4")][1], x),
    "astype longdouble": (lambda t: t.astype(long) / 3, x),
    "astype bool": (lambda t: t.astype(bool), x),
    "full": (lambda t: t + np.full((3,), -inf), x),
    "a float16 array": (lambda t: t + np.array([1.5, nan, -0.0], "f2"), x),
    "a big-endian array": (lambda t: t + np.array([1.5, nan, -0.0], ">f8"), x),
    "an empty array": (lambda t: t[:, :0] + np.zeros((0,)), x),
    "an array of truths": (lambda t: t * np.array([True, False, True]), x),
    "an array of uint64": (lambda t: t * np.array([2**63, 1, 2**64 - 1], np.uint64), x),
    "negative zero": (lambda t: t * -0.0 + 0.0, x),
    "powers": (lambda t: t**-0.0 + t ** np.float32(2), x),
    "truths as numbers": (lambda t: t * True + np.True_, x),
    "large integers": (lambda t: t * 2**70 - (-(2**64)) + 2**63, x),
    "larger ones": (lambda t: t * 10**300, x),
    "compared with large integers": (lambda t: np.where(t < 2**70, t, 0) * 2, np.arange(40)),
    "small integers compared with more": (lambda t: np.where(t < 300, t, np.int8(1)) * (t > -200), np.arange(40, dtype="i1")),
    "small integers and more": (lambda t: t + 300, np.arange(3, dtype="i1")),
    "int64 and more": (lambda t: t + 2**63, np.arange(3)),
    "uint8": (lambda t: t * 2 - 1, np.arange(3, dtype="u1")),
    "limits of int64": (lambda t: np.maximum(t, -(2**63)) + np.minimum(t, 2**63 - 1), np.arange(40)),
    "complex": (lambda t: t * 2j, x),
}  # fmt: skip


def told(compute):
    """Dtype, shape and elements of what a call gives (nan by sign and place), or the built-in error that it raises."""
    try:
        with np.errstate(all="ignore"):
            value = compute()
    except (TypeError, ValueError, OverflowError) as error:
        return next(kind for kind in (OverflowError, TypeError, ValueError) if isinstance(error, kind))
    value = np.asarray(getattr(value, "data", value))
    return value.dtype.str, value.shape, repr(value.tolist())


@pytest.mark.parametrize("name", CASES)
def test_programs_as_eager(name):
    function, array = CASES[name]
    want = told(lambda: function(Tensor(array)))
    for backend in ("numpy", "native"):
        compiled = ag.compile(function, backend=backend)
        assert told(lambda: compiled(Tensor(array))) == want, backend  # noqa: B023
        if isinstance(want, tuple):
            space = {}
            exec(compiled.source, space)
            assert told(lambda: space["function"](array)[0]) == want, compiled.source  # noqa: B023


@ag.primitive(vjps=[lambda g, y, x, **settings: g])
def tagged(x, *, dtype=None, index=..., how="", axis=0, table=(), extra=None):
    return (x.astype(dtype) + len(str(index)) + len(how) + axis + float(np.sum(table))).astype(x.dtype)


def test_settings_of_a_users_primitive():
    settings = {
        "dtype": np.dtype(">f4"),
        "index": slice(1, None),
        "how": "it's",
        "axis": Axis.COLUMNS,
        "table": np.arange(3.0),
    }

    def function(t):
        return tagged(t, **settings) + tagged(t, extra=object)

    want = told(lambda: function(x))
    for backend in ("numpy", "native"):
        compiled = ag.compile(function, backend=backend)
        assert told(lambda: compiled(Tensor(x))) == want  # noqa: B023
    assert f"dtype=np.dtype('>f4'), index=slice(1, None, None), how={settings['how']!r}, axis=1" in compiled.source


def test_equal_looking_settings_are_not_one():
    tables = [np.zeros(5000), np.zeros(5000)]
    tables[1][2500] = 1
    step = ag.compile(lambda t: (tagged(t, table=tables[0]), tagged(t, table=tables[1])))
    first, second = step(Tensor([1.0]))
    assert (second.data - first.data).item() == 1


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_draws_with_settings_of_all_kinds(backend):
    def world():
        rng = np.random.default_rng(3)

        def step(t):
            single = rng.random(3, dtype=np.float32) + rng.standard_normal(3, dtype=np.dtype("f4"))
            return (
                t * single + rng.normal(np.arange(3.0), 0.5) + rng.uniform(low=-1, high=np.float64(2), size=np.int64(3))
            )

        return step

    step, plain = ag.compile(world(), backend=backend), world()
    t = Tensor(np.arange(3.0))
    for _ in range(3):
        np.testing.assert_allclose(step(t).data, plain(t).data, rtol=1e-15)
    assert "dtype=np.float32" in step.source
