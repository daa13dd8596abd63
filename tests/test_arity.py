"""Calls that do not fit an operation's record: too many or too few arrays, settings that it does not have.

NumPy's ufuncs take one array more than they need and write into it: with that, a call such as maximum(a, b, c) would
destroy c and give a gradient of something else.
"""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core.errors import AutogradError, SignatureError
from autograd.core.primitive import REGISTRY, Primitive
from autograd.functions import decompositions, special

from .samples import SAMPLES

UNLISTED = {p.name: p for m in (special, decompositions) for p in vars(m).values() if isinstance(p, Primitive)}
FIXED = {name: p for name, p in {**UNLISTED, **REGISTRY}.items() if not p.variadic}


def arrays_for(name, primitive, more=0):
    """Arrays, settings of a call that fits, with some arrays more or less."""
    case = SAMPLES[name].cases[0] if name in SAMPLES else None
    arrays, settings = case.draw(np.float64) if case else ([np.full((2, 2), 1.5)] * primitive.arity, {})
    arrays = [np.array(a) for a in arrays]
    return (arrays + [np.full((2, 3), 7.0)] * more if more >= 0 else arrays[:more]), settings


def as_tensors(call, arrays):
    return call(*[Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays])


def as_tracers(call, arrays):
    return ag.trace(call, *arrays)


def as_rows(call, arrays):
    return ag.vmap(call)(*[np.stack([a, a]) for a in arrays])


WAYS = {"raw": lambda call, arrays: call(*arrays), "tensors": as_tensors, "traced": as_tracers, "rows": as_rows}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(FIXED))
def test_one_array_too_many_is_refused_and_left_alone(name, way):
    arrays, settings = arrays_for(name, FIXED[name], more=1)
    before = [a.copy() for a in arrays]
    with pytest.raises(SignatureError, match=rf"{name} takes {FIXED[name].arity} arrays?, got {len(arrays)}"):
        WAYS[way](lambda *xs: FIXED[name](*xs, **settings), arrays)
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(arrays, before))


@pytest.mark.parametrize("name", sorted(name for name, p in FIXED.items() if p.arity > 1))
@pytest.mark.parametrize("way", WAYS)
def test_one_array_too_few_is_refused(name, way):
    arrays, settings = arrays_for(name, FIXED[name], more=-1)
    with pytest.raises(SignatureError, match=rf"{name} takes {FIXED[name].arity} arrays, got {len(arrays)}"):
        WAYS[way](lambda *xs: FIXED[name](*xs, **settings), arrays)


@pytest.mark.parametrize("name", sorted(name for name in FIXED if name != "draw"))
def test_no_array_at_all_is_refused(name):
    with pytest.raises(SignatureError, match=r"got 0"):
        FIXED[name]()


