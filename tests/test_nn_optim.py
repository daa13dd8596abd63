"""Optimizers against their formulas written out in NumPy, and what they refuse."""

import warnings

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError
from nn import optim

RNG = np.random.default_rng(1)
START = [RNG.normal(size=(3, 2)), RNG.normal(size=2), np.array(0.7)]
TARGET = [RNG.normal(size=(3, 2)), RNG.normal(size=2), np.array(-0.2)]
STEPS = 25


def sgd(w, gradient, lr=0.1, m=0.0, nesterov=False, decay=0.0):
    v = np.zeros_like(w)
    for _ in range(STEPS):
        g = gradient(w) + decay * w
        v = m * v + g
        w = w - lr * (g + m * v if nesterov else v)
    return w


def rmsprop(w, gradient, lr=0.01, alpha=0.99, eps=1e-8):
    s = np.zeros_like(w)
    for _ in range(STEPS):
        g = gradient(w)
        s = alpha * s + (1 - alpha) * g**2
        w = w - lr * g / (np.sqrt(s) + eps)
    return w


def adam(w, gradient, lr=0.001, b1=0.9, b2=0.999, eps=1e-8):
    m, s = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, STEPS + 1):
        g = gradient(w)
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * g**2
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) + eps)
    return w


CASES = {
    "sgd": (optim.SGD, {}, sgd, {}),
    "sgd, other rate": (optim.SGD, {"learning_rate": 0.03}, sgd, {"lr": 0.03}),
    "sgd, weight decay": (optim.SGD, {"weight_decay": 0.2}, sgd, {"decay": 0.2}),
    "momentum": (optim.SGD, {"momentum": 0.9}, sgd, {"m": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.8, "nesterov": True}, sgd, {"m": 0.8, "nesterov": True}),
    "momentum, weight decay": (optim.SGD, {"momentum": 0.9, "weight_decay": 0.2}, sgd, {"m": 0.9, "decay": 0.2}),
    "rmsprop": (optim.RMSProp, {}, rmsprop, {}),
    "rmsprop, settings": (
        optim.RMSProp,
        {"learning_rate": 0.1, "alpha": 0.5, "eps": 1e-3},
        rmsprop,
        {"lr": 0.1, "alpha": 0.5, "eps": 1e-3},
    ),
    "adam": (optim.Adam, {}, adam, {}),
    "adam, settings": (
        optim.Adam,
        {"learning_rate": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
        adam,
        {"lr": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
    ),
}


def descend(kind, settings, dtype=np.float64):
    """Steps of an optimizer on sum(log(cosh(w - target))), whose gradient is tanh(w - target)."""
    parameters = [nn.Parameter(value, dtype=dtype) for value in START]
    optimizer = kind(parameters, **settings)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = Tensor(0.0, dtype=dtype)
        for parameter, target in zip(parameters, TARGET):
            loss = loss + ag.log(ag.cosh(parameter - target.astype(dtype))).sum()
        loss.backward()
        optimizer.step()
    return parameters


@pytest.mark.parametrize("name", CASES)
def test_against_the_formula(name):
    kind, settings, reference, arguments = CASES[name]
    for parameter, start, target in zip(descend(kind, settings), START, TARGET):
        expected = reference(start, lambda w, t=target: np.tanh(w - t), **arguments)
        np.testing.assert_allclose(parameter.data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_float32_parameters_stay_float32_and_close(name):
    kind, settings, reference, arguments = CASES[name]
    for parameter, start, target in zip(descend(kind, settings, np.float32), START, TARGET):
        assert parameter.data.dtype == parameter.grad.dtype == np.float32
        expected = reference(start, lambda w, t=target: np.tanh(w - t), **arguments)
        np.testing.assert_allclose(parameter.data, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSProp, optim.Adam])
def test_parameters_without_a_gradient_are_left_alone(kind):
    used, unused = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = kind([used, unused], learning_rate=0.1)
    (used * used).sum().backward()
    optimizer.step()
    assert used.data[0] != 1.0
    assert unused.data[0] == 1.0


def test_zero_grad_forgets_and_gradients_otherwise_accumulate():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w])
    (3.0 * w).sum().backward()
    (3.0 * w).sum().backward()
    assert w.grad[0] == 6.0
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize("kind", [optim.RMSProp, optim.Adam, lambda p: optim.SGD(p, momentum=0.9)])
def test_everything_that_changes_is_in_the_state(kind):
    """Two optimizers that share weights, gradients and state take the same step."""
    ours, copy = nn.Parameter(START[0]), nn.Parameter(START[0])
    first, second = kind([ours]), kind([copy])
    for _ in range(3):
        ours.grad = ours.data.copy()
        first.step()
    copy.assign(ours.data)
    for name, tensor in first.state().items():
        second.state()[name].assign(tensor.data)
    ours.grad = copy.grad = np.ones_like(ours.data)
    first.step()
    second.step()
    np.testing.assert_array_equal(ours.data, copy.data)


