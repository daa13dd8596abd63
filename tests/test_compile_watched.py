"""What a compiled step reads is watched, wherever it is held: every change between two calls is seen, as in eager mode."""

import array
import collections
import contextvars
import dataclasses
import enum
import functools
import gc
import math
import operator
import os
import random
import types
import weakref
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
X = np.array([0.5, -1.0, 2.0])


def twice(value: Any) -> Any:
    return 2.0 * value


def thrice(value: Any) -> Any:
    return 3.0 * value


class Thing:
    """Something with attributes, methods and shared values, for a step to read."""

    shared = 2.0
    table = {"k": 2.0}
    call = staticmethod(math.sqrt)

    def __init__(self, **own):
        self.__dict__.update(own)

    def go(self, x):
        return x * 2.0

    @property
    def hidden(self):
        return 2.0

    @classmethod
    def made(cls, x):
        return x * 2.0

    @staticmethod
    def fixed(x):
        return x * 2.0

    def __call__(self, x):
        return self.go(x)

    def __getitem__(self, index):
        return self.items[index]


class Child(Thing):
    pass


class Slotted:
    __slots__ = ("rate",)

    def __init__(self, rate):
        self.rate = rate


@dataclasses.dataclass
class Config:
    rate: Any
    kind: str = "plain"


class Dynamic:
    def __init__(self):
        self.held = {"rate": 2.0}

    def __getattr__(self, name):
        return self.__dict__["held"][name]


class Described:
    value = 2.0

    def __get__(self, instance, owner):
        return self.value


class Entered:
    rate = 2.0

    def __enter__(self):
        return self.rate

    def __exit__(self, *exception):
        pass


def entered(held, x):
    with held as rate:
        return x * rate


class Iterated:
    def __init__(self):
        self.items = [2.0]

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)

    def __mul__(self, other):
        return other * sum(self.items)


class Private:
    def __init__(self):
        self.__rate = 2.0

    def go(self, x):
        return x * self.__rate

    def change(self):
        self.__rate = 5.0


RATE = operator.attrgetter("rate")


