"""The training loop: what it computes, keeps and refuses, and how it ends."""

import dataclasses
import inspect
import json
import pickle
import re
import signal
import threading
import time
import types
import warnings

import numpy as np
import pytest
import scipy.special

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError, DivergenceError, DTypeError, GraphError, ShapeError, SignatureError
from nn.train import Trainer

X, Y = nn.data.xor()
MOONS, LABELS = nn.data.two_moons(40)


def xor_network(seed=0):
    layers = [nn.Dense(2, 3), nn.Sigmoid(), nn.Dense(3, 1), nn.Sigmoid()]
    network = nn.NeuralNetwork(loss_function=nn.MSE(), seed=seed)
    for layer in layers:
        network.add(layer)
    return network


def weights(model):
    return [parameter.numpy() for parameter in getattr(model, "model", model).parameters()]


def assert_equal(first, second):
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)


# -- what it computes --------------------------------------------------------------------------------------------------


def test_train_is_stochastic_gradient_descent_one_row_at_a_time():
    network = xor_network()
    w1, b1, w2, b2 = weights(network)
    history = network.train(X, Y, epochs=20, learning_rate=0.1)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(20):
        total = 0.0
        for i in rng.permutation(4):
            x, t = X[i : i + 1], Y[i : i + 1]
            h = 1 / (1 + np.exp(-(x @ w1 + b1)))
            p = 1 / (1 + np.exp(-(h @ w2 + b2)))
            total += ((p - t) ** 2).item()
            d2 = 2 * (p - t) * p * (1 - p)
            d1 = d2 @ w2.T * h * (1 - h)
            w2, b2 = w2 - 0.1 * h.T @ d2, b2 - 0.1 * d2[0]
            w1, b1 = w1 - 0.1 * x.T @ d1, b1 - 0.1 * d1[0]
        losses.append(total / 4)
    for ours, theirs in zip(weights(network), (w1, b1, w2, b2)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)


def test_the_loss_of_an_epoch_counts_rows_not_batches():
    model = nn.Dense(2, 1, seed=0)
    optimizer = nn.optim.SGD(model, learning_rate=1e-300)  # so small that nothing moves
    history = model.fit(MOONS[:5], LABELS[:5], loss=nn.MSE(), optimizer=optimizer, epochs=1, batch_size=3)
    assert history.loss[0] == pytest.approx(((model.predict(MOONS[:5]) - LABELS[:5]) ** 2).mean(), rel=1e-12)


def test_same_seed_same_history_and_weights():
    first, second, third = xor_network(), xor_network(), xor_network()
    runs = [first.train(X, Y, 30, 0.5), second.train(X, Y, 30, 0.5), third.train(X, Y, 30, 0.5, seed=1)]
    assert runs[0].loss == runs[1].loss
    assert runs[0].loss != runs[2].loss
    assert_equal(weights(first), weights(second))


def test_without_shuffling_the_order_is_that_of_the_rows():
    first, second = xor_network(), xor_network()
    first.train(X, Y, 10, 0.5, shuffle=False, seed=1)
    second.train(X, Y, 10, 0.5, shuffle=False, seed=2)
    assert_equal(weights(first), weights(second))


def test_training_again_goes_on():
    whole, parts = xor_network(), xor_network()
    whole.train(X, Y, 20, 0.5, batch_size=None)
    parts.train(X, Y, 10, 0.5, batch_size=None, shuffle=True)
    parts.train(X, Y, 10, 0.5, batch_size=None)
    np.testing.assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-12)


def test_integers_and_lists_will_do():
    first, second = xor_network(), xor_network()
    first.train(X, Y, 5, 0.5)
    second.train(X.astype(int).tolist(), Y.astype(int).tolist(), 5, 0.5)
    assert_equal(weights(first), weights(second))
    np.testing.assert_array_equal(first.predict(X), first.predict(X.astype(int)))