def test_a_module_may_stand_for_its_parameters():
    model = nn.MLP([2, 3, 1])
    assert [id(p) for p in optim.SGD(model).params] == [id(p) for p in model.parameters()]
    assert repr(optim.SGD(model, learning_rate=0.5)) == "SGD(4 parameters, learning_rate=0.5)"


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_an_empty_list():
    with pytest.raises(ArgumentError, match="SGD got an empty list of parameters"):
        optim.SGD([])


def test_a_model_without_parameters_lists_what_was_seen():
    class Net(nn.Module):
        def __init__(self):
            self.layers = {nn.Dense(2, 3)}  # a set has no order, so its modules have no names
            self.scale = np.ones(3)

    with pytest.raises(ArgumentError) as caught:
        optim.Adam(Net().parameters())
    assert "Net has the attributes layers (set), scale (ndarray), and none of them is a Parameter" in str(caught.value)
    assert "nn.Parameter(array)" in str(caught.value)


def test_a_misspelt_constructor_is_named():
    class Net(nn.Module):
        def _init_(self):
            self.layer = nn.Dense(2, 3)

    with pytest.raises(ArgumentError, match="its method _init_ is never called, name it __init__"):
        optim.SGD(Net())


def test_a_model_whose_constructor_sets_nothing():
    class Net(nn.Module):
        def __init__(self):
            layer = nn.Dense(2, 3)  # noqa: F841

    with pytest.raises(ArgumentError, match="Net has set no attributes; .* does it assign layers to self"):
        optim.SGD(Net())


def test_other_mistakes():
    w = nn.Parameter([1.0])
    for arguments, error, text in (
        (([w], 0.0), ArgumentError, "learning_rate must be a positive number, not 0.0"),
        (([w], float("nan")), ArgumentError, "learning_rate must be a positive number"),
        ((w,), ArgumentError, r"write \[tensor\]"),
        (([w, w],), ArgumentError, "in the list twice"),
        (([np.ones(2)],), DTypeError, r"params\[0\] is no Tensor but ndarray"),
        (([Tensor([1.0], name="c")],), ArgumentError, r"params\[0\] \(c\) does not require a gradient"),
    ):
        with pytest.raises(error, match=text):
            optim.SGD(*arguments)
    with pytest.raises(ArgumentError, match="nesterov=True needs a momentum"):
        optim.SGD([w], nesterov=True)
    with pytest.raises(ArgumentError, match="momentum must be at least 0 and below 1, not 1.0"):
        optim.SGD([w], momentum=1.0)
    with pytest.raises(ArgumentError, match=r"betas\[1\] must be at least 0 and below 1"):
        optim.Adam([w], betas=(0.9, 1.0))
    with pytest.raises(ArgumentError, match="eps must be zero or positive"):
        optim.RMSProp([w], eps=-1.0)


# ----- gradients of several backward passes -----
def square_loss(w):
    return (w * w).sum()


@pytest.mark.parametrize("make", [optim.SGD, optim.RMSProp, optim.Adam])
def test_a_forgotten_zero_grad_is_told_once(make):
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = make([w])
    for number in range(4):
        square_loss(w).backward()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optimizer.step()
        told = [str(warning.message) for warning in caught]
        assert len(told) == (number == 1)
        if told:
            assert "the gradient of w adds up 2 backward passes" in told[0] and "accumulate=True" in told[0]
            assert caught[0].filename == __file__