def fresh(kind: type) -> type:
    """A class of the same contents, to be changed by one test alone."""
    return type(
        kind.__name__, kind.__bases__, {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
    )


def nested(depth: int) -> Thing:
    held = Thing(rate=2.0)
    for _ in range(depth):
        held = Thing(inner=held)
    return held


def deepest(held: Any) -> Any:
    while "inner" in held.__dict__:
        held = held.inner
    return held


def closure(rate):
    def scaled(x):
        return x * rate

    scaled.set = lambda new: scaled.__closure__[0].__setattr__("cell_contents", new)
    return scaled


def with_defaults():
    def scaled(x, rate=2.0, *, more=1.0):
        return x * rate * more

    return scaled


# What is held, how a step uses it, and how it is changed between calls.
HELD = {
    "attribute": (lambda: Thing(rate=2.0), lambda h, x: x * h.rate, lambda h: setattr(h, "rate", 5.0)),
    "slot": (lambda: Slotted(2.0), lambda h, x: x * h.rate, lambda h: setattr(h, "rate", 5.0)),
    "namespace": (
        lambda: types.SimpleNamespace(rate=2.0), lambda h, x: x * h.rate, lambda h: setattr(h, "rate", 5.0)),
    "namespace_by_vars": (
        lambda: types.SimpleNamespace(rate=2.0), lambda h, x: x * sum(vars(h).values()),
        lambda h: setattr(h, "other", 5.0)),
    "attribute_by_name": (
        lambda: Thing(w0=1.0, w1=2.0), lambda h, x: x * sum(getattr(h, f"w{i}") for i in range(2)),
        lambda h: setattr(h, "w1", 5.0)),
    "attribute_by_vars": (
        lambda: Thing(a=1.0, b=2.0), lambda h, x: x * sum(vars(h).values()), lambda h: setattr(h, "b", 5.0)),
    "attribute_that_appears": (
        lambda: Thing(), lambda h, x: x * getattr(h, "extra", 2.0), lambda h: setattr(h, "extra", 5.0)),
    "attribute_that_may_fail": (
        lambda: Thing(), lambda h, x: x * extra_of(h), lambda h: setattr(h, "extra", 5.0)),
    "attribute_hides_shared": (
        lambda: Thing(), lambda h, x: x * h.shared, lambda h: setattr(h, "shared", 5.0)),
    "attribute_goes": (
        lambda: Thing(shared=5.0), lambda h, x: x * h.shared, lambda h: delattr(h, "shared")),
    "list": (lambda: [1.0, 2.0], lambda h, x: x * sum(h), lambda h: h.append(5.0)),
    "long_list": (lambda: [1.0] * 100, lambda h, x: x * sum(h), lambda h: h.__setitem__(99, 5.0)),
    "long_list_of_zeros": (
        lambda: [0.0] * 100, lambda h, x: x * math.copysign(1.0, h[99]), lambda h: h.__setitem__(99, -0.0)),
    "tuple_of_lists": (lambda: ([1.0], [2.0]), lambda h, x: x * h[1][0], lambda h: h[1].__setitem__(0, 5.0)),
    "set": (lambda: {"a"}, lambda h, x: x * (5.0 if "b" in h else 2.0), lambda h: h.add("b")),
    "set_of_objects": (
        lambda: {Thing(rate=2.0)}, lambda h, x: x * sum(t.rate for t in h), lambda h: h.add(Thing(rate=3.0))),
    "object_in_a_set": (
        lambda: {Thing(rate=2.0)}, lambda h, x: x * sum(t.rate for t in h),
        lambda h: setattr(next(iter(h)), "rate", 5.0)),
    "bytearray": (lambda: bytearray(b"\x02"), lambda h, x: x * h[0], lambda h: h.__setitem__(0, 5)),
    "memoryview": (lambda: memoryview(bytearray(b"\x02")), lambda h, x: x * h[0], lambda h: h.__setitem__(0, 5)),
    "array": (lambda: array.array("d", [2.0]), lambda h, x: x * h[0], lambda h: h.__setitem__(0, 5.0)),
    "closure": (lambda: closure(2.0), lambda h, x: h(x), lambda h: h.set(5.0)),
    "partial": (
        lambda: functools.partial(lambda rates, x: x * rates[0], [2.0]), lambda h, x: h(x),
        lambda h: h.args[0].__setitem__(0, 5.0)),
    "function_attribute": (
        lambda: attributed(lambda x: x, slope=2.0), lambda h, x: x * h.slope, lambda h: setattr(h, "slope", 5.0)),
    "defaults": (with_defaults, lambda h, x: h(x), lambda h: setattr(h, "__defaults__", (5.0,))),
    "defaults_of_another_number": (
        lambda: lambda x, *rest: x * 2.0, lambda h, x: h(x), lambda h: setattr(h, "__code__", thrice.__code__)),
    "keyword_defaults": (with_defaults, lambda h, x: h(x), lambda h: h.__kwdefaults__.update(more=5.0)),
    "keyword_defaults_anew": (with_defaults, lambda h, x: h(x), lambda h: setattr(h, "__kwdefaults__", {"more": 5.0})),
    "code": (with_defaults, lambda h, x: h(x, 1.0), lambda h: setattr(h, "__code__", (lambda x, r: x * 5.0).__code__)),
    "deep": (lambda: nested(60), lambda h, x: x * deepest(h).rate, lambda h: setattr(deepest(h), "rate", 5.0)),
    "mapping_proxy": (
        lambda: types.MappingProxyType(PROXIED), lambda h, x: x * h["k"], lambda h: PROXIED.update(k=PROXIED["k"] + 1)),
    "ordered": (
        lambda: collections.OrderedDict(a=2.0, b=3.0), lambda h, x: x * next(iter(h.values())) - x,
        lambda h: h.move_to_end("a")),
    "counter": (lambda: collections.Counter("ab"), lambda h, x: x * h["a"], lambda h: h.update("aa")),
    "default_dict": (
        lambda: collections.defaultdict(float, k=2.0), lambda h, x: x * h["k"], lambda h: h.update(k=5.0)),
    "chain_map": (
        lambda: collections.ChainMap({}, {"k": 2.0}), lambda h, x: x * h["k"], lambda h: h.update(k=5.0)),
    "user_dict": (lambda: collections.UserDict(k=2.0), lambda h, x: x * h["k"], lambda h: h.update(k=5.0)),
    "user_list": (lambda: collections.UserList([2.0]), lambda h, x: x * h[0], lambda h: h.__setitem__(0, 5.0)),
    "deque": (lambda: collections.deque([2.0]), lambda h, x: x * sum(h), lambda h: h.append(5.0)),
    "values_of_a_dict": (lambda: VALUED.values(), lambda h, x: x * sum(h), lambda h: VALUED.update(k=VALUED["k"] + 1)),
    "weak_reference": (
        lambda: weakref.ref(KEPT), lambda h, x: x * h().rate, lambda h: setattr(KEPT, "rate", KEPT.rate + 1)),
    "weak_proxy": (
        lambda: weakref.proxy(KEPT), lambda h, x: x * h.rate, lambda h: setattr(KEPT, "rate", KEPT.rate + 1)),
    "weak_set": (
        lambda: weakref.WeakSet([KEPT]), lambda h, x: x * len(h), lambda h: h.add(OTHER)),
    "weak_values": (
        lambda: weakref.WeakValueDictionary(k=KEPT), lambda h, x: x * len(h), lambda h: h.update(other=OTHER)),
    "context_variable": (
        lambda: contextvars.ContextVar("rate", default=2.0), lambda h, x: x * h.get(), lambda h: h.set(5.0)),
    "bound_method_of_a_dict": (
        lambda: {"k": 2.0}.get, lambda h, x: x * h("k"), lambda h: h.__self__.update(k=5.0)),
    "array_in_a_tuple": (
        lambda: (np.array([2.0, 3.0, 4.0]),), lambda h, x: x * float(h[0].max()), lambda h: h[0].__setitem__(0, 9.0)),
    "dataclass_in_an_object": (
        lambda: Thing(c=Config(2.0)), lambda h, x: x * h.c.rate, lambda h: setattr(h.c, "rate", 5.0)),
    "item_access": (lambda: Thing(items=[2.0]), lambda h, x: x * h[0], lambda h: h.items.__setitem__(0, 5.0)),
    "method": (lambda: Thing(), lambda h, x: h.go(x), lambda h: setattr(h, "go", thrice)),
    "method_through_call": (lambda: Thing(), lambda h, x: h(x), lambda h: setattr(h, "go", thrice)),
    "another_class": (lambda: fresh(Thing)(), lambda h, x: h(x), lambda h: setattr(h, "__class__", louder(type(h)))),
    "dict_replaced": (
        lambda: Thing(rate=2.0), lambda h, x: x * h.rate, lambda h: setattr(h, "__dict__", {"rate": 5.0})),
    "class_method_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: h.made(x),
        lambda h: setattr(type(h), "made", classmethod(lambda cls, x: x * 5.0))),
    "static_method_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: h.fixed(x), lambda h: setattr(type(h), "fixed", staticmethod(thrice))),
    "library_function_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: x * h.call(4.0),
        lambda h: setattr(type(h), "call", staticmethod(math.exp))),
    "property_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: x * h.hidden, lambda h: setattr(type(h), "hidden", property(lambda s: 5.0))),
    "method_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: h(x), lambda h: setattr(type(h), "go", lambda self, x: x * 5.0)),
    "call_of_the_class": (
        lambda: fresh(Thing)(), lambda h, x: h(x), lambda h: setattr(type(h), "__call__", lambda self, x: x * 5.0)),
    "code_of_a_method": (
        lambda: own_method(fresh(Thing)), lambda h, x: h(x),
        lambda h: setattr(type(h).go, "__code__", (lambda self, x: x * 5.0).__code__)),
    "shared_value": (
        lambda: fresh(Thing)(), lambda h, x: x * h.shared, lambda h: setattr(type(h), "shared", 5.0)),
    "shared_table": (
        lambda: own_table(fresh(Thing)), lambda h, x: x * h.table["k"], lambda h: h.table.update(k=5.0)),
    "method_of_a_base": (
        lambda: type("Child", (fresh(Thing),), {})(), lambda h, x: h(x),
        lambda h: setattr(type(h).__mro__[1], "go", lambda self, x: x * 5.0)),
    "method_put_between": (
        lambda: type("Child", (fresh(Thing),), {})(), lambda h, x: h(x),
        lambda h: setattr(type(h), "go", lambda self, x: x * 5.0)),
    "method_hidden_by_another": (
        lambda: type("Child", (fresh(Thing),), {"go": lambda self, x: super(type(self), self).go(x)})(),
        lambda h, x: h(x),
        lambda h: setattr(type(h).__mro__[1], "go", lambda self, x: x * 5.0),
    ),
    "inherited_one_not_run": (
        lambda: type("Child", (fresh(Thing),), {"go": lambda self, x: x * 9.0})(),
        lambda h, x: type(h).__mro__[1].go(h, x),
        lambda h: setattr(type(h).__mro__[1], "go", lambda self, x: x * 5.0),
    ),
    "property_of_a_metaclass": (
        lambda: type("Meta", (type,), {"k": 2.0, "p": property(lambda cls: cls.k)})("Of", (), {}),
        lambda h, x: x * h.p,
        lambda h: setattr(type(h), "k", 5.0),
    ),
    "enumeration": (
        lambda: enum.Enum("Kind", "one").one,
        lambda h, x: x * getattr(h, "rate", 2.0),
        lambda h: setattr(h, "rate", 5.0),
    ),
    "format": (
        lambda: Thing(rate=2.0),
        lambda h, x: x * float("{.rate}".format(h)),  # noqa: UP032
        lambda h: setattr(h, "rate", 5.0),
    ),
    "attribute_getter": (lambda: Thing(rate=2.0), lambda h, x: x * RATE(h), lambda h: setattr(h, "rate", 5.0)),
    "user_string": (
        lambda: collections.UserString("2"),
        lambda h, x: x * float(str(h)),
        lambda h: setattr(h, "data", "5"),
    ),
    "generic_getattr": (
        lambda: Dynamic(),
        lambda h, x: x * h.rate,
        lambda h: h.held.update(rate=5.0),
    ),
    "descriptor": (
        lambda: type("Of", (), {"rate": Described()})(),
        lambda h, x: x * h.rate,
        lambda h: setattr(vars(type(h))["rate"], "value", 5.0),
    ),
    "context_manager": (lambda: Entered(), entered, lambda h: setattr(h, "rate", 5.0)),
    "iterated": (lambda: Iterated(), lambda h, x: x * sum(h), lambda h: h.items.append(5.0)),
    "length": (lambda: Iterated(), lambda h, x: x * len(h), lambda h: h.items.append(5.0)),
    "truth": (lambda: Iterated(), lambda h, x: x * (2.0 if h else 3.0), lambda h: h.items.clear()),
    "operator": (lambda: Iterated(), lambda h, x: h * x, lambda h: h.items.append(5.0)),
    "private": (lambda: Private(), lambda h, x: h.go(x), lambda h: h.change()),
    "other_bases": (
        lambda: type("Child", (type("A", (Thing,), {}),), {})(), lambda h, x: h(x),
        lambda h: setattr(type(h), "__bases__", (louder(Thing),))),
    "tensor": (
        lambda: Thing(w=Tensor(X)), lambda h, x: h.w * x, lambda h: setattr(h, "w", Tensor(2 * X))),
    "tensor_in_a_list": (
        lambda: [Tensor(X)], lambda h, x: sum(w * x for w in h), lambda h: h.append(Tensor(2 * X))),
}  # fmt: skip

