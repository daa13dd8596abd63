"""The training loop behind `Module.fit` and `NeuralNetwork.train`."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
from tqdm import tqdm

import autograd
from autograd import Tensor, no_grad, tape, tree
from autograd.core.errors import ArgumentError, AutogradError, DivergenceError, DTypeError, ShapeError

from . import checks
from .history import History, Record, Recorder, Run
from .loss import LossFunction
from .module import Model, Module, evaluating
from .optim import Adam, Optimizer

Metric = Callable[[np.ndarray, np.ndarray], float]
Callback = Callable[["Trainer"], Any]

_SECONDS_PER_CALL = 0.05  # after which Ctrl-C is looked for
_TRACED = "This was raised while the training step was traced."


class RunOptions(TypedDict, total=False):
    """The options of `Trainer.run` that `fit` and `NeuralNetwork.train` pass on."""

    shuffle: bool
    validation_data: tuple[Any, Any] | None
    metrics: dict[str, Metric] | None
    recorders: Sequence[Recorder]
    callbacks: Iterable[Callback]
    verbose: int


@checks.call(checks.FIT)
def fit(
    model: Model,
    X: Any,
    y: Any,
    *,
    loss: LossFunction | None = None,
    epochs: int = 100,
    batch_size: int | None = 32,
    optimizer: Optimizer | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> History:
    """Train a model on rows and their targets, in batches.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        X: Inputs (n, ...).
        y: Targets (n, ...).
        loss: Function of (prediction, target); a `NeuralNetwork` has its own.
        epochs: How often to go through the rows.
        batch_size: Rows per step, None for all of them.
        optimizer: By default Adam.
        learning_rate: Of that Adam, by default 0.001.
        seed: Of the orders of the rows.
        options: Those of `Trainer.run`: `validation_data`, `metrics`, `recorders`, `callbacks`, `shuffle`, `verbose`.

    Returns:
        A `History`.

    Raises:
        SignatureError: The loss is missing, or an argument does not exist.
        ArgumentError: nan in the data, no rows, or an option out of range.
        ShapeError: Targets that do not fit the output.
        DTypeError: The model is none, or data of the wrong kind.
        DivergenceError: The loss has become infinite or nan.

    >>> import nn
    >>> X, y = nn.data.two_moons(100)
    >>> model = nn.MLP([2, 16, 1])
    >>> history = fit(model, X, y, loss=nn.binary_cross_entropy_with_logits, epochs=100, learning_rate=0.05, verbose=0)
    >>> nn.accuracy(model.predict(X), y, threshold=0)
    1.0
    """
    module, loss = checks.module(model), checks.loss(model, loss)
    if optimizer is not None and learning_rate is not None:
        raise ArgumentError("give the learning rate to the optimizer, or leave the optimizer out")
    if optimizer is None:
        optimizer = Adam(module, learning_rate=1e-3 if learning_rate is None else learning_rate)
    return Trainer(module, loss, optimizer).run(X, y, epochs=epochs, batch_size=batch_size, seed=seed, **options)


def predict(model: Model, X: Any, *, batch_size: int | None = None) -> Any:
    """The output of a model for rows, as arrays: in evaluation mode, recording nothing.

    Afterwards every module is in the mode it was in.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        X: Array (n, ...), floats cast to the dtype of the parameters.
        batch_size: Rows per forward pass, all at once by default.

    Returns:
        An array (n, ...), or a tuple, list, dict or dataclass of arrays where `forward` returns one of Tensors.

    Raises:
        DTypeError: The model is none, X holds no real numbers, or the model returns no Tensors.
        ArgumentError: nan in X, or a `batch_size` that is no positive integer.
        ShapeError: X has no rows, or the outputs of batches cannot be joined.

    >>> import nn
    >>> predict(nn.MLP([2, 3, 1]), [[0.0, 1.0]]).shape
    (1, 1)
    """
    module = checks.module(model)
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    X = checks.rows(X, "X", checks.dtype(module))
    with no_grad(), evaluating(module):
        size = batch_size or max(len(X), 1)
        parts = [tree.map(checks.output, module(Tensor(X[i : i + size]))) for i in range(0, max(len(X), 1), size)]
    return parts[0] if len(parts) == 1 else _joined(parts, size)


def _joined(parts: list[Any], size: int) -> Any:
    """The outputs for several batches of so many rows as those for all rows."""
    leaves, structure = zip(*map(tree.flatten, parts))
    for batch in leaves[:-1]:
        for leaf in batch:
            if leaf.shape[:1] != (size,):
                raise ShapeError(
                    f"for {size} rows the model returned shape {leaf.shape}, which is not one row for each, so batches "
                    "of it cannot be joined: leave batch_size out"
                )
    return tree.unflatten(structure[0], [np.concatenate(leaf) for leaf in zip(*leaves)])


class Trainer:
    """A model, a loss and an optimizer, and the loop over epochs and batches.

    Where the step is machine code, so is the loop over batches: as many steps as fit in a twentieth of a second run in
    one call (of several epochs, if their rows divide evenly and nothing is asked for between them), with the results of
    the steps one by one.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        loss: Function of (prediction, target) that returns a scalar.
        optimizer: Of the model's parameters.

    Attributes:
        model, loss, optimizer: What was given; of a `NeuralNetwork` the module that it holds.
        history: The `History` of the latest run.
        epoch: The number of the epoch that runs.

    Raises:
        ArgumentError: The optimizer is none, or holds no parameter of the model.
        DTypeError: The model is none.

    >>> import nn
    >>> model = nn.MLP([2, 3, 1])
    >>> trainer = Trainer(model, nn.MSE(), nn.SGD(model, learning_rate=0.5))
    >>> trainer.run(*nn.data.xor(), epochs=3, verbose=0).epochs
    3
    """

    def __init__(self, model: Model, loss: LossFunction, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"optimizer must be an object such as nn.SGD(model), not {optimizer!r}")
        self.model, self.loss, self.optimizer = checks.module(model), checks.loss(model, loss), optimizer
        self.history = History()
        self.epoch = 0
        self._compiled: Any = autograd.compile(self.step)  # None once it has turned out that it cannot be traced
        self._most_steps = 1  # steps that take about as long as Ctrl-C may wait
        self._check_parameters()

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One training step on one batch: forward, backward, update.  Returns the loss before the update."""
        try:
            self.optimizer.zero_grad()
            loss: Tensor = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
        except Exception as error:
            if isinstance(x, Tensor) and x.traced:
                error.add_note(_TRACED)
            raise
        return loss

    @checks.call(checks.FIT)
    def run(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        validation_data: tuple[Any, Any] | None = None,
        metrics: dict[str, Metric] | None = None,
        recorders: Sequence[Recorder] = (),
        callbacks: Iterable[Callback] = (),
        verbose: int = 1,
    ) -> History:
        """Train for some epochs.

        Loss and metrics are called once before anything is changed, to see that they take what the model returns (which
        may be a tuple, list, dict or dataclass of Tensors) and return numbers.  Ctrl-C ends the run after the current
        step and returns the history; a second one interrupts at once.  An error in a step leaves what the steps before
        it made, in the modes before the run.

        Args:
            X: Inputs (n, ...), floats cast to the dtype of the parameters.  Integers stay integers (tokens, labels).
            y: Targets (n, ...); integers of the shape of the output are cast to the dtype of the parameters, too.
            epochs: How often to go through the rows.
            batch_size: Rows per step, None for all.
            shuffle: Whether each epoch has a new order of the rows, drawn from `seed`.
            seed: Of the orders.
            validation_data: Rows and targets (X, y) whose loss is measured after each epoch.
            metrics: Functions of (prediction, target) by name, of the validation rows, or without these of the
                training rows.
            recorders: What to keep on the way, each under a name of its own.
            callbacks: Called with this trainer after each epoch; one that returns True ends the run.
            verbose: 0 is silent; 1 shows a bar, and nothing where standard error is no terminal; 2 prints ten lines.

        Returns:
            A `History`.

        Raises:
            DivergenceError: The loss has become infinite or nan.  The parameters are those of the last finite loss, and
                the error's attribute `history` holds what came before.
            SignatureError, ArgumentError, ShapeError, DTypeError: As `fit`.
        """
        epochs = checks.count("epochs", epochs)
        size = None if batch_size is None else checks.count("batch_size", batch_size)
        metrics = {} if metrics is None else checks.functions("metrics", metrics, '{"accuracy": nn.accuracy}')
        recorders = checks.listed("recorders", recorders, lambda r: isinstance(r, Recorder), "[nn.record_weights()]")
        callbacks = checks.listed("callbacks", callbacks, callable, "[lambda trainer: None]")
        if len({recorder.name for recorder in recorders}) < len(recorders):
            raise ArgumentError(f"two recorders of one name would keep one record: {recorders}; change the name of one")
        for name, value, known in (("verbose", verbose, (0, 1, 2)), ("shuffle", shuffle, (False, True))):
            if not isinstance(value, (int, np.integer, np.bool_)) or value not in known:
                raise ArgumentError(f"{name} must be {' or '.join(map(str, known))}, not {value!r}")
        rng = checks.generator(seed)
        held_out = None if validation_data is None else checks.pair("validation_data", validation_data)
        X, y = self._check_data(X, y)
        if held_out is not None:
            held_out = self._check_data(*held_out, names=("validation_data[0]", "validation_data[1]"))
        n = len(X)
        size = min(size or n, n)
        if metrics:
            inputs, targets = held_out or (X, y)
            _measured(metrics, predict(self.model, inputs), targets)
        self.history = history = History(records={recorder.name: Record() for recorder in recorders})
        if "weights" in history.records:
            history.run = Run(self.model, self.loss, X, y)
        self._state = [*self.model.state().values(), *self.optimizer.state().values()]
        self._good = self._values()
        self._generators = autograd.compile(self.step).generators
        rows = np.arange(n)
        # Overflow on the way to a divergence is reported once, by the error, not by a stream of NumPy warnings.
        quiet = np.errstate(all="ignore")
        with _training(self.model), quiet, _interruptible() as interrupt, _Progress(epochs, verbose) as progress:
            while history.epochs < epochs:
                self._record(recorders, history.epochs)
                busy = held_out or metrics or callbacks or n % size
                ahead = 1 if busy else self._epochs_per_call(n // size, recorders, progress)
                order = np.concatenate([rng.permutation(n) if shuffle else rows for _ in range(ahead)])
                self._run_epochs(X[order], y[order], n, size, interrupt)
                if held_out or metrics:
                    self._measure(held_out or (X, y), metrics, held_out is not None)
                progress.show(history.epochs, history)
                stop = [callback(self) for callback in callbacks]
                if interrupt.is_set() or any(result is True for result in stop):
                    break
            self._check_finite()
            history.interrupted = interrupt.is_set()
            self._record(recorders, history.epochs, last=True)
        return history

    # -- epochs --------------------------------------------------------------------------------------------------------

    @property
    def _steps_per_call(self) -> int:
        """How many steps to run before Ctrl-C is looked for: one, unless they run inside machine code."""
        return self._most_steps if self._compiled is not None and self._compiled.looped else 1

    def _epochs_per_call(self, steps: int, recorders: Sequence[Recorder], progress: _Progress) -> int:
        """How many epochs of so many steps are soon over, and nothing is to be done between them."""
        now = self.history.epochs
        most = max(1, min(self._steps_per_call // steps, progress.epochs - now))
        return next(
            (i for i in range(1, most) if progress.due(now + i) or any(r.wants(now + i) for r in recorders)), most
        )

    def _run_epochs(self, X: np.ndarray, y: np.ndarray, n: int, size: int, interrupt: threading.Event) -> None:
        """Step through the rows of epochs of n rows each, and note the mean loss of each."""
        total = 0.0
        done = 0
        alone = False  # after a loss that is not finite: one step at a time, to see which one it is
        refusal: Exception | None = None
        while done < len(X):
            self.epoch = self.history.epochs
            start, before = time.monotonic(), self._values()
            drawn = [generator.bit_generator.state for generator in self._generators]
            rows = slice(done, done + (1 if alone else self._steps_per_call) * size)
            try:
                losses = self._losses(X[rows], y[rows], size)
            except BaseException as error:
                self._restore(before)  # in the middle of a step, some parameters are changed and some are not
                if self._compiled is None or not isinstance(error, Exception) or not _while_tracing(error):
                    raise
                # The same step as plain Python tells whether tracing was at fault, or the step fails anyway.
                self._compiled, refusal = None, error
                self._rewind(drawn)
                continue
            if refusal is not None:
                checks.warn(_eager_text(refusal))
                refusal = None
            if not all(map(math.isfinite, losses)):
                self._restore(before)
                self._rewind(drawn)
                if len(losses) == 1:
                    where = _first_nonfinite(self.loss(self.model(Tensor(X[rows])), Tensor(y[rows])))
                    self._fail(f"step {done % n // size}: the loss is {losses[0]}", where)
                alone = True
                continue
            self._good = self._last
            for loss in losses:
                batch = min(size, len(X) - done)
                total += loss * batch
                done += batch
                if done % n == 0:
                    self.history.loss.append(total / n)
                    total = 0.0
            if interrupt.is_set():
                break
            in_time = int(_SECONDS_PER_CALL * len(losses) / max(time.monotonic() - start, 1e-6))
            self._most_steps = max(1, min(in_time, 8 * len(losses)))
        if done % n:
            self.history.loss.append(total / (done % n))
        self.epoch = self.history.epochs - 1

    def _losses(self, X: np.ndarray, y: np.ndarray, size: int) -> list[float]:
        """Step through batches of rows: all but the last in one call, which stays inside machine code."""
        before = (len(X) - 1) // size
        cut = before * size
        losses: list[float] = []
        if before:
            stacked = (Tensor(rows[:cut].reshape(before, size, *rows.shape[1:])) for rows in (X, y))
            losses = self._compiled.scan(*stacked).tolist()
        self._last = self._values()  # should the next loss be no number, these have led to the last one that was
        step = self.step if self._compiled is None else self._compiled
        return [*losses, float(step(Tensor(X[cut:]), Tensor(y[cut:])).data)]

    def _measure(self, rows: tuple[np.ndarray, np.ndarray], metrics: dict[str, Metric], held_out: bool) -> None:
        X, y = rows
        prediction = predict(self.model, X)
        if held_out:
            with no_grad():
                loss = self.loss(tree.map(Tensor, prediction), Tensor(y))
            self.history.validation_loss.append(checks.number("the loss", loss))
        for name, value in _measured(metrics, prediction, y).items():
            self.history.metrics.setdefault(name, []).append(value)

    def _record(self, recorders: Sequence[Recorder], epoch: int, last: bool = False) -> None:
        for recorder in recorders:
            if last or recorder.wants(epoch):
                record = self.history.records[recorder.name]
                record.epochs.append(epoch)
                record.values.append(recorder.function(self.model))

    # -- divergence ----------------------------------------------------------------------------------------------------

    def _values(self) -> list[Any]:
        """All values that training changes, by reference: updates replace arrays, they do not write into them."""
        return [tensor.data for tensor in self._state]

    def _restore(self, values: list[Any]) -> None:
        for tensor, value in zip(self._state, values):
            tensor.data = value

    def _rewind(self, states: list[Any]) -> None:
        """Let the step's generators draw again what they have drawn since."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state

    def _check_finite(self) -> None:
        """The last update is followed by no loss that could show what it did."""
        for path, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                self._fail("last step: the update is not finite", f"the parameter {path}")

    def _fail(self, what: str, where: str) -> None:
        self._restore(self._good)
        rate = self.optimizer.learning_rate
        error = DivergenceError(
            f"epoch {self.epoch} {what}; the first non-finite value is {where}. The parameters of the last finite loss "
            f"are restored. Try a learning rate below {rate:g}, for example {rate / 10:g}"
        )
        error.history = self.history  # type: ignore[attr-defined]
        raise error

    # -- checks of arguments ---------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        given = {id(parameter) for parameter in self.optimizer.params}
        trainable = {path: p for path, p in self.model.named_parameters() if p.requires_grad}
        left_out = [path for path, parameter in trainable.items() if id(parameter) not in given]
        if trainable and len(left_out) == len(trainable):
            raise ArgumentError("the optimizer holds no parameter of this model: make it from model.parameters()")
        if left_out:
            checks.warn(
                f"the optimizer was not given {', '.join(left_out)}, which will not be trained "
                "(set requires_grad=False there if that is meant)"
            )

    def _check_data(self, X: Any, y: Any, names: tuple[str, str] = ("X", "y")) -> tuple[np.ndarray, np.ndarray]:
        """X and y as arrays, once a forward pass and the loss have accepted them."""
        dtype = checks.dtype(self.model)
        X, y = checks.rows(X, names[0], dtype), checks.rows(y, names[1], None)
        if len(X) != len(y):
            raise ShapeError(f"{names[0]} has {len(X)} rows and {names[1]} has {len(y)}")
        if not len(X):
            raise ArgumentError(f"empty batch: {names[0]} has shape {X.shape}, no rows to train on")
        # The loss looks at all rows once, so that what it finds wrong is named by its position in y, not in a batch.
        rows = len(X) if X.size <= 1_000_000 else 1000
        prediction = predict(self.model, X[:rows])
        output = (len(X), *prediction.shape[1:]) if isinstance(prediction, np.ndarray) else None
        if output is not None and y.shape != output and y.size == math.prod(output):
            raise ShapeError(
                f"{names[1]} has shape {y.shape}, but the output for these rows has shape {output}. "
                f"Use {names[1]}.reshape{output}"
            )
        if y.dtype.kind == "f" or y.shape == output:
            y = checks.cast(y, names[1], dtype)
        with no_grad(), np.errstate(all="ignore"):
            result = self.loss(tree.map(Tensor, prediction), Tensor(y[:rows]))
        if not isinstance(result, Tensor):
            raise DTypeError(
                f"the loss returned {checks.kind(result)}, through which no gradient flows: it must return a Tensor, "
                "computed from the prediction without float(), .item(), .numpy() or .data"
            )
        if result.shape != ():
            raise ShapeError(f"the loss must be a scalar, but has shape {result.shape}: use its mean()")
        return X, y


def _while_tracing(error: Exception) -> bool:
    """Whether a step failed while it was traced, or in the compiler; not as plain Python."""
    inside = any(frame.f_code is Trainer.step.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))
    return _TRACED in getattr(error, "__notes__", ()) if inside else isinstance(error, AutogradError)


def _eager_text(refusal: Exception) -> str:
    return (
        f"training runs without compilation, since the step cannot be traced ({type(refusal).__name__}: {refusal}); "
        "inside `with autograd.disable_compile():` it does so without this warning"
    )


def _measured(metrics: dict[str, Metric], prediction: Any, y: np.ndarray) -> dict[str, float]:
    return {name: checks.number(f"metrics[{name!r}]", metric(prediction, y)) for name, metric in metrics.items()}


def _first_nonfinite(output: Any) -> str:
    """Names the earliest operation in forward order that made nan or inf out of finite numbers."""
    if not isinstance(output, Tensor):
        return "the loss"
    for tensor in tape(output):
        for value in (*(tensor.inputs or ()), tensor):
            if isinstance(value, Tensor) and not np.isfinite(value.data).all():
                return _describe(value)
    return "the loss"


def _describe(tensor: Tensor) -> str:
    if tensor.creator is None:
        return f"the tensor {tensor.name or 'without a name'} of shape {tensor.shape}"
    largest = max((float(np.abs(checks.array(item)).max(initial=0.0)) for item in tensor.inputs or ()), default=0.0)
    where = f" in {tensor.scope}" if tensor.scope else ""
    line = f" at {tensor.site[0]}:{tensor.site[1]}" if tensor.site else ""
    return f"made by {tensor.creator.name!r}{where}{line} from inputs up to {largest:.3g}"


@contextlib.contextmanager
def _training(model: Module) -> Iterator[None]:
    """Within, a model is in training mode, afterwards in evaluation mode, or after an error in the modes it was in."""
    before = [(module, module.training) for _, module in model.named_modules()]
    model.train()
    try:
        yield
    except BaseException:
        for module, training in before:
            module.training = training
        raise
    model.eval()


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Within, Ctrl-C sets the event that is yielded; the second one is the usual KeyboardInterrupt."""
    asked = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler  # leave a handler of the caller's alone
    )
    if ours:
        signal.signal(signal.SIGINT, handle)
    try:
        yield asked
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Progress:
    """A bar on a terminal, redrawn at most ten times a second, or a few lines."""

    def __init__(self, epochs: int, verbose: int) -> None:
        self.epochs, self.verbose = epochs, verbose
        self.bar: Any = tqdm(total=epochs, unit="epoch", disable=None if verbose == 1 else True)
        self.drawn = 0.0

    def __enter__(self) -> _Progress:
        return self

    def due(self, done: int) -> bool:
        """Whether a line is to be printed after so many epochs."""
        return self.verbose >= 2 and (done % max(self.epochs // 10, 1) == 0 or done == self.epochs)

    def show(self, done: int, history: History) -> None:
        """Called after every epoch, or every few of them."""
        if self.due(done):
            held_out = f"  validation {history.validation_loss[-1]:.6g}" if history.validation_loss else ""
            print(f"epoch {done}/{self.epochs}  loss {history.loss[-1]:.6g}{held_out}", flush=True)
        now = time.perf_counter()
        if not self.bar.disable and (now - self.drawn >= 0.1 or done == self.epochs):
            self.drawn = now
            self.bar.n = done
            self.bar.set_postfix_str(f"loss {history.loss[-1]:.4g}", refresh=False)
            self.bar.refresh()

    def __exit__(self, *exception: object) -> None:
        self.bar.close()