def test_float32_models_stay_float32():
    model = nn.MLP([2, 3, 1], dtype=np.float32)
    model.fit(X, Y, loss=nn.MSE(), epochs=2, verbose=0)
    assert {p.data.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_a_trainer_step_is_one_function_of_tensors():
    network = xor_network()
    before = weights(network)
    trainer = nn.Trainer(network, nn.MSE(), nn.optim.SGD(network, learning_rate=0.5))
    loss = trainer.step(Tensor(X), Tensor(Y))
    assert loss.item() == pytest.approx(((xor_network().predict(X) - Y) ** 2).mean(), rel=1e-12)
    for start, parameter in zip(before, network.model.parameters()):
        np.testing.assert_array_equal(parameter.data, start - 0.5 * parameter.grad)


def test_predict():
    model = nn.MLP([2, 3, 1])
    np.testing.assert_array_equal(model.predict(MOONS, batch_size=7), model.predict(MOONS))
    assert isinstance(model.predict(MOONS), np.ndarray)
    assert model.predict(np.zeros((0, 2))).shape == (0, 1)
    assert model.training


def test_fit_uses_the_networks_own_loss():
    history = nn.fit(xor_network(), X, Y, epochs=3)
    assert history.epochs == 3


# -- what it keeps -----------------------------------------------------------------------------------------------------


def test_recorders():
    network = xor_network()
    start = weights(network)
    recorders = [
        nn.record_weights(every=4),
        nn.record_predictions(X, at=[0, 3, 9]),
        nn.record_activations(X, every=100),
        nn.Recorder("norm", lambda model: float(sum((p.data**2).sum() for p in model.parameters())), every=5),
    ]
    history = network.train(X, Y, 10, 0.5, recorders=recorders)
    records = history.records
    assert {name: record.epochs for name, record in records.items()} == {
        "weights": [0, 4, 8, 10],
        "predictions": [0, 3, 9, 10],
        "activations": [0, 10],
        "norm": [0, 5, 10],
    }
    assert records["weights"].series("layers.0.weight").shape == (4, 2, 3)
    np.testing.assert_array_equal(records["weights"].values[0]["layers.0.weight"], start[0])
    np.testing.assert_array_equal(records["weights"].values[-1]["layers.0.weight"], network.model[0].weight.data)
    assert records["predictions"].series().shape == (4, 4, 1)
    np.testing.assert_array_equal(records["predictions"].values[-1], network.predict(X))
    assert records["activations"].series("layers.1").shape == (2, 4, 3)
    np.testing.assert_array_equal(records["activations"].values[-1]["layers.3"], network.predict(X))
    with pytest.raises(ArgumentError, match=r"no series is called 'layers.9'; there are layers.0.weight"):
        records["weights"].series("layers.9")


def test_recording_does_not_change_the_training():
    plain, watched = xor_network(), xor_network()
    first = plain.train(X, Y, 10, 0.5)
    second = watched.train(X, Y, 10, 0.5, recorders=[nn.record_activations(X), nn.record_weights()])
    assert first.loss == second.loss


def test_validation_and_metrics():
    model = nn.MLP([2, 8, 1])
    history = model.fit(
        MOONS[:30],
        LABELS[:30],
        loss=nn.binary_cross_entropy_with_logits,
        epochs=5,
        validation_data=(MOONS[30:], LABELS[30:]),
        metrics={"accuracy": lambda p, t: nn.accuracy(p, t, threshold=0)},
    )
    assert [len(values) for values in (history.loss, history.validation_loss, history.metrics["accuracy"])] == [5, 5, 5]
    held_out = model.predict(MOONS[30:])
    assert history.metrics["accuracy"][-1] == nn.accuracy(held_out, LABELS[30:], threshold=0)
    loss = nn.binary_cross_entropy_with_logits(held_out, LABELS[30:])
    assert history.validation_loss[-1] == pytest.approx(float(loss), rel=1e-12)


def test_history_is_json():
    history = xor_network().train(X, Y, 4, 0.5, recorders=[nn.record_weights(every=2)])
    plain = json.loads(json.dumps(history.to_json(), allow_nan=False))
    assert plain["loss"] == history.loss
    assert plain["records"]["weights"]["epochs"] == [0, 2, 4]
    assert np.shape(plain["records"]["weights"]["values"][0]["layers.0.weight"]) == (2, 3)
    assert nn.History(loss=[float("nan"), 1.0]).to_json()["loss"] == [None, 1.0]
    assert repr(history).startswith("History(4 epochs, loss 0.")


def test_callbacks_see_each_epoch_and_may_stop():
    seen = []

    def stop_at_three(trainer):
        seen.append((trainer.epoch, trainer.history.epochs))
        return trainer.epoch == 3

    history = xor_network().train(X, Y, 10, 0.5, callbacks=[stop_at_three])
    assert seen == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert history.epochs == 4
    assert not history.interrupted


# -- how it ends -------------------------------------------------------------------------------------------------------


class CtrlC(nn.MSE):
    """A loss that sends Ctrl-C on its calls with certain numbers; call 0 is the check before training."""

    def __init__(self, *calls):
        super().__init__()
        self.calls, self.count = calls, -1

    def __call__(self, prediction, target):
        self.count += 1
        if self.count in self.calls:
            signal.raise_signal(signal.SIGINT)
        return super().__call__(prediction, target)


def test_ctrl_c_ends_after_the_step_and_training_can_go_on():
    network, reference = xor_network(), xor_network()
    network.loss_function = CtrlC(10)  # the second step of the third epoch
    with ag.disable_compile():  # the loss does more than compute
        history = network.train(X, Y, 100, 0.5, shuffle=False)
    assert history.interrupted
    assert history.epochs == 3
    assert network.loss_function.count == 10
    reference.train(X, Y, 2, 0.5, shuffle=False)
    reference.train(X[:2], Y[:2], 1, 0.5, shuffle=False)
    assert_equal(weights(network), weights(reference))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with ag.disable_compile():
        assert network.train(X, Y, 2, 0.5).epochs == 2


def soon(function, seconds):
    """A recorder that has the function called some time after the training has begun."""
    timer = threading.Timer(seconds, function)
    return nn.Recorder("soon", lambda model: timer.ident or timer.start(), at=[0])


def test_ctrl_c_ends_compiled_training_too():
    network = xor_network()
    interrupt = soon(lambda: signal.raise_signal(signal.SIGINT), 0.1)
    history = network.train(X, Y, 10_000_000, 0.5, recorders=[interrupt])
    assert history.interrupted
    assert 0 < history.epochs < 10_000_000
    assert all(np.isfinite(w).all() for w in weights(network))


def step_by_step(trainer):
    """The same trainer without the loop inside machine code."""
    compiled = ag.compile(trainer.step)
    trainer._compiled = None
    trainer.step = lambda x, y: compiled(x, y)
    return trainer


def fitted(make, optimizer, X, y, loss, **settings):
    """History and weights of a run, and of one step by step."""
    results = []
    for change in (lambda trainer: trainer, step_by_step):
        model = make()
        trainer = change(Trainer(model, loss, optimizer(model.parameters(), learning_rate=0.01)))
        history = trainer.run(X, y, verbose=0, **settings)
        results.append((history, weights(model), [t.numpy() for t in trainer.optimizer.state().values()]))
    return results


@pytest.mark.parametrize("optimizer", [nn.optim.SGD, nn.optim.Adam])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("rows", "size"), [(40, 8), (40, 7), (40, 1), (40, 40), (40, 64), (1, 1)])
def test_epochs_inside_machine_code_are_the_steps_to_the_last_bit(optimizer, dtype, rows, size):
    (history, *state), (expected, *others) = fitted(
        lambda: nn.MLP([2, 5, 1], seed=1, dtype=dtype),
        optimizer, MOONS[:rows], LABELS[:rows], nn.binary_cross_entropy_with_logits,
        epochs=6, batch_size=size, seed=3, validation_data=(MOONS[:9], LABELS[:9]), recorders=[nn.record_weights(every=2)],
    )  # fmt: skip
    assert history.to_json() == expected.to_json()
    for got, want in zip(state, others, strict=True):
        assert_equal(got, want)


def test_labels_stay_integers_inside_machine_code():
    X, y = nn.data.blobs(60, centers=3)
    (history, got), (expected, want) = (
        result[:2] for result in fitted(lambda: nn.MLP([2, 8, 3]), nn.optim.Adam, X, y, nn.cross_entropy, epochs=5,
                                        batch_size=16)
    )  # fmt: skip
    assert history.loss == expected.loss
    assert_equal(got, want)


def test_epochs_run_inside_machine_code():
    model = nn.MLP([2, 5, 1])
    trainer = Trainer(model, nn.binary_cross_entropy_with_logits, nn.optim.SGD(model, learning_rate=0.1))
    entered = []
    scan = trainer._compiled.scan
    trainer._compiled.scan = lambda x, t: entered.append(x.shape) or scan(x, t)
    trainer.run(MOONS, LABELS, epochs=4, batch_size=4, verbose=0)
    assert trainer._compiled.looped
    assert entered[-1][0] >= 9 and entered[-1][1:] == (4, 2)  # all batches but the last, of one epoch or more
    assert trainer._compiled.trace_count == 1