PROXIED = {"k": 2.0}
VALUED = {"k": 2.0}
KEPT, OTHER = Thing(rate=2.0), Thing(rate=3.0)


def extra_of(held):
    try:
        return held.extra
    except AttributeError:
        return 2.0


def attributed(function, **attributes):
    function.__dict__.update(attributes)
    return function


def louder(kind: type) -> type:
    return type("Louder", (kind,), {"go": lambda self, x: x * 5.0})


def own_method(kind: type) -> Any:
    kind.go = types.FunctionType(kind.go.__code__, kind.go.__globals__)
    return kind()


def own_table(kind: type) -> Any:
    kind.table = {"k": 2.0}
    return kind()


@pytest.mark.parametrize("how", ["closed over", "argument", "in an argument", "global"])
@pytest.mark.parametrize("name", HELD)
def test_a_change_is_seen(name, how):
    make, use, change = HELD[name]
    held = make()
    if how == "argument" and isinstance(held, (list, tuple, dict)):
        how = "in an argument"  # (a container of floats and arrays as an argument is taken apart into inputs)
    if how == "closed over":
        step, args = ag.compile(lambda x: use(held, x), backend="numpy"), ()
    elif how == "argument":
        step, args = ag.compile(lambda x, h: use(h, x), backend="numpy"), (held,)
    elif how == "in an argument":
        step, args = ag.compile(lambda x, h: use(h.held, x), backend="numpy"), (types.SimpleNamespace(held=held),)
    else:
        space = {"held": held, "use": use}
        exec("def step(x):\n    return use(held, x)", space)
        step, args = ag.compile(space["step"], backend="numpy"), ()
    seen = []
    for again in (True, False):
        for _ in range(3):
            expected = use(held, Tensor(X)).data
            np.testing.assert_array_equal(step(Tensor(X), *args).data, expected, strict=True)
        seen.append(expected)
        count = step.trace_count
        if again:
            change(held)
    assert count <= 2  # what does not change is not traced again
    if name != "long_list_of_zeros":
        assert not np.array_equal(*seen)


