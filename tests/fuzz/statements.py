"""The kinds of statements in a program's step: each returns what it is called, its text, and whether it makes a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import nn

if TYPE_CHECKING:
    from tests.fuzz.write import Writer

Made = tuple[str, str, bool] | None
NUMBERS = (2, 0.5, -1.5, 3, 0.0, -0.0, 1, 1.0, -1, 0, True, float("inf"))
EXPONENTS = (2, 3, 0.5, -1, 0, 1, 2.0, -2, 1.5, -0.5)


def operation(writer: Writer, name: str) -> Made:
    what, call = writer.operation()
    if "rng." in call:
        need_generator(writer)
    return what, f"{name} = {call}", True


def with_number(writer: Writer, name: str) -> Made:
    x, symbol = writer.value(), writer.pick("+-*/")
    if writer.chance(0.25):
        return "**", f"{name} = {x} ** {writer.pick(EXPONENTS)!r}", True
    number = writer.pick(NUMBERS)
    text = f"({number!r}) {symbol} {x}" if writer.chance(0.3) else f"{x} {symbol} ({number!r})"
    return symbol, f"{name} = {text}", True


def index(writer: Writer, shape: tuple[int, ...]) -> str:
    """An index of any kind that fits the shape."""
    if not shape or writer.chance(0.1):
        return str(writer.pick(("...", "None", "()" if not shape else "..., None")))
    if writer.chance(0.1):
        return f"np.array({(writer.rng.random(shape) < 0.5).tolist()})"
    parts: list[str] = []
    for n in shape[: int(writer.rng.integers(1, len(shape) + 1))]:
        kind = writer.pick(("int", "slice", "slice", "array", "new", "whole"))
        if kind == "int" and n:
            parts.append(str(int(writer.rng.integers(-n, n))))
        elif kind == "array" and n:
            picked = writer.rng.integers(-n, n, writer.pick(((2,), (3,), (1, 2)))).tolist()
            parts.append(
                f"Tensor({picked})"
                if writer.chance(0.2)
                else f"np.array({picked})"
                if writer.chance(0.5)
                else str(picked)
            )
        elif kind == "slice":
            low, high = (writer.pick(("", *range(-n - 1, n + 2))) for _ in range(2))
            parts.append(f"{low}:{high}:{writer.pick((1, 2, -1, -2))}")
        else:
            parts += ["None", ":"] if kind == "new" else [":"]
    if len(parts) == len(shape) and writer.chance(0.3) and "..." not in parts:
        parts[0:0] = ["..."]
    return ", ".join(parts)


def indexing(writer: Writer, name: str) -> Made:
    x = writer.value()
    return "[]", f"{name} = {x}[{index(writer, writer.shape(x))}]", True


def writing(writer: Writer, name: str) -> Made:
    x, y = writer.value(), writer.value()
    key = index(writer, writer.shape(x))
    new = writer.pick((y, "0.5", f"ag.sum({y})"))
    form = writer.pick(
        (
            f"{name} = {x} * 1.0\n{name}[{key}] = {new}",
            f"{name} = {x}.at[{key}].{writer.pick(('set', 'add'))}({new})",
            f"{x}[{key}] = {new}\n{name} = {x} * 1.0",
            f"{name} = {x} * 1.0\n{name} {writer.pick('+-*/')}= {new}",
        )
    )
    return "x[] = y", form, True


def transformation(writer: Writer, name: str) -> Made:
    """A derivative, a batch or a checkpoint of an operation, at one of its arguments."""
    what, call = writer.operation()
    inside = [v for v in writer.values if v in call]
    if not inside:
        return None
    x = writer.pick(inside)
    body = call.replace(x, "t")
    if writer.chance(0.4):
        body = f"({body}) * ag.sum({writer.value()})"
    form = writer.pick(
        (
            f"ag.grad(lambda t: ag.sum({body}))({x})",
            f"ag.value_and_grad(lambda t: ag.sum({body}))({x})",
            f"(lambda pair: pair[1](pair[0]))(ag.vjp(lambda t: {body}, {x}))",
            f"ag.jvp(lambda t: {body}, [{x}], [{x}])",
            f"ag.vmap(lambda t: {body})({x})",
            f"ag.checkpoint(lambda t: {body})({x})",
            f"ag.hvp(lambda t: ag.sum({body}), {x}, {x})",
            f"ag.jacobian(lambda t: {body})({x})",
            f"ag.hessian(lambda t: ag.sum({body}))({x})",
        )
    )
    return form.split("(")[0] if form[0] != "(" else "ag.vjp", f"{name} = {form}", True


def labels(writer: Writer, name: str) -> Made:
    """A loss of class labels: the labels are an argument, and in some calls out of range."""
    rows = [v for v in writer.values if len(writer.shape(v)) == 2 and all(writer.shape(v))]
    if not rows:
        return None
    x = writer.pick(rows)
    n, classes = writer.shape(x)
    argument = f"x{len(writer.arguments)}"

    def drawn(high: int) -> str:
        return f"{argument} = np.array({writer.rng.integers(0, high, n).tolist()})"

    writer.make(drawn(classes))
    writer.arguments.append(argument)
    writer.changes += [drawn(classes), drawn(classes), drawn(classes + 1)]
    return "nn.cross_entropy", f"{name} = nn.cross_entropy({x}, {argument})", True


def need_generator(writer: Writer) -> None:
    if "rng" not in writer.space:
        writer.make(f"rng = np.random.default_rng({writer.number()})")
        if writer.chance(0.4):
            writer.arguments.append("rng")
        writer.changes.append(f"rng = np.random.default_rng({writer.number()})")


def python_float(writer: Writer, name: str) -> Made:
    """A Python number as an argument, of another type in some calls."""
    argument = f"x{len(writer.arguments)}"
    writer.make(f"{argument} = 0.1")
    writer.arguments.append(argument)
    writer.changes += [
        f"{argument} = {value}" for value in ("0.05", "0.01", "1", "np.float64(0.5)", "True", "np.float32(2)")
    ]
    return "float", f"{name} = {writer.value()} * {argument}", True


# ----- objects with state -----
READS = (
    "{v} = {x} * s.rate",
    "{v} = s.scaled({x})",
    "{v} = s.act({x})",
    "{v} = s.function({x})",
    "{v} = {x} if s.training else -{x}",
    "{v} = {x}\nfor number in s.table.values():\n    {v} = {v} * 0.5 + number",
    "{v} = {x} * 1.0\nif 'u' in s.names:\n    {v} = {v} + len(s.names)",
    "{v} = {x} + s.mean",
    "{v} = {x} / s.zero",
    "{v} = {x} + 1.0 / (s.zero * s.rate)",
    "{v} = {x} * s.buffer.sum()",
    "{v} = {x} + s.buffer[0]",
    "{v} = sloped({x})",
    "{v} = damped({x})",
    "{v} = {x} * s.levels[-1]",
    "{v} = layer({x})",
)  # fmt: skip
WRITES = (
    "s.mean = 0.75 * s.mean + 0.25 * ag.mean({x})",
    "s.last = {x}",
    "s.last = {x} * 2",
    "s.count += 1",
    "s.total = s.total + ag.sum({x})",
    "s.buffer[0] += 1",
    "s.table['second'] = s.table['second'] + 1.0",
    "s.levels.append(1.0)",
    "s.rate = s.rate * 0.5",
    "s.outputs['last'] = {x}",
    "s.mean.data = 0.5 * s.mean.data + 1.0",
)
CHANGES = (
    "s.rate = 0.25", "s.rate = 1", "s.rate = np.float64(0.75)", "s.training = not s.training",
    "s.table = dict(reversed(s.table.items()))", "s.table['third'] = 3.0", "s.names.add('v')", "s.names.clear()",
    "s.function = wave", "s.function = damped", "s.act = double", "State.act = lambda self, x: x * 3.0", "s.zero = -0.0",
    "s.zero = 0.0", "s.mean = Tensor(2.0)", "s.mean = Tensor([1.0])", "s.buffer[:] = 3.0", "sloped.slope = 2.0",
    "damped.__defaults__ = (0.125,)", "s.levels.append(2.0)", "layer.training = False", "s = State(**vars(s))",
)  # fmt: skip


def make_state(writer: Writer) -> None:
    """An object that the step reads and rebinds, closed over or passed."""
    writer.make("class State(State):\n    pass")
    writer.make("def sloped(x):\n    return x * sloped.slope\nsloped.slope = 0.75")
    writer.make("def damped(x, by=0.5, *, shift=0.25):\n    return x * by + shift")
    writer.make(
        "s = State(rate=0.5, training=True, count=0, total=0.0, zero=0.0, mean=Tensor(0.5), last=None, function=double,\n"
        "          table={'second': 2.0, 'first': 10.0}, names={'u'}, buffer=np.ones(2), levels=[0.5], outputs={})"
    )
    writer.make("layer = Averaged(Tensor(0.25))")
    writer.changes += CHANGES
    if writer.chance(0.5):
        writer.arguments.append("s")


def state(writer: Writer, name: str) -> Made:
    if "s" not in writer.space:
        return None
    reads = writer.chance(0.6)
    form = writer.pick(READS if reads else WRITES)
    return "state", form.format(v=name, x=writer.value()), reads


def make_many(writer: Writer) -> None:
    """As many parameters as the optimizers of real models have."""
    count = int(writer.rng.integers(8, 61))
    text = writer.array(writer.pick(((), (2,), (2, 3))), floats=True).format("i")
    writer.make(f"many = [Tensor({text}, requires_grad=True) for i in range({count})]")
    writer.parameters.append("*many")
    inner = writer.pick(("w * 0.5", "ag.sin(w)", "w * w", "np.interp(w, [0.0, 1.0], [1.0, 3.0])"))
    writer.accept(f"v0 = many[0]\nfor w in many[1:]:\n    v0 = v0 + {inner}", "v0")


KINDS: tuple[Callable[[Any, str], Made], ...] = (
    *[operation] * 12, with_number, with_number, indexing, indexing, writing, transformation, transformation, labels,
    python_float, *[state] * 6,
)  # fmt: skip


# ----- how a step ends -----
def optimizers(base: type = nn.Optimizer) -> Iterator[str]:
    for kind in base.__subclasses__():
        yield f"nn.{kind.__name__}" if hasattr(nn, kind.__name__) else f"nn.optim.{kind.__name__}"
        yield from optimizers(kind)


OPTIMIZERS = (*optimizers(), "Descent", "Descent")


IN_PLACE = "p.data -= 0.125 * p.grad"


def finish(writer: Writer) -> list[str]:
    """A loss, its gradients and an update in most programs; what the step returns."""
    results = list(dict.fromkeys([*writer.values[-1:], *(writer.value() for _ in range(2))])) if writer.values else []
    floats = [v for v in writer.values if getattr(eval(v, writer.space), "requires_grad", False)]
    if not floats or not writer.parameters or writer.chance(0.2):
        return results
    chosen = list(dict.fromkeys([floats[-1], writer.pick(floats)]))
    terms = " + ".join(f"{writer.pick(('ag.sum', 'ag.mean', 'ag.sum'))}({v})" for v in chosen)
    everything = f"[{', '.join(writer.parameters)}]"
    optimizer = writer.chance(0.4)
    if optimizer:
        writer.make(f"opt = {writer.pick(OPTIMIZERS)}({everything})")
        rate = "rate" if "Descent" in writer.setup[-1] else "learning_rate"
        writer.changes += [f"opt.{rate} = {value}" for value in ("0.5", "0.01", "1", "np.float64(0.25)")]
        if writer.chance(0.4):
            writer.arguments.append("opt")
    if writer.chance(0.8):
        writer.body.append(f"for p in {everything}:\n    p.grad = None")
    writer.body += [f"loss = {terms}", "loss.backward()"]
    if optimizer:
        writer.body.append("opt.step()")
    elif writer.chance(0.8):
        update = writer.pick(("p.data = p.data - 0.125 * p.grad", "p.assign(p.data - 0.125 * p.grad)", IN_PLACE))
        if update == IN_PLACE:  # eager views of a parameter would change with it
            writer.body += [f"out{i} = {v} * 1" for i, v in enumerate(results)]
            results = [f"out{i}" for i in range(len(results))]
        writer.body.append(f"for p in {everything}:\n    if p.grad is not None:\n        {update}")
    name = writer.parameters[0]
    writer.changes += [
        f"{name} = Tensor(np.array({name}.data) * 0.5, requires_grad=True)",
        f"{name}.data = {name}.data * 2",
    ] * (name[0] != "*")
    return [*results, "loss"]