def test_what_is_recorded_and_printed_between_epochs_inside_machine_code(capsys):
    results = []
    for change in (lambda trainer: trainer, step_by_step):
        model = nn.MLP([2, 5, 1], seed=4)
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=0.1)))
        recorders = [nn.record_weights(at=[0, 7, 8, 300, 999]), nn.record_predictions(MOONS, every=333)]
        trainer._most_steps = 10_000  # the first look is far away
        history = trainer.run(MOONS, LABELS, epochs=1000, batch_size=10, recorders=recorders, verbose=2)
        results.append((history.to_json(), capsys.readouterr().out))
        assert trainer.epoch == 999
    assert results[0] == results[1]
    assert history.records["weights"].epochs == [0, 7, 8, 300, 999, 1000]
    assert history.records["predictions"].epochs == [0, 333, 666, 999, 1000]
    assert results[0][1].count("\n") == 10


def test_without_compilation_every_step_is_on_its_own():
    model = nn.MLP([2, 5, 1])
    trainer = Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=0.1))
    trainer.run(MOONS, LABELS, epochs=20, batch_size=4, verbose=0)
    assert trainer._steps_per_call > 1
    trainer._compiled.scan = lambda *rows: pytest.fail("scan has no machine code to run")
    with ag.disable_compile():
        trainer.run(MOONS, LABELS, epochs=3, batch_size=4, verbose=0)


def test_operations_of_a_trainer_are_blamed_on_who_called_it():
    model = nn.MLP([2, 5, 1])
    trainer = Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=0.1))
    line = inspect.currentframe().f_lineno + 1
    trainer.run(MOONS, LABELS, epochs=1, verbose=0)
    assert {eqn.site for eqn in trainer._compiled.graph.eqns if eqn.site} == {(__file__, line)}


def test_callbacks_of_epochs_inside_machine_code():
    seen = []

    def callback(trainer):
        seen.append((trainer.epoch, len(trainer.history.loss), trainer.model.predict(MOONS).sum()))
        return len(seen) == 5

    history = nn.MLP([2, 5, 1]).fit(
        MOONS, LABELS, loss=nn.mean_squared_error, epochs=9, batch_size=4, callbacks=[callback], verbose=0
    )
    assert [row[:2] for row in seen] == [(i, i + 1) for i in range(5)]
    assert len({row[2] for row in seen}) == 5 and history.epochs == 5


def test_divergence_inside_machine_code_is_found_at_its_step():
    """Rows of ones until one that is huge: the loss of that step is the first that is not finite."""
    X = np.ones((200, 1))
    X[137] = 1e200  # its square is inf
    errors, after = [], []
    for change in (lambda trainer: trainer, step_by_step):
        model = nn.Dense(1, 1, seed=0)
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=1e-3)))
        trainer.run(np.ones((200, 1)), X * 0, epochs=3, batch_size=2, shuffle=False, verbose=0)
        with pytest.raises(DivergenceError, match=r"^epoch 0 step 68: the loss is inf; .* made by ") as caught:
            trainer.run(X, X * 0, epochs=3, batch_size=2, shuffle=False, verbose=0)
        errors.append(str(caught.value))
        after.append(weights(model))
    assert errors[0] == errors[1]
    assert_equal(*after)


@pytest.mark.parametrize("bad", [0, 1, 2, 5, 9, 10, 19])
def test_the_weights_of_the_last_finite_loss_are_restored_wherever_it_was(bad):
    X = np.ones((20, 1))
    X[bad] = 1e200
    after = []
    for change in (lambda trainer: trainer, step_by_step):
        model = nn.Dense(1, 1, seed=0)
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=1e-3)))
        with pytest.raises(DivergenceError, match=rf"^epoch 0 step {bad}: the loss is inf"):
            trainer.run(X, X * 0, epochs=1, batch_size=1, shuffle=False, verbose=0)
        after.append(weights(model))
    assert_equal(*after)


def test_divergence_some_epochs_on_inside_machine_code():
    """A weight that doubles at every step is followed to infinity."""
    X = np.ones((4, 1))
    errors, after = [], []
    for change in (lambda trainer: trainer, step_by_step):
        model = nn.Dense(1, 1, seed=0, bias=False)
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=1.5)))
        trainer._most_steps = 10_000
        with pytest.raises(DivergenceError) as caught:
            trainer.run(X, X * 0, epochs=1000, batch_size=2, verbose=0)
        errors.append((str(caught.value), caught.value.history.loss, trainer.epoch))
        after.append(weights(model))
    assert errors[0] == errors[1]
    assert re.match(rf"epoch {len(errors[0][1])} step [01]: the loss is inf; the first non-finite", errors[0][0])
    assert len(errors[0][1]) > 200
    assert_equal(*after)