class Net(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Dense(3, 4, seed=0), nn.Dense(4, 1, seed=1)
        self.layers = [nn.Tanh()]

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return self.second(x) * (2.0 if self.training else 1.0)


def _reset(model, optimizer):
    model.first.weight = nn.Parameter(np.full((3, 4), 0.25))
    optimizer.params[:] = model.parameters()


CHANGES = {
    "learning rate": lambda m, o: setattr(o, "learning_rate", 5.0),
    "momentum": lambda m, o: setattr(o, "momentum", 0.25),
    "evaluation": lambda m, o: m.eval(),
    "another layer": lambda m, o: m.layers.append(nn.ReLU()),
    "replaced layer": lambda m, o: m.layers.__setitem__(0, nn.Sigmoid()),
    "replaced parameter": _reset,
    "other parameters to train": lambda m, o: o.params.__delitem__(slice(2, None)),
    "frozen": lambda m, o: setattr(m.first.weight, "requires_grad", False),
    "another forward": lambda m, o: setattr(m.layers[0], "forward", lambda x: x * 3.0),
    "forward of the model": lambda m, o: setattr(m, "forward", lambda x: m.second(m.first(x))),
    "another step": lambda m, o: setattr(o, "step", lambda: None),
    "no bias": lambda m, o: setattr(m.second, "bias", None),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("as_arguments", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_models_and_optimizers_are_watched(change, as_arguments, backend):
    rows = np.random.default_rng(0).normal(size=(5, 3))

    def step(model, optimizer, x):
        optimizer.zero_grad()
        loss = nn.mean_squared_error(model(x), x[:, :1])
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for fast in (False, True):
        model = Net()
        optimizer = nn.optim.SGD(model, 0.1, momentum=0.5)
        call: Any = functools.partial(step, model, optimizer)
        if fast and as_arguments:
            call = functools.partial(ag.compile(step, backend=backend), model, optimizer)
        elif fast:
            call = ag.compile(lambda x, model=model, optimizer=optimizer: step(model, optimizer, x), backend=backend)
        found = [float(call(Tensor(rows))) for _ in range(3)]
        CHANGES[change](model, optimizer)
        found += [float(call(Tensor(rows))) for _ in range(3)]
        losses.append((found, [p.data for p in model.parameters()]))
    np.testing.assert_allclose(losses[1][0], losses[0][0], rtol=1e-12)
    for got, expected in zip(losses[1][1], losses[0][1], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_rate_that_varies_becomes_an_input_wherever_it_is_held():
    for make, put in (
        (lambda: types.SimpleNamespace(rate=0.5), lambda h, new: setattr(h, "rate", new)),
        (lambda: Thing(rate=0.5), lambda h, new: setattr(h, "rate", new)),
        (lambda: Slotted(0.5), lambda h, new: setattr(h, "rate", new)),
    ):
        held = make()
        step = ag.compile(lambda h, x: x * h.rate)
        for i in range(10):
            put(held, 0.5 + i)
            assert float(step(held, 3.0)) == 3.0 * (0.5 + i)
        assert step.trace_count == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: types.SimpleNamespace(rate=rate, kind="plain"),
        lambda rate: Config(rate),
        lambda rate: closure(rate),
        lambda rate: lambda x: x * rate,
        lambda rate: types.SimpleNamespace(inner=[{"rate": rate}]),
    ],
)
def test_what_is_made_anew_for_every_call_is_told_by_what_it_holds(make):
    def step(held, x):
        if callable(held):
            return held(x)
        return x * (held.inner[0]["rate"] if hasattr(held, "inner") else held.rate)

    compiled = ag.compile(step, max_traces=3)
    for rate in (2.0, 2.0, 2.0, 3.0, 4.0, 5.0, 2.0, 6.0):
        assert float(compiled(make(rate), 3.0)) == 3.0 * rate
    assert compiled.trace_count <= 2


def test_one_object_given_twice_and_two():
    one, other = types.SimpleNamespace(rates=[2.0]), types.SimpleNamespace(rates=[2.0])
    step = ag.compile(lambda a, b, x: x * (10.0 if a is b else 1.0) * a.rates[0])
    pairs = [(one, other), (one, one), (other, one), (other, other)]
    assert [float(step(a, b, 1.0)) for a, b in pairs] == [2, 20, 2, 20]


@pytest.mark.parametrize(
    "read", [lambda: os.environ["_AG_RATE"], lambda: os.getenv("_AG_RATE"), lambda: os.environ.get("_AG_RATE")]
)
def test_the_environment(read, monkeypatch):
    monkeypatch.setenv("_AG_RATE", "2.0")
    step = ag.compile(lambda x: x * float(read()))
    assert [float(step(1.0)) for _ in range(3)] == [2.0] * 3
    monkeypatch.setenv("_AG_RATE", "5.0")
    assert [float(step(1.0)) for _ in range(3)] == [5.0] * 3
    assert step.trace_count == 2


def test_the_state_of_random():
    step = ag.compile(lambda x: x * random.getstate()[1][0])
    for _ in range(2):
        random.seed(len(gc.get_objects()))
        assert float(step(1.0)) == random.getstate()[1][0]


def test_a_weak_reference_whose_target_is_gone():
    kept = Thing(rate=2.0)
    reference = weakref.ref(kept)
    step = ag.compile(lambda x: x * (reference().rate if reference() is not None else 5.0))
    assert float(step(1.0)) == 2.0
    step = ag.compile(lambda r, x: x * (r().rate if r() is not None else 5.0))
    assert float(step(reference, 1.0)) == 2.0


def test_observers_see_every_call():
    model = nn.MLP([2, 3, 1], rng=np.random.default_rng(0))
    step = ag.compile(lambda x: model(x))
    rows = [np.full((1, 2), float(i)) for i in range(4)]
    step(rows[0])
    step(rows[0])
    with nn.observe(model) as outputs:
        for x in rows:
            y = step(Tensor(x))
            np.testing.assert_array_equal(outputs[""].data, y.data)
            np.testing.assert_array_equal(outputs["layers.0"].data, model.layers[0](Tensor(x)).data)
    np.testing.assert_allclose(step(Tensor(rows[1])).data, model(Tensor(rows[1])).data, rtol=1e-12)


def test_a_builtin_that_is_hidden_later():
    space: dict[str, Any] = {"np": np}
    exec("def step(x):\n    return x * max(1.0, 2.0)", space)
    step = ag.compile(space["step"])
    assert float(step(1.0)) == 2.0
    space["max"] = min
    assert float(step(1.0)) == 1.0


def test_a_module_under_a_name_is_another_one():
    one, other = types.ModuleType("one"), types.ModuleType("other")
    one.rate, other.rate = 2.0, 5.0
    space = {"config": one}
    exec("def step(x):\n    return x * config.rate", space)
    step = ag.compile(space["step"])
    assert float(step(1.0)) == 2.0
    space["config"] = other
    assert float(step(1.0)) == 5.0


def test_a_step_is_refused_by_the_name_of_what_it_changes():
    held = Thing(count=0)

    def step(h, x):
        h.count += 1
        return x * h.count

    assert ag.compile(step)  # (how it is met is told elsewhere; here: that an argument is looked at)
    compiled = ag.compile(step)
    try:
        results = [float(compiled(held, 1.0)) for _ in range(3)]
    except errors.TraceError as error:
        assert "count" in str(error)
    else:
        assert results == [1.0, 2.0, 3.0]


SCHEDULES = {
    "mixed types": lambda i: [0.1, 0.05, 1, np.float64(0.5), np.float32(0.25), True, np.int64(1)][i % 7],
    "halved": lambda i: 0.5 ** (i // 100),
    "warmup": lambda i: min(1, i / 100),
    "cosine": lambda i: 0.1 * (1 + np.cos(i / 100)),
    "steps": lambda i: (1, 0.5, 0.25)[i // 400],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [nn.optim.SGD, nn.optim.RMSProp, nn.optim.Adam])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_thousand_steps_make_three_traces_at_most(schedule, kind, backend):
    found = []
    for fast in (False, True):
        w = nn.Parameter(np.array([1.0, -2.0]), dtype=np.float32)
        optimizer = kind([w], 0.1)

        def step(w=w, optimizer=optimizer):
            w.grad = None
            (w * w).sum().backward()
            optimizer.step()

        call = ag.compile(step, backend=backend) if fast else step
        for i in range(1000 if fast else 100):
            optimizer.learning_rate = SCHEDULES[schedule](i)
            call()
            if i == 99:
                assert w.dtype == np.float32
                found.append(w.data.copy())
        if fast:
            assert call.trace_count <= 3
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_varies_in_type_is_what_it_is_in_eager_mode(dtype, backend):
    held = types.SimpleNamespace(rate=0.5)
    x = Tensor(X, dtype=dtype)
    step = ag.compile(lambda: x * held.rate, backend=backend)
    for _ in range(2):
        for held.rate in (
            0.1,
            0.05,
            1,
            np.float64(0.5),
            np.float32(0.25),
            True,
            np.float64(0.25),
            3,
            0.75,
            -0.0,
            math.nan,
        ):
            got, expected = step(), x * held.rate
            assert got.dtype == expected.dtype, held.rate
            np.testing.assert_array_equal(got.data, expected.data)
            np.testing.assert_array_equal(np.signbit(got.data), np.signbit(expected.data))