@pytest.mark.parametrize("setting", ["out", "no_such_setting"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted({**UNLISTED, **REGISTRY}))
def test_settings_that_an_operation_does_not_have(name, way, setting):
    primitive = {**UNLISTED, **REGISTRY}[name]
    if setting in primitive.params or name == "draw":
        return
    arrays, settings = arrays_for(name, primitive)
    goal = np.full(np.shape(arrays[0]), 5.0)
    if setting == "out" and isinstance(primitive.ufunc, np.ufunc):
        if way == "raw":  # plain arrays: NumPy's own function with NumPy's keywords
            with np.errstate(all="ignore"):
                expected = primitive(*arrays)
                goal = np.empty_like(expected)
                assert primitive(*arrays, out=goal) is goal
            np.testing.assert_array_equal(goal, expected)
            return
        refusal = pytest.raises(AutogradError, match=r"cannot write into out=")
    else:
        refusal = pytest.raises(SignatureError, match=rf"{name} takes .*, got {setting}=")
    with refusal:
        WAYS[way](lambda *xs: primitive(*xs, **settings, **{setting: goal}), arrays)
    assert (goal == 5.0).all()


@pytest.mark.parametrize("name", ["sum", "reshape", "transpose", "getitem", "concatenate", "astype", "argsort"])
def test_a_missing_setting_is_an_error_of_ours_on_tensors(name):
    primitive = {**UNLISTED, **REGISTRY}[name]
    with pytest.raises(AutogradError):
        primitive(Tensor(np.ones((2, 2)), requires_grad=True))


def test_the_users_own_operations_are_checked_by_the_same_record():
    calls = []

    @ag.primitive(vjps=[lambda g, y, x, *, scale=1.0: g * scale])
    def scaled(x, *, scale=1.0):
        calls.append(scale)
        return x * scale

    x = Tensor([1.0, 2.0], requires_grad=True)
    scaled(x, scale=3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and scaled(np.ones(2)).tolist() == [1.0, 1.0] and calls == [3.0, 1.0]
    for arguments, settings in ((([1.0], [2.0]), {}), ((), {}), (([1.0],), {"size": 2})):
        for wrap in (np.array, Tensor):
            with pytest.raises(SignatureError, match=r"scaled takes"):
                scaled(*map(wrap, arguments), **settings)
    assert calls == [3.0, 1.0]
    wide = ag.primitive(np.cbrt, vjps=[lambda g, y, x: g / (3 * y * y)], name="cubic")
    goal = np.zeros(2)
    with pytest.raises(SignatureError, match=r"cubic takes 1 array, got 2"):
        wide(np.ones(2), goal)
    with pytest.raises(SignatureError, match=r"cubic takes no params, got out="):
        wide(Tensor(np.ones(2)), out=goal)
    assert not goal.any()


def test_an_operation_that_fails_by_itself_says_so_in_its_own_words():
    @ag.primitive(vjps=[lambda g, y, x: g])
    def broken(x):
        raise TypeError("no such thing")

    with pytest.raises(TypeError, match=r"^no such thing$"):
        broken(np.ones(2))
    with pytest.raises(AutogradError, match=r"no such thing"):
        broken(Tensor([1.0]))


# ----- functions made of operations -----
PUBLIC = {name: getattr(ag, name) for name in ag.__all__}
COMPOSITES = sorted(
    name
    for name, function in PUBLIC.items()
    if getattr(function, "__module__", "").startswith("autograd.functions") and not isinstance(function, Primitive)
)


@pytest.mark.parametrize("way", ["raw", "tensors", "traced"])
@pytest.mark.parametrize("name", COMPOSITES)
def test_functions_take_no_arrays_beyond_their_arguments(name, way):
    arrays = [np.full((2, 2), float(i)) for i in range(9)]
    with pytest.raises((AutogradError, ValueError, TypeError)):
        WAYS[way](getattr(ag, name) if name != "einsum" else lambda *xs: ag.einsum("ij,jk->ik", *xs), arrays)
    assert all((a == i).all() for i, a in enumerate(arrays))


@pytest.mark.parametrize("call", [
    lambda a, b, c: ag.maximum(a, b, c),
    lambda a, b, c: ag.add(a, b, c),
    lambda a, b, c: ag.exp(a, c),
    lambda a, b, c: ag.matmul(a, b, c),
    lambda a, b, c: np.hypot(a, b, c),
    lambda a, b, c: np.exp(a, c),
    lambda a, b, c: np.exp(a, out=c),
    lambda a, b, c: np.add(b, b, a),
    lambda a, b, c: np.sum(a, 0, None, c),
    lambda a, b, c: a.exp(c),
    lambda a, b, c: a.relu(c),
    lambda a, b, c: a.sum(0, c, b, b),
])  # fmt: skip
def test_nothing_is_written_into_an_array_too_many(call):
    """Tensors and plain arrays mixed: the array that NumPy would write into is a plain one, or a Tensor's own."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.uniform(1, 2, (3, 3)) for _ in range(3))
    tensor, before = Tensor(a, requires_grad=True), c.copy()
    with pytest.raises((AutogradError, TypeError)):
        call(tensor, b, c)
    np.testing.assert_array_equal(c, before)
    np.testing.assert_array_equal(tensor.data, a)
