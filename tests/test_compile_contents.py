"""Contents of arrays, of any size, that a traced function read by NumPy or Python: a change of them is seen."""

import collections
import functools
import types

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]


def take(x, index):
    return x[index]


USES = {
    "direct": lambda x, a: x * a,
    "masked mean": lambda x, a: (x * a).sum() / a.sum(),
    "scaled": lambda x, a: x * (a / a.max()),
    "scaled by a Python number": lambda x, a: (x * a).sum() / float(a.max()),
    "branch": lambda x, a: x * a if a[0] > 0 else -x * a,
    "branch on any": lambda x, a: x * a if (a > 0).any() else -x * a,
    "conditional expression": lambda x, a: (x * a).sum() * (2.0 if a[-1] else 3.0),
    "membership": lambda x, a: (x * a).sum() * (2.0 if 7.0 in a else 3.0),
    "counted": lambda x, a: x[:4] * np.bincount(a.astype(int) + 1, minlength=12)[:4] + a[:4],
    "largest element": lambda x, a: x[np.argmax(a)] * a,
    "as a list": lambda x, a: (x * a).sum() * sum(a.tolist()),
    "looped": lambda x, a: (x * a).sum() * sum(2.0 * v for v in a[:5]),
    "sorted": lambda x, a: (x * np.sort(a)).sum() + (x * a).sum(),
    "shape from contents": lambda x, a: (x * a).sum() + ag.reshape(x, (int(abs(a[0])), -1)).sum(axis=1)[0],
    "length of what is chosen": lambda x, a: (x * a).sum() * len(a[a > 0]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", ["closure", "tuple", "argument object"])
@pytest.mark.parametrize("use", USES)
def test_arrays_written_to_in_place(use, how, backend):
    size = 4096
    array = np.ones(size)
    x = Tensor(np.linspace(0.5, 1.0, size))
    held, pair = types.SimpleNamespace(a=array), (array, 0)
    function = USES[use]
    step, args = {
        "closure": (lambda: function(x, array), ()),
        "tuple": (lambda: function(x, pair[0]), ()),
        "argument object": (lambda h: function(x, h.a), (held,)),
    }[how]
    compiled = ag.compile(step, backend=backend)

    def check():
        for _ in range(2):
            np.testing.assert_allclose(compiled(*args).data, step(*args).data, rtol=1e-12, atol=1e-13)

    check()
    for index, value in ((0, 2.0), (size - 1, 0.0), (size // 2, 7.0), (0, -1.0), (1, 9.0)):
        array[index] = value
        check()
    array[[1, 2]] = array[[2, 1]]
    check()


@pytest.mark.parametrize("dtype", [np.float32, np.int16, bool, ">f8", np.float16])
@pytest.mark.parametrize("layout", [lambda a: a, lambda a: a[::2], lambda a: a[::-1], lambda a: a.reshape(-1, 3).T])
def test_every_dtype_and_layout(dtype, layout):
    whole = np.zeros(30_003, dtype)
    array = layout(whole)
    step = ag.compile(lambda x: x * float(array.sum()))
    for place in (0, 2, 15_000, 30_000, 30_002):
        whole[place] = 1
        for _ in range(2):
            assert float(step(2.0)) == 2.0 * float(array.sum())


def test_negative_zeros_and_nans_are_told_apart():
    array = np.zeros(4096)
    step = ag.compile(lambda x: x * float(np.copysign(1.0, array[7])))
    assert float(step(1.0)) == 1.0
    array[7] = -0.0
    assert float(step(1.0)) == -1.0
    array[:] = np.nan
    traces = step.trace_count
    step(1.0)
    step(1.0)
    assert step.trace_count == traces + 1


def test_a_buffer_that_only_the_program_reads_is_not_traced_anew():
    data, labels = np.zeros((512, 8)), np.zeros((512, 1))
    model = nn.MLP([8, 4, 1], seed=0)
    model(data)  # (parameters get their names)

    @ag.compile
    def step():
        return nn.mean_squared_error(model(Tensor(data)), labels)

    for i in range(5):
        data[:] = np.random.default_rng(i).normal(size=data.shape)
        labels[:] = data[:, :1]
        assert float(step()) == pytest.approx(float(nn.mean_squared_error(model(Tensor(data)), labels)), rel=1e-12)
    assert step.trace_count == 1


def test_targets_that_a_loss_has_checked_are_checked_again():
    targets = np.full((4096, 1), 0.5)
    scores = Tensor(np.zeros((4096, 1)))
    step = ag.compile(lambda: nn.binary_cross_entropy_with_logits(scores, targets))
    step()
    step()
    targets[17] = 2.0
    with pytest.raises(ValueError, match="outside 0..1"):
        step()


HOLDERS = {
    "namespace": lambda a: types.SimpleNamespace(a=a),
    "list in a namespace": lambda a: types.SimpleNamespace(a=[a]),
    "deque": lambda a: collections.deque([a]),
    "partial": lambda a: functools.partial(np.multiply, a),
    "keywords of a partial": lambda a: functools.partial(lambda x, a: x * a, a=a),
    "closure": lambda a: lambda x: x * a,
    "default": lambda a: lambda x, a=a: x * a,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_arrays_that_objects_among_the_arguments_hold_are_the_ones_of_the_call(holder, backend):
    def read(held, x):
        if callable(held):
            return held(x)
        held = held[0] if isinstance(held, collections.deque) else held.a
        return x * (held[0] if isinstance(held, list) else held)

    step, x = ag.compile(read, backend=backend), np.ones(2)
    for value in (1.0, 1.0, 7.0, 7.0, 3.0):
        assert np.array_equal(step(HOLDERS[holder](np.full(2, value)), x), np.full(2, value))
