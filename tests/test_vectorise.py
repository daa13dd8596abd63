"""Programs of single numbers, vectorised: the same results as eagerly, in a length that does not depend on the rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.ir.graph import verify
from autograd.passes.vectorise import LEAST, vectorise

BACKENDS = ["numpy", "native"]
UNARY = ["tanh", "relu", "sigmoid", "exp", "abs", "sin", "negative", "sign", "log1p", "sqrt"]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}


class Rows:
    """One random formula in single numbers, applied to every row of random data; weights are shared by all rows."""

    def __init__(self, seed: int, rows: int, dtype: type) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.data = self.rng.uniform(-2, 2, (rows, 3)).round(1)  # so that zeros and ones are among them
        self.weights = [Tensor(self.dtype(w), requires_grad=True) for w in self.rng.uniform(0.2, 1, 6)]
        self.plan = [self.rng.integers(0, 1000, 4).tolist() for _ in range(12)]

    def formula(self, row: list[float], turn: int) -> Tensor:
        values = [w * x for w, x in zip(self.weights, [*row, *row[::-1]])]
        for what, a, b, c in self.plan:
            x, y, w = values[a % len(values)], values[b % len(values)], self.weights[c % 6]
            match what % 8:
                case 0 | 1:
                    new = getattr(ag, UNARY[c % len(UNARY)])(ag.abs(x) if c % len(UNARY) > 7 else x)
                case 2:
                    new = x + y + w
                case 3:
                    new = ag.where(x > y, x * w, y)
                case 4:
                    new = ag.maximum(x, y) - w
                case 5:
                    new = sum(values[-4:], w)
                case 6:
                    new = x * (1.5 if turn % 3 else 1.0)
                case _:
                    new = (x * 0.5) ** 2 + y / 2
            values.append(ag.tanh(new))
        return values[-1] + values[-2] * values[-3]

    def step(self) -> Tensor:
        parts = [self.formula(row, i) for i, row in enumerate(self.data.tolist())]
        total = sum(parts, self.weights[0] * 0.25) / len(parts) + sum(w * w for w in self.weights)
        for w in self.weights:
            w.grad = None
        total.backward()
        for w in self.weights:
            w.data = w.data - 0.05 * w.grad
        return total

    def state(self) -> list[float]:
        return [float(w.data) for w in self.weights] + [float(w.grad) for w in self.weights]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(4))
def test_random_formulas_over_rows_are_as_eager(seed, dtype, backend):
    eager, compiled = Rows(seed, 40, dtype), Rows(seed, 40, dtype)
    step = ag.compile(compiled.step, backend=backend)
    expected = [float(eager.step()) for _ in range(3)]
    got = [float(step()) for _ in range(3)]
    assert len(step.stages[0][1].eqns) > LEAST
    assert len(step.graph.eqns) < 400
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(compiled.state(), eager.state(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert step().dtype == dtype


def network(rows: int) -> tuple[list[Tensor], object]:
    """A 2-5-1 network of scalars with hinge loss and weight decay, as in micrograd's demonstration."""
    rng = np.random.default_rng(0)
    X, signs = rng.normal(size=(rows, 2)).tolist(), rng.choice([-1.0, 1.0], rows).tolist()
    hidden = [[Tensor(float(w), requires_grad=True) for w in rng.normal(size=3)] for _ in range(5)]
    last = [Tensor(float(w), requires_grad=True) for w in rng.normal(size=6)]
    weights = [*(w for neuron in hidden for w in neuron), *last]

    def step() -> Tensor:
        total = Tensor(0.0)
        for row, sign in zip(X, signs):
            inner = [sum((w * x for w, x in zip(neuron[1:], row)), neuron[0]).relu() for neuron in hidden]
            score = sum((w * x for w, x in zip(last[1:], inner)), last[0])
            total = total + (1.0 - sign * score).relu()
        loss = total / float(rows) + 1e-4 * sum(w * w for w in weights)
        for w in weights:
            w.grad = None
        loss.backward()
        for w in weights:
            w.data = w.data - 0.1 * w.grad
        return loss

    return weights, step


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_of_scalars_trains_as_eagerly(backend):
    mine, plain = network(25), network(25)
    step = ag.compile(mine[1], backend=backend)
    expected = [float(plain[1]()) for _ in range(20)]
    got = [float(step()), *step.repeat(19)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose([float(w.data) for w in mine[0]], [float(w.data) for w in plain[0]], rtol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_may_be_arguments(backend):
    def make():
        rng = np.random.default_rng(1)
        hidden = [[Tensor(float(w), requires_grad=True) for w in rng.normal(size=3)] for _ in range(4)]
        last = [Tensor(float(w), requires_grad=True) for w in rng.normal(size=4)]
        weights = [w for neuron in (*hidden, last) for w in neuron]

        def step(x, y):
            total = Tensor(0.0)
            for i in range(50):
                row = x[i]
                inner = [ag.tanh(a * row[0] + b * row[1] + c) for a, b, c in hidden]
                total = total + (sum(w * h for w, h in zip(last, inner)) - y[i, 0]) ** 2
            for w in weights:
                w.grad = None
            total.backward()
            for w in weights:
                w.data = w.data - 0.001 * w.grad
            return total, x[3, 1] * x[3, 1]

        return step

    rng = np.random.default_rng(2)
    batches = [(rng.normal(size=(50, 2)), rng.normal(size=(50, 1))) for _ in range(3)]
    plain, step = make(), ag.compile(make(), backend=backend)
    for x, y in batches:
        expected, got = plain(Tensor(x), Tensor(y)), step(Tensor(x), Tensor(y))
        np.testing.assert_allclose([float(v) for v in got], [float(v) for v in expected], rtol=1e-12)
    assert step.trace_count == 1
    assert len(step.graph.eqns) < 200


def test_elements_of_arrays_with_a_gradient_stay_apart():
    rng = np.random.default_rng(0)
    w, x = Tensor(rng.normal(size=3), requires_grad=True), rng.normal(size=300).tolist()

    def function(w):
        parts = [ag.sin(w[i % 3] * v) * w[0] for i, v in enumerate(x)]
        return sum(parts) + w[1] * sum([w[2]] * 5), sum(parts[:50])

    got, expected = results(function, w.data)
    np.testing.assert_allclose([float(v) for v in got], [float(v) for v in expected], rtol=1e-12)
    eager, compiled = Tensor(w.data, requires_grad=True), Tensor(w.data, requires_grad=True)
    function(eager)[0].backward()
    ag.compile(lambda: function(compiled)[0].backward(), backend="numpy")()
    np.testing.assert_allclose(compiled.grad, eager.grad, rtol=1e-12)


def test_the_length_of_the_program_does_not_depend_on_the_rows():
    graphs = [vectorise(ag.trace(network(rows)[1])) for rows in (25, 60)]
    assert len(graphs[0].eqns) == len(graphs[1].eqns) < LEAST
    assert len(graphs[0].constants) == 3  # two features and the sign
    assert not any(eqn.primitive.name == "getitem" for eqn in graphs[0].eqns)  # every array is read as it lies
    assert Counter(eqn.out.shape for eqn in graphs[1].eqns).keys() == {(), (60,)}


def results(function, *args):
    """What a function gives eagerly, and what its vectorised trace gives, which is checked on the way."""
    tensors = [Tensor(a) for a in args]
    graph = ag.trace(function, *tensors)
    shorter = verify(vectorise(graph))
    assert 2 * len(shorter.eqns) <= len(graph.eqns)
    return ag.compile(function, backend="numpy")(*tensors), function(*tensors)


def test_terms_of_one_form_in_any_order_are_one_sum():
    order = np.random.default_rng(0).permutation(400).tolist()

    def function(x):
        parts = [ag.tanh(x * float(i)) for i in range(400)]
        return sum((parts[i] for i in order), x) + (parts[0] + parts[7]) + sum(parts[::5]) * 2.0

    got, expected = results(function, 0.3)
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_rows_read_each_other_and_are_read_one_by_one():
    def function(x):
        a = [ag.sin(x * float(i)) for i in range(300)]
        b = [p * q for p, q in zip(a, a[1:] + a[:1])]
        c = [b[(7 * i) % 300] + a[i] for i in range(300)]
        return ag.stack([c[0], c[299], b[5], sum(b)]), a[17]

    got, expected = results(function, 0.1)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-13)


def test_a_form_that_comes_several_times_in_a_row_in_changing_order():
    def function(x, y):
        total = x
        for i in range(200):
            first, second = ag.exp(x * (0.001 * i)), ag.exp(x * (0.002 * i))
            if i % 2:
                first, second = second, first
            total = total + first * y + second / y
        return total

    got, expected = results(function, 0.3, 1.7)
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_equal_equations_and_exponents():
    def function(x):
        same = [x * x for _ in range(300)]
        powers = [(x + float(i)) ** (2 + i % 2) for i in range(300)]
        return sum(same) + sum(powers), same[3]

    got, expected = results(function, 0.3)
    np.testing.assert_allclose([float(v) for v in got], [float(v) for v in expected], rtol=1e-13)


def test_programs_without_rows_stay_as_they_are():
    def chain(x):
        for _ in range(LEAST):
            x = ag.sin(x)
        return x

    graph = ag.trace(chain, Tensor(1.0))
    assert [eqn.primitive.name for eqn in vectorise(graph).eqns] == ["sin"] * LEAST
    small = ag.trace(lambda x: sum(ag.tanh(x * float(i)) for i in range(20)), Tensor(1.0))
    assert vectorise(small) is small