class Dropout(nn.Module):
    """Zeros in place of a share of the numbers, drawn anew at every step."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        return ag.where(self.rng.random(x.shape) < 0.7, x, 0.0) if self.training else x


def test_random_numbers_inside_machine_code_are_those_of_the_steps():
    results = []
    for change in (lambda trainer: trainer, step_by_step):
        dropout = Dropout(5)
        model = nn.Sequential(nn.Dense(2, 30, seed=0), nn.Tanh(), dropout, nn.Dense(30, 1, seed=1))
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.Adam(model, learning_rate=0.01)))
        history = trainer.run(MOONS, LABELS, epochs=30, batch_size=7, verbose=0)
        results.append((history.loss, [w.tolist() for w in weights(model)], dropout.rng.bit_generator.state))
        assert trainer._compiled is None or trainer._compiled.looped
    assert results[0] == results[1]


def test_divergence_is_found_where_the_random_numbers_led_to_it():
    results = []
    for change in (lambda trainer: trainer, step_by_step):
        dropout = Dropout(5)
        model = nn.Sequential(nn.Dense(1, 4, seed=0), dropout, nn.Dense(4, 1, seed=1))
        trainer = change(Trainer(model, nn.mean_squared_error, nn.optim.SGD(model, learning_rate=0.5)))
        trainer._most_steps = 500
        with pytest.raises(DivergenceError) as caught:
            trainer.run(np.full((50, 1), 3.0), np.ones((50, 1)), epochs=100, batch_size=1, verbose=0)
        where = str(caught.value).partition(" from inputs up to ")[0]
        results.append((where, caught.value.history.loss, [w.tolist() for w in weights(model)]))
    assert results[0] == results[1]


def test_ctrl_c_is_answered_within_a_fifth_of_a_second_though_an_epoch_takes_longer():
    X, y = nn.data.two_moons(60_000, seed=0)
    model = nn.MLP([2, 16, 16, 1])
    trainer = Trainer(model, nn.binary_cross_entropy_with_logits, nn.optim.Adam(model, learning_rate=0.01))
    trainer.run(X[:500], y[:500], epochs=5, batch_size=1, verbose=0)
    asked = []

    def interrupt():
        asked.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    history = trainer.run(X, y, epochs=100, batch_size=1, verbose=0, recorders=[soon(interrupt, 0.15)])
    late = time.monotonic() - asked[0]
    assert history.interrupted and history.epochs < 100
    assert late < 0.2
    assert np.isfinite(history.loss[-1])


def test_a_loss_that_cannot_be_traced_trains_eagerly_with_one_warning():
    class Noting(nn.MSE):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __call__(self, prediction, target):
            self.seen.append(prediction.shape)
            return super().__call__(prediction, target)

    network, reference = xor_network(), xor_network()
    network.loss_function, reference.loss_function = Noting(), Noting()
    with pytest.warns(UserWarning, match="without compilation") as caught:
        network.train(X, Y, 5, 0.5)
    with ag.disable_compile():
        reference.train(X, Y, 5, 0.5)
    assert len(caught) == 1
    assert network.loss_function.seen == reference.loss_function.seen  # not once more for what was refused
    for eager, compiled in zip(weights(network), weights(reference), strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=1e-13)


def leave_the_trace(model, h):
    model.mean *= 0.9
    model.mean += 0.1 * h.mean(axis=0)


NEEDS_NUMBERS = {
    "a running mean": leave_the_trace,
    "scipy": lambda model, h: scipy.special.erf(h),
    "complex": lambda model, h: np.fft.fft(h),
    "decomposition": lambda model, h: np.linalg.svd(h),
    "copyto": lambda model, h: np.copyto(np.zeros(h.shape), h),
    "put": lambda model, h: np.put(model.mean, [0], h[0]),
    "out": lambda model, h: np.add(h, 1, out=np.zeros(h.shape)),
    "None": lambda model, h: h == None,  # noqa: E711
    "pickle": lambda model, h: pickle.dumps(h),
    "branch": lambda model, h: 1 if h[0, 0] > 0 else 0,
}  # fmt: skip


class Looking(nn.Module):
    """Does something with the numbers of its hidden layer that plain Python can do and a trace cannot."""

    def __init__(self, look):
        self.first, self.drop, self.second = nn.Dense(2, 3, seed=0), Masked(), nn.Dense(3, 1, seed=1)
        self.look, self.mean, self.steps = look, np.zeros(3), 0

    def forward(self, x):
        h = self.drop(self.first(x))
        self.steps += 1
        self.look(self, h.data)
        return self.second(h.tanh())


class Masked(nn.Module):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * (self.rng.random(x.shape) < 0.8) if self.training else x


@pytest.mark.parametrize("kind", NEEDS_NUMBERS)
def test_whatever_refuses_the_trace_trains_eagerly_with_one_warning(kind):
    model, reference = Looking(NEEDS_NUMBERS[kind]), Looking(NEEDS_NUMBERS[kind])
    settings = {"loss": nn.MSE(), "epochs": 3, "batch_size": 2, "verbose": 0}
    with pytest.warns(UserWarning, match=r"training runs without compilation.*Error: .*disable_compile") as caught:
        model.fit(X, Y, **settings)
    assert len(caught) == 1 and caught[0].filename == __file__
    with ag.disable_compile():
        reference.fit(X, Y, **settings)
    assert model.steps == reference.steps
    np.testing.assert_array_equal(model.mean, reference.mean)
    assert_equal(weights(model), weights(reference))


@pytest.mark.parametrize("error", [KeyError, ShapeError, StopIteration])
def test_the_users_own_error_comes_out_as_it_is(error):
    def fail(model, h):
        if model.steps == 5:
            raise error("mine")

    model, reference = Looking(fail), Looking(fail)
    settings = {"loss": nn.MSE(), "epochs": 9, "batch_size": None, "verbose": 0}
    with pytest.raises(error, match="mine") as raised:
        model.fit(X, Y, **settings)
    assert type(raised.value) is error and raised.value.__cause__ is None
    with ag.disable_compile(), pytest.raises(error):
        reference.fit(X, Y, **settings)
    assert model.steps == reference.steps == 5
    assert_equal(weights(model), weights(reference))


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.MLP([2, 1]).fit(X, Y),
        lambda: nn.fit(nn.MLP([2, 1]), X, Y),
        lambda: nn.MLP([2, 1]).fit(X, Y, loss=nn.MSE(), lr=0.1),
        lambda: nn.SGD(nn.MLP([2, 1]), lr=0.1),
        lambda: nn.Adam(),
        lambda: nn.RMSProp(nn.MLP([2, 1]), 0.1, 0.9),
        lambda: nn.record_predictions(),
        lambda: nn.record_activations(),
    ],
)
def test_a_call_that_does_not_fit_shows_one_that_does(call):
    with pytest.raises(SignatureError, match=r": write (model\.fit|nn\.\w+)\(.*\)$"):
        call()


def test_a_second_ctrl_c_interrupts_at_once():
    class Twice(CtrlC):
        def __call__(self, prediction, target):
            result = super().__call__(prediction, target)
            if self.count in self.calls:
                signal.raise_signal(signal.SIGINT)
                pytest.fail("the second Ctrl-C must not be swallowed")
            return result

    network = xor_network()
    network.loss_function = Twice(5)
    with pytest.raises(KeyboardInterrupt), ag.disable_compile():
        network.train(X, Y, 100, 0.5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_train_without_touching_signals():
    results = []
    thread = threading.Thread(target=lambda: results.append(xor_network().train(X, Y, 5, 0.5).loss))
    thread.start()
    thread.join()
    assert results == [xor_network().train(X, Y, 5, 0.5).loss]


def test_divergence_names_the_operation_and_restores_good_weights():
    model = nn.MLP([2, 8, 1], activation=nn.ReLU)
    with pytest.raises(DivergenceError) as caught:
        model.fit(MOONS, LABELS, loss=nn.MSE(), optimizer=nn.optim.SGD(model, learning_rate=1e9), batch_size=None)
    text = str(caught.value)
    assert text.startswith("epoch ")
    assert "step 0: the loss is " in text
    assert "the first non-finite value is made by " in text
    assert "Try a learning rate below 1e+09, for example 1e+08" in text
    assert np.isfinite(((model.predict(MOONS) - LABELS) ** 2).mean())
    assert all(np.isfinite(loss) for loss in caught.value.history.loss)


def test_the_restored_weights_are_those_of_the_last_finite_loss():
    class Sudden(nn.Module):
        """A parameter that grows by one per step, through a function that ends at three."""

        def __init__(self):
            self.w = nn.Parameter(0.0)

        def forward(self, x):
            return ag.log(3.5 - self.w) + 0.0 * x

    def loss(prediction, target):
        return prediction.sum()

    model = Sudden()
    seen = []

    class Plus(nn.Optimizer):
        def step(self):
            seen.append(float(model.w.data))
            model.w.data = model.w.data + 1.0

    no_trace = pytest.warns(UserWarning, match="without compilation")
    with (
        no_trace,
        pytest.raises(DivergenceError, match=r"epoch 4 step 0: the loss is nan; .* made by 'log' .*up to 0.5"),
    ):
        model.fit([[0.0]], [[0.0]], loss=loss, optimizer=Plus(model, 1.0), epochs=10)
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert model.w.item() == 3.0


def test_an_update_that_is_not_finite_is_noticed_though_no_loss_follows():
    model = nn.Dense(1, 1, seed=0)

    def steep(prediction, target):
        return ag.sqrt(prediction * 0.0).sum()  # a finite loss whose gradient is not

    before = weights(model)
    with pytest.raises(DivergenceError, match="the update is not finite; .* the parameter weight"):
        model.fit([[1.0]], [[1.0]], loss=steep, epochs=1)
    assert_equal(weights(model), before)


# -- what it refuses, before anything is changed -----------------------------------------------------------------------


def bad(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    "rows, targets, error, text",
    [
        (bad(MOONS, (17, 1), np.nan), LABELS, ArgumentError, r"^X\[17, 1\] is nan; remove or replace"),
        (MOONS, bad(LABELS, (3, 0), np.inf), ArgumentError, r"^y\[3, 0\] is inf"),
        (MOONS, LABELS[:-1], ShapeError, "X has 40 rows and y has 39"),
        (
            MOONS, LABELS[:, 0], ShapeError,
            r"y has shape \(40,\), but the output for these rows has shape \(40, 1\). Use y.reshape\(40, 1\)",
        ),
        (MOONS[:0], LABELS[:0], ArgumentError, r"empty batch: X has shape \(0, 2\)"),
        (MOONS.astype(object), LABELS, DTypeError, "X has dtype object, but must hold real numbers"),
        (MOONS * 1j, LABELS, DTypeError, "X has dtype complex128"),
        (3.0, LABELS, ShapeError, "X is a scalar"),
        (MOONS[:, :1], LABELS, ShapeError, "its last axis must be 2"),
        (MOONS, np.hstack([LABELS, LABELS]), ShapeError, "prediction .40, 1. and target .40, 2. differ"),
    ],
)  # fmt: skip
def test_bad_data(rows, targets, error, text):
    model = nn.MLP([2, 3, 1])
    before = weights(model)
    with pytest.raises(error, match=text):
        model.fit(rows, targets, loss=nn.MSE(), epochs=1)
    assert_equal(weights(model), before)


def test_bad_labels_are_named_by_their_position_in_y():
    X4, y4 = nn.data.blobs(40, centers=4)
    with pytest.raises(ArgumentError, match=r"target\[21\] = 9 is outside 0..3 \(logits have 4 classes\)"):
        nn.MLP([2, 4]).fit(X4, bad(y4, 21, 9), loss=nn.cross_entropy, epochs=1, batch_size=4)


def test_bad_settings():
    model = nn.MLP([2, 3, 1])
    for settings, text in (
        ({"epochs": -1}, "epochs must be a positive integer, not -1"),
        ({"epochs": 2.5}, "epochs must be a positive integer, not 2.5"),
        ({"batch_size": 0}, "batch_size must be a positive integer, not 0"),
        ({"optimizer": nn.optim.SGD(model), "learning_rate": 0.1}, "give the learning rate to the optimizer"),
        ({"learning_rate": -1.0}, "learning_rate must be a positive number"),
        ({"optimizer": nn.optim.SGD(nn.MLP([2, 1]))}, "holds no parameter of this model"),
    ):
        with pytest.raises(ArgumentError, match=text):
            model.fit(X, Y, loss=nn.MSE(), **settings)
    with pytest.raises(ShapeError, match=r"the loss must be a scalar, but has shape \(4, 1\)"):
        model.fit(X, Y, loss=lambda p, t: p - t)
    with pytest.raises(ArgumentError, match="every must be a positive number of epochs, not 0"):
        nn.record_weights(every=0)


def test_an_incomplete_network_says_what_it_lacks():
    with pytest.raises(ArgumentError, match=r"no loss: make it with NeuralNetwork\(loss_function=MSE\(\)\)"):
        nn.NeuralNetwork().add(nn.Dense(2, 1)).train(X, Y)
    with pytest.raises(ArgumentError, match="the network has no layers"):
        nn.NeuralNetwork(nn.MSE()).train(X, Y)


def test_parameters_left_out_of_the_optimizer_are_warned_of():
    model = nn.MLP([2, 3, 1])
    optimizer = nn.optim.SGD(model[0].parameters())
    with pytest.warns(UserWarning, match=r"was not given layers.2.weight, layers.2.bias, which will not be trained"):
        model.fit(X, Y, loss=nn.MSE(), optimizer=optimizer, epochs=1)
    for parameter in model[2].parameters():
        parameter.requires_grad = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y, loss=nn.MSE(), optimizer=optimizer, epochs=1)


# -- modes -------------------------------------------------------------------------------------------------------------


class Failing(nn.Module):
    """Passes on what it gets, until it is told to fail."""

    fails = False

    def forward(self, x):
        if self.fails:
            raise ZeroDivisionError
        return x


def modes(model):
    return [module.training for _, module in model.named_modules()]


@pytest.mark.parametrize("off", [(), (0,), (1, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("fails", [False, True])
def test_predict_leaves_each_module_in_the_mode_it_was_in(off, fails):
    model = nn.Sequential(nn.Dense(2, 3, seed=0), nn.Sequential(nn.Tanh()), Failing(), nn.Dense(3, 1, seed=1))
    for index in off:
        model[index].training = False
    before = modes(model)
    model[2].fails = fails
    if fails:
        with pytest.raises(ZeroDivisionError):
            model.predict(X)
        with pytest.raises(ZeroDivisionError):
            model.fit(X, Y, loss=nn.MSE(), epochs=1)
    else:
        model.predict(X, batch_size=3)
        nn.Recorder("all", lambda model: model.predict(X)).function(model)
    assert modes(model) == before


def test_layers_are_in_evaluation_mode_while_it_predicts():
    class Mode(nn.Module):
        def forward(self, x):
            return x * 0.0 + float(self.training)

    model = nn.Sequential(Mode(), nn.Sequential(Mode()))
    assert model.predict(X).max() == 0.0 and model(Tensor(X)).data.max() == 1.0


@pytest.mark.parametrize("where", ["loss", "callback", "recorder", "metric"])
def test_training_that_fails_keeps_what_the_steps_before_made(where):
    """Whatever raises, and wherever: as if training had ended before that step."""
    count = []

    def fail(*_):
        count.append(0)
        if len(count) == 7:
            raise ZeroDivisionError
        return 0.0

    def loss(prediction, target):
        if where == "loss":
            fail()
        return ((prediction - target) ** 2).mean()

    class Halfway(nn.optim.SGD):
        """Changes the first parameter, and only then raises the error of a later one."""

        def step(self):
            super().step()
            for parameter in self.params:
                assert np.isfinite(parameter.data).all()

    settings = {
        "callback": {"callbacks": [fail]}, "recorder": {"recorders": [nn.Recorder("r", fail)]},
        "metric": {"metrics": {"m": fail}}, "loss": {},
    }[where]  # fmt: skip
    model, reference = nn.MLP([2, 3, 1], seed=0), nn.MLP([2, 3, 1], seed=0)
    model[0].training = False
    before = modes(model)
    with ag.disable_compile(), pytest.raises(ZeroDivisionError):
        model.fit(X, Y, loss=loss, optimizer=Halfway(model), epochs=20, batch_size=None, **settings)
    done = {"loss": 5, "callback": 7, "recorder": 6, "metric": 6}[where]  # loss and metric were called once before
    where = "none"
    with ag.disable_compile():
        reference.fit(X, Y, loss=loss, optimizer=nn.optim.SGD(reference), epochs=done, batch_size=None)
    assert_equal(weights(model), weights(reference))
    assert modes(model) == before


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_update_that_ends_halfway_is_taken_back(error):
    class Half(nn.optim.SGD):
        steps = 0

        def step(self):
            self.steps += 1
            if self.steps == 4:
                self.params[0].data = self.params[0].data + 1e6
                raise error
            super().step()

    model, reference = nn.MLP([2, 3, 1], seed=0), nn.MLP([2, 3, 1], seed=0)
    with ag.disable_compile():
        with pytest.raises(error):
            model.fit(X, Y, loss=nn.MSE(), optimizer=Half(model), epochs=9, batch_size=None)
        reference.fit(X, Y, loss=nn.MSE(), optimizer=nn.optim.SGD(reference), epochs=3, batch_size=None)
    assert_equal(weights(model), weights(reference))


# -- tokens ------------------------------------------------------------------------------------------------------------


class Embedding(nn.Module):
    def __init__(self, count, size, dtype=np.float64):
        self.table = nn.Parameter(np.random.default_rng(0).normal(size=(count, size)), dtype=dtype)

    def forward(self, x):
        return self.table[x]


class Language(nn.Module):
    """Next-token logits (n, T, V) of tokens (n, T)."""

    def __init__(self, dtype=np.float64):
        self.embedding, self.out = Embedding(5, 3, dtype), nn.Dense(3, 5, seed=0, dtype=dtype)

    def forward(self, x):
        return self.out(ag.tanh(self.embedding(x))).reshape(-1, 5)


TOKENS = np.random.default_rng(1).integers(0, 5, size=(12, 4))
FOLLOWING = (TOKENS + 1) % 5


def token_loss(logits, target):
    return nn.cross_entropy(logits, target.reshape(-1))


@pytest.mark.parametrize("kind", ["i8", "i4", "u1", "list"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tokens_stay_integers(kind, dtype):
    tokens = TOKENS.tolist() if kind == "list" else TOKENS.astype(kind)
    model, plain = Language(dtype), Language(dtype)
    history = model.fit(tokens, FOLLOWING, loss=token_loss, epochs=60, batch_size=5, shuffle=False, learning_rate=0.1)
    optimizer, losses = nn.optim.Adam(plain, learning_rate=0.1), []
    for _ in range(60):
        for i in range(0, 12, 5):
            optimizer.zero_grad()
            loss = token_loss(plain(Tensor(TOKENS[i : i + 5])), Tensor(FOLLOWING[i : i + 5]))
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(TOKENS[i : i + 5]))
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(history.loss, np.sum(np.reshape(losses, (60, 3)), axis=1) / 12, rtol=tolerance)
    assert history.loss[-1] < 0.1
    predicted = model.predict(tokens)
    assert predicted.dtype == dtype and (predicted.argmax(axis=-1) == FOLLOWING.reshape(-1)).all()
    assert {p.dtype for p in model.parameters()} == {np.dtype(dtype)}


@pytest.mark.parametrize("kind", ["?", "u1", "i1", "i2", "u4", "i8", "u8"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_integers_into_a_dense_layer_are_numbers_of_its_dtype(kind, dtype):
    numbers = np.array([[0, 1], [1, 1], [1, 0]], kind)
    model, reference = (nn.MLP([2, 4, 1], seed=0, dtype=dtype) for _ in range(2))
    assert model(Tensor(numbers)).dtype == dtype and model.predict(numbers).dtype == dtype
    runs = [m.fit(x, [[0.0], [1.0], [0.0]], loss=nn.MSE(), epochs=5)
            for m, x in ((model, numbers), (reference, numbers.astype(float)))]  # fmt: skip
    assert runs[0].loss == runs[1].loss
    assert_equal(weights(model), weights(reference))


def test_floats_that_the_model_cannot_hold_are_refused():
    model = nn.MLP([2, 3, 1], dtype=np.float32)
    for rows, targets, text in (
        (bad(MOONS, (2, 1), 1e300), LABELS, r"X\[2, 1\] is 1e\+300, which the model's float32 cannot hold"),
        (MOONS, bad(LABELS, (5, 0), -1e39), r"y\[5, 0\] is -1e\+39, which the model's float32 cannot hold"),
    ):
        with pytest.raises(ArgumentError, match=text):
            model.fit(rows, targets, loss=nn.MSE())


# -- outputs of several parts ------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Parts:
    mean: object
    spread: object


PARTS = {
    "tuple": (lambda a, b: (a, b), lambda p: p),
    "list": (lambda a, b: [a, b], lambda p: p),
    "dict": (lambda a, b: {"b": b, "a": a}, lambda p: (p["a"], p["b"])),
    "nested": (lambda a, b: (a, {"x": [b]}), lambda p: (p[0], p[1]["x"][0])),
    "dataclass": (Parts, lambda p: (p.mean, p.spread)),
    "with None": (lambda a, b: (a, None, b), lambda p: (p[0], p[2])),
}


class Heads(nn.Module):
    def __init__(self, join):
        self.mean, self.spread, self.join = nn.Dense(2, 1, seed=0), nn.Dense(2, 4, seed=1), join

    def forward(self, x):
        return self.join(self.mean(x), ag.tanh(self.spread(x)))


@pytest.mark.parametrize("kind", PARTS)
def test_the_loss_gets_what_the_model_returns(kind):
    join, take = PARTS[kind]
    kind = type(join(0, 0))

    def loss(prediction, target):
        assert type(prediction) is kind
        mean, spread = take(prediction)
        return ((mean - target) ** 2).mean() + (spread**2).mean()

    def whole(prediction, target):
        return ((prediction[0] - target) ** 2).mean() + (prediction[1] ** 2).mean()

    model, reference = Heads(join), Heads(lambda a, b: (a, b))
    history = model.fit(
        MOONS, LABELS, loss=loss, epochs=3, batch_size=16, validation_data=(MOONS[:9], LABELS[:9]),
        metrics={"error": lambda p, t: float(np.abs(take(p)[0] - t).mean())},
    )  # fmt: skip
    predicted = take(model.predict(MOONS, batch_size=7))
    for part, want in zip(predicted, (model.mean(MOONS), ag.tanh(model.spread(MOONS))), strict=True):
        assert isinstance(part, np.ndarray)
        np.testing.assert_allclose(part, want.data, rtol=1e-14)
    assert history.metrics["error"][-1] == pytest.approx(np.abs(take(model.predict(MOONS[:9]))[0] - LABELS[:9]).mean())
    optimizer = nn.optim.Adam(reference, learning_rate=1e-3)
    trainer = Trainer(reference, whole, optimizer)
    expected = trainer.run(MOONS, LABELS, epochs=3, batch_size=16, validation_data=(MOONS[:9], LABELS[:9]))
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-13)
    np.testing.assert_allclose(history.validation_loss, expected.validation_loss, rtol=1e-13)


def test_what_cannot_be_joined_or_is_no_tensor_is_refused():
    model = nn.Apply(lambda x: x.sum())
    assert model.predict(MOONS).shape == ()
    with pytest.raises(ShapeError, match=r"for 7 rows the model returned shape \(\), .* leave batch_size out"):
        model.predict(MOONS, batch_size=7)
    for value in ("text", object(), None):
        with pytest.raises((DTypeError, ShapeError)):
            nn.Sequential(nn.Dense(2, 1), nn.Apply(lambda x, value=value: value)).fit(MOONS, LABELS, loss=nn.MSE())


# -- settings ----------------------------------------------------------------------------------------------------------


def gives_a_float(prediction, target):
    return float(((prediction - target) ** 2).mean().item())


def gives_an_array(prediction, target):
    return np.mean((prediction.numpy() - target.numpy()) ** 2)


def cut_off(prediction, target):
    return Tensor(np.mean((prediction.data - target.data) ** 2))


CLASS = type("Loss", (), {"__call__": lambda self, p, t: ((p - t) ** 2).mean()})
SETTINGS = {
    "loss: class": ({"loss": nn.MSE}, ArgumentError, r"loss is the class MSE: write MSE\(\)"),
    "loss: own class": ({"loss": CLASS}, ArgumentError, r"loss is the class Loss: write Loss\(\)"),
    "loss: None": ({"loss": None}, SignatureError, r"no loss is given: write model\.fit"),
    "loss: text": ({"loss": "mse"}, ArgumentError, "loss must be a function, .* not 'mse'"),
    "loss: number": ({"loss": 0.5}, ArgumentError, "loss must be a function, .* not 0.5"),
    "loss: float": ({"loss": gives_a_float}, DTypeError, r"the loss returned float, .* without float\(\), .item\(\)"),
    "loss: array": ({"loss": gives_an_array}, DTypeError, "the loss returned float64 of shape"),
    "loss: nothing": ({"loss": lambda p, t: None}, DTypeError, "the loss returned NoneType"),
    "loss: tuple": ({"loss": lambda p, t: (p.sum(), t)}, DTypeError, "the loss returned tuple"),
    "loss: rows": ({"loss": lambda p, t: (p - t) ** 2}, ShapeError, r"must be a scalar, but has shape \(4, 1\)"),
    "loss: one row": ({"loss": lambda p, t: ((p - t) ** 2).mean(axis=0)}, ShapeError, r"but has shape \(1,\)"),
    "metrics: list": ({"metrics": [nn.accuracy]}, ArgumentError, "metrics must be a dict of functions by name"),
    "metrics: empty list": ({"metrics": []}, ArgumentError, "metrics must be a dict"),
    "metrics: function": ({"metrics": nn.accuracy}, ArgumentError, "metrics must be a dict"),
    "metrics: texts": ({"metrics": {"a": "accuracy"}}, ArgumentError, r"metrics\['a'\] must be a function"),
    "metrics: class": ({"metrics": {"a": nn.MSE}}, ArgumentError, r"metrics\['a'\] is the class MSE"),
    "metrics: arrays": ({"metrics": {"a": lambda p, t: p}}, DTypeError, r"metrics\['a'\] must return one real number"),
    "metrics: nothing": ({"metrics": {"a": lambda p, t: None}}, DTypeError, "one real number, not NoneType"),
    "metrics: text": ({"metrics": {"a": lambda p, t: "0.5"}}, DTypeError, "one real number, not str"),
    "metrics: complex": ({"metrics": {"a": lambda p, t: 1j}}, DTypeError, "one real number, not complex"),
    **{
        f"{name}: {value!r}": ({name: value}, ArgumentError, f"{name} must be a positive integer, not")
        for name in ("batch_size", "epochs")
        for value in (True, False, 0, -1, 2.5, 2.0, "3", np.float64(3), np.array([3]), np.True_, np.nan)
    },
    "epochs: None": ({"epochs": None}, ArgumentError, "epochs must be a positive integer, not None"),
    "optimizer: class": ({"optimizer": nn.SGD}, ArgumentError, r"optimizer must be an object such as nn.SGD\(model\)"),
    "optimizer: text": ({"optimizer": "adam"}, ArgumentError, "optimizer must be an object .* not 'adam'"),
    **{
        f"learning_rate: {value!r}": ({"learning_rate": value}, ArgumentError, "learning_rate must be a (positive )?number")
        for value in (0, -1.0, np.nan, np.inf, "0.1", [0.1], 1j)
    },
    "share as validation": ({"validation_data": 0.2}, ArgumentError, r"validation_data must be a pair .* \(X, y\), not float"),
    "array as validation": ({"validation_data": MOONS}, ArgumentError, r"not ndarray of shape \(40, 2\)"),
    "three as validation": ({"validation_data": (X, Y, Y)}, ArgumentError, "validation_data must be a pair"),
    "validation rows": ({"validation_data": (X, Y[:3])}, ShapeError, r"\[0\] has 4 rows and .*\[1\] has 3"),
    "validation nan": ({"validation_data": (X * np.nan, Y)}, ArgumentError, r"validation_data\[0\]\[0, 0\] is nan"),
    "recorders: one": ({"recorders": nn.record_weights()}, ArgumentError, "recorders must be a list"),
    "recorders: texts": ({"recorders": ["weights"]}, ArgumentError, "recorders must be a list"),
    "recorders: twice": (
        {"recorders": [nn.record_predictions(X), nn.record_predictions(MOONS)]}, ArgumentError, "two recorders of one",
    ),
    "callbacks: one": ({"callbacks": print}, ArgumentError, "callbacks must be a list"),
    "callbacks: texts": ({"callbacks": "print"}, ArgumentError, "callbacks must be a list"),
    "seed: text": ({"seed": "0"}, ArgumentError, "seed must be an integer"),
    "seed: negative": ({"seed": -1}, ArgumentError, "seed must be an integer"),
    "seed: float": ({"seed": 0.5}, ArgumentError, "seed must be an integer"),
    "verbose": ({"verbose": "yes"}, ArgumentError, "verbose must be 0 or 1 or 2, not 'yes'"),
    "shuffle": ({"shuffle": "no"}, ArgumentError, "shuffle must be False or True, not 'no'"),
}  # fmt: skip


def remembered(model):
    """All that training may change."""
    return [(p, t.numpy().tolist(), None if t.grad is None else t.grad.tolist()) for p, t in model.state().items()]


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_the_wrong_kind_are_refused_by_name(case):
    settings, error, text = SETTINGS[case]
    model = nn.MLP([2, 3, 1], seed=0)
    model[0].training = False
    before, mode = remembered(model), modes(model)
    with pytest.raises(error, match=text):
        model.fit(X, Y, **{"loss": nn.MSE(), "epochs": 2, **settings})
    assert remembered(model) == before and modes(model) == mode


def test_a_loss_that_is_cut_off_from_the_model_changes_nothing():
    model = nn.MLP([2, 3, 1], seed=0)
    before = weights(model)
    with pytest.raises(GraphError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y, loss=cut_off, epochs=2)
    assert_equal(weights(model), before)


@pytest.mark.parametrize(
    ("rows", "targets", "error", "text"),
    [
        (np.ma.masked_array(X, X > 0), Y, DTypeError, "X is a masked array, whose mask would be lost"),
        (X, np.ma.masked_array(Y, Y > 0), DTypeError, "y is a masked array"),
        ((row for row in X), Y, DTypeError, "X has dtype object"),
        ([[1.0, 2.0], [3.0]], Y[:2], ShapeError, "X is a list whose parts have different shapes"),
        ((X, MOONS), Y, ShapeError, "X is a tuple whose parts have different shapes"),
        (X.astype(str), Y, DTypeError, "X has dtype <U"),
        (None, Y, DTypeError, "X has dtype object"),
        (X, None, DTypeError, "y has dtype object"),
        ({"a": X}, Y, DTypeError, "X has dtype object"),
        ([], [], ArgumentError, "empty batch"),
        (X, Y[:0], ShapeError, "X has 4 rows and y has 0"),
        (X[:1], Y, ShapeError, "X has 1 rows and y has 4"),
    ],
)  # fmt: skip
def test_data_of_the_wrong_kind(rows, targets, error, text):
    model = nn.MLP([2, 3, 1], seed=0)
    before = remembered(model)
    with pytest.raises(error, match=text):
        model.fit(rows, targets, loss=nn.MSE(), epochs=1)
    assert remembered(model) == before


@pytest.mark.parametrize("size", [True, False, 0, -1, 2.5, "3", np.nan])
def test_predict_takes_a_positive_number_of_rows(size):
    with pytest.raises(ArgumentError, match="batch_size must be a positive integer"):
        nn.MLP([2, 3, 1]).predict(X, batch_size=size)


@pytest.mark.parametrize("model", [nn.MLP, nn.MLP([2, 1]).forward, None, "model"])
def test_only_modules_are_trained(model):
    for use in (lambda: nn.fit(model, X, Y, loss=nn.MSE()), lambda: nn.predict(model, X),
                lambda: Trainer(model, nn.MSE(), nn.SGD(nn.MLP([2, 1])))):  # fmt: skip
        with pytest.raises((ArgumentError, DTypeError), match="the model"):
            use()


# -- what it prints ----------------------------------------------------------------------------------------------------


def test_off_terminal_it_is_silent_unless_asked(capsys):
    xor_network().train(X, Y, 30, 0.5)
    xor_network().train(X, Y, 30, 0.5, verbose=0)
    assert capsys.readouterr() == ("", "")
    xor_network().train(X, Y, 30, 0.5, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("epoch 30/30  loss 0.")


def test_on_a_terminal_the_bar_is_redrawn_at_most_ten_times_a_second(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    clock = iter(np.arange(0.0, 100.0, 0.01))  # every epoch takes a hundredth of a second
    fake = types.SimpleNamespace(perf_counter=lambda: next(clock), monotonic=time.monotonic)
    monkeypatch.setattr("nn.train.time", fake)
    drawn = []
    monkeypatch.setattr("nn.train.tqdm.refresh", lambda bar, *args, **kwargs: drawn.append(bar.n))
    xor_network().train(X, Y, 100, 0.5, callbacks=[lambda trainer: None])
    capsys.readouterr()
    assert 10 <= len([n for n in drawn if n]) <= 13
    assert drawn[-1] == 100