def test_gradients_that_are_meant_to_add_up_are_not_told():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], accumulate=True)
    for _ in range(2):
        square_loss(w).backward()
    optimizer.step()
    assert w.passes == 2


@pytest.mark.parametrize(
    "forget",
    [
        lambda optimizer, w: optimizer.zero_grad(),
        lambda optimizer, w: w.zero_grad(),
        lambda optimizer, w: setattr(w, "grad", None),
        lambda optimizer, w: setattr(w, "grad", np.zeros(2)),
        lambda optimizer, w: setattr(w, "grad", 0.5 * w.grad),
    ],
)
def test_every_way_to_start_anew_counts(forget):
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w])
    for _ in range(3):
        square_loss(w).backward()
        optimizer.step()
        forget(optimizer, w)
    assert w.passes == 0


def test_compiled_steps_tell_at_tracing_and_only_where_it_is_so():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = optim.SGD([w], learning_rate=0.01)

    def forgetful():
        loss = square_loss(w)
        loss.backward()
        optimizer.step()
        return loss

    def careful():
        optimizer.zero_grad()
        return forgetful()

    step = ag.compile(careful)
    for _ in range(3):
        step()
    assert step.trace_count == 1
    careful()  # in between as plain Python
    step()
    step = ag.compile(forgetful)
    optimizer.zero_grad()
    step()
    with pytest.warns(UserWarning, match="the gradient of w adds up 2 backward passes"):
        step()
    for _ in range(3):
        step()
    assert step.trace_count == 3  # with a gradient to begin with, and once it has been told


def test_gradients_left_by_a_compiled_step_count_too():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = optim.SGD([w], learning_rate=0.01)

    @ag.compile
    def backward():
        loss = square_loss(w)
        loss.backward()
        return loss

    backward()
    square_loss(w).backward()
    with pytest.warns(UserWarning, match="adds up 2 backward passes"):
        optimizer.step()


OPTIMIZERS = {"SGD": nn.optim.SGD, "RMSProp": nn.optim.RMSProp, "Adam": nn.optim.Adam}
SETTINGS = [
    ("SGD", "momentum"),
    ("SGD", "weight_decay"),
    ("RMSProp", "alpha"),
    ("RMSProp", "eps"),
    ("Adam", "eps"),
]


@pytest.mark.parametrize("value", ["0.1", None, [0.1], np.nan, -1.0, np.inf, 1j, {}, print])
@pytest.mark.parametrize(("kind", "name"), [*SETTINGS, *((kind, "learning_rate") for kind in OPTIMIZERS)])
def test_settings_that_are_no_numbers_in_range_are_refused_by_name(kind, name, value):
    with pytest.raises(ArgumentError, match=f"{name} must be"):
        OPTIMIZERS[kind]([Tensor([1.0], requires_grad=True)], **{name: value})


@pytest.mark.parametrize(
    "betas", [0.9, (0.9,), (0.9, 0.99, 0.999), "ab", None, (0.9, 1.0), (np.nan, 0.9), (0.9, "0.9")]
)
def test_betas_are_a_pair_of_fractions(betas):
    with pytest.raises(ArgumentError, match="betas"):
        nn.optim.Adam([Tensor([1.0], requires_grad=True)], betas=betas)


@pytest.mark.parametrize("parameters", [None, 3, nn.MLP, print, 0.5])
def test_parameters_that_are_no_list_are_refused(parameters):
    with pytest.raises(ArgumentError, match="params must be a list of Tensors or a Module"):
        nn.optim.SGD(parameters)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.RMSProp, optim.Adam])
@pytest.mark.parametrize("dtype", [">f4", ">f8", ">f2"])
@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_parameters_of_the_other_byte_order(optimizer, dtype, backend):
    steps = []
    for order in (dtype, dtype[1:]):
        w = Tensor(np.array([1.0, -2.0, 0.5], order), requires_grad=True)
        rule = optimizer([w], learning_rate=0.125)

        def step(w=w, rule=rule):
            rule.zero_grad()
            (w * w).sum().backward()
            rule.step()

        run = step if backend == "eager" else ag.compile(step, backend=backend)
        for _ in range(4):
            run()
        steps.append(w.data.astype("f8").tolist())
    assert steps[0] == steps[1] != [1.0, -2.0, 0.5]
