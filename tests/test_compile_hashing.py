"""Numbers and arrays of a step as keys of dicts and items of sets: found by value, or refused, never missed."""

import copy
import functools
import types

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core.errors import TraceError

BACKENDS = ("numpy", "native")
X = np.ones(2)
RATES = {3: 10.0, 5: 100.0}


@functools.lru_cache
def remembered(k):
    return k * 2


LOOKED_UP = {
    "get": lambda k: RATES.get(k, 1.0),
    "in a dict": lambda k: 2.0 if k in RATES else 1.0,
    "in a set": lambda k: 2.0 if k in {3, 5} else 1.0,
    "in a frozenset": lambda k: 2.0 if k in frozenset((3, 5)) else 1.0,
    "setdefault": lambda k: dict(RATES).setdefault(k, 7.0),
    "a set of them": lambda k: float(len({k, 3})),
    "hash": lambda k: float(hash(k) % 7),
    "lru_cache": remembered,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", LOOKED_UP)
def test_a_number_that_a_step_counts_is_looked_up_by_its_value(how, backend):
    def results(wrap):
        held = types.SimpleNamespace(n=0)

        def step(x):
            held.n += 1
            return x * LOOKED_UP[how](held.n)

        run = wrap(step)
        return [run(X).tolist() for _ in range(7)]

    assert results(ag.compile(backend=backend)) == results(lambda step: step)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", LOOKED_UP)
def test_a_float_that_varies_is_looked_up_by_its_value(how, backend):
    rate = 1.0
    step = ag.compile(lambda x: x * LOOKED_UP[how](rate), backend=backend)
    for rate in (1.0, 1.0, 2.0, 3.0, 5.0, 2.0):
        np.testing.assert_array_equal(step(X), X * LOOKED_UP[how](rate))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", LOOKED_UP)
def test_a_float_argument_as_a_key_is_refused_by_name(how, backend):
    step = ag.compile(lambda x, k: x * LOOKED_UP[how](k), backend=backend)
    with pytest.raises(TraceError, match=r"argument 'k' for a key of a dict .*static"):
        step(X, 3.0)


@pytest.mark.parametrize(
    "made", [lambda x: x, lambda x: x * 2, lambda x: x.copy()], ids=["given", "computed", "copied"]
)
def test_arrays_have_no_hash_as_outside(made):
    with pytest.raises(TypeError):
        {}.get(made(X))
    with pytest.raises(TypeError, match="no hash"):
        ag.compile(lambda x: x * {}.get(made(x), 1.0), backend="numpy")(X)


def test_tensors_are_keys_by_identity_as_outside():
    w = Tensor(X)
    names = {w: 3.0}
    step = ag.compile(lambda x: x * names[w], backend="numpy")
    for _ in range(3):
        np.testing.assert_array_equal(step(X), 3 * X)


# ----- what is a copy is no argument -----
COPIES = {
    "copy": lambda x: x.copy(),
    "np.copy": np.copy,
    "+x": lambda x: +x,
    "positive": np.positive,
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "conj": np.conj,
    "x * 1": lambda x: x * 1,
    "x / 1": lambda x: x / 1,
    "astype": lambda x: x.astype(float),
    "a tensor of it": lambda x: Tensor(x).data,
    "a copy of a copy": lambda x: x.copy().copy(),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", COPIES)
def test_copies_of_arguments_stay_as_they_are_when_the_buffer_is_used_again(how, backend):
    held = types.SimpleNamespace(prev=np.zeros(2), other=np.zeros(2))

    def step(x):
        before, held.prev, held.other = held.prev, COPIES[how](x), x
        return COPIES[how](x), before * 1

    compiled, buffer, found, kept = ag.compile(step, backend=backend), np.zeros(2), [], []
    for i in range(4):
        buffer[:] = i
        result, before = compiled(buffer)
        assert held.other is buffer
        assert not np.shares_memory(result, held.prev)
        found.append(before[0])
        kept.append(result)
    assert found == [0, 0, 1, 2]
    np.testing.assert_array_equal(kept, [[0, 0], [1, 1], [2, 2], [3, 3]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_argument_that_is_returned_is_the_argument(backend):
    step = ag.compile(lambda x, k: (x, {"again": x}, k, x.copy()), backend=backend)
    for x in (np.zeros(2), np.ones(2), np.arange(2.0, dtype=">f8")[:]):
        for _ in range(2):
            result, again, k, copied = step(x, 0.5)
            assert result is x
            assert again["again"] is x
            assert k == 0.5
            assert copied is not x
