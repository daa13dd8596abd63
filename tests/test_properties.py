"""Laws that hold for all shapes, indices and programs: checked on drawn examples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd as ag
from autograd import Tensor, tape
from autograd.core import engine
from autograd.core.primitive import spec_of

from .oracle import complex_step, direction, inner

EXAMPLES = 60
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
seeds = st.integers(0, 2**32 - 1)


def leaf(data):
    return Tensor(data, requires_grad=True)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# ----- broadcasting -----
@settings(max_examples=2 * EXAMPLES)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3), seeds)
def test_a_broadcast_operation_has_the_gradients_of_the_full_one(drawn, seed):
    """a * b on small shapes must give what it gives when both are first repeated by hand, summed back."""
    rng = np.random.default_rng(seed)
    a, b = (leaf(rng.normal(size=s)) for s in drawn.input_shapes)
    full_a, full_b = (leaf(np.broadcast_to(t.data, drawn.result_shape).copy()) for t in (a, b))
    u = rng.normal(size=drawn.result_shape)
    for x, y in ((a, b), (full_a, full_b)):
        out = x * y - x / (2 + y * y)
        assert out.shape == drawn.result_shape
        out.backward(u)
    for small, full in ((a, full_a), (b, full_b)):
        assert small.grad.shape == small.shape
        extra = full.ndim - small.ndim
        axes = tuple(i for i in range(full.ndim) if i < extra or small.shape[i - extra] == 1)
        close(small.grad, np.sum(full.grad, axis=axes).reshape(small.shape))


@settings(max_examples=EXAMPLES)
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3), seeds)
def test_gradients_have_the_shape_of_their_owner(drawn, seed):
    rng = np.random.default_rng(seed)
    a, b, c = (leaf(rng.normal(size=s).astype(t)) for s, t in zip(drawn.input_shapes, (np.float32, float, np.float32)))
    out = ag.where(c > 0, ag.maximum(a, b), a**2) + ag.arctan2(b, c * c + 1)
    assert out.shape == drawn.result_shape
    out.sum().backward()
    for t in (a, b, c):
        assert t.grad.shape == t.shape and t.grad.dtype == t.dtype


# ----- linear operations are the adjoints of their gradients -----
def adjoint(x, out, operation, rng):
    """<u, A v> = <Aᵀ u, v> for a linear A."""
    u, v = direction(rng, out.data), direction(rng, x.data)
    out.backward(u)
    close(inner(x.grad, v), inner(u, operation(v)))


@settings(max_examples=EXAMPLES)
@given(shapes, seeds, st.data())
def test_reductions_over_any_axes(shape, seed, data):
    rng = np.random.default_rng(seed)
    x = leaf(rng.normal(size=shape))
    axes = st.lists(st.sampled_from(range(len(shape))), unique=True).map(tuple) if shape else st.just(())
    axis = data.draw(st.none() | axes.map(lambda chosen: tuple(a - len(shape) * (a % 2) for a in chosen)))
    keepdims = data.draw(st.booleans())
    out = ag.sum(x, axis, keepdims=keepdims)
    np.testing.assert_allclose(out.data, np.sum(x.data, axis=axis, keepdims=keepdims), rtol=1e-14, atol=1e-14)
    adjoint(x, out, lambda v: np.sum(v, axis=axis, keepdims=keepdims), rng)
    if x.size:
        x.zero_grad()
        largest = ag.max(x, axis, keepdims=keepdims)
        np.testing.assert_array_equal(largest.data, np.max(x.data, axis=axis, keepdims=keepdims))
        largest.sum().backward()
        close(np.sum(x.grad), largest.size)


@settings(max_examples=2 * EXAMPLES)
@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4), seeds, st.data())
def test_any_index(shape, seed, data):
    rng = np.random.default_rng(seed)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    if shape and data.draw(st.booleans()):
        key = data.draw(hnp.integer_array_indices(shape, dtype=np.int64))
    x = leaf(rng.normal(size=shape))
    out = x[key]
    np.testing.assert_array_equal(out.data, x.data[key])
    raw = out.creator.shape(spec_of(x.data), *map(spec_of, out.inputs[1:]), **out.params)
    assert raw == (out.shape, out.dtype)
    u = direction(rng, out.data)
    out.backward(u)
    expected = np.zeros(shape)
    np.add.at(expected, key, u)
    close(x.grad, expected)


@settings(max_examples=EXAMPLES)
@given(shapes, seeds, st.data())
def test_moving_elements(shape, seed, data):
    rng = np.random.default_rng(seed)
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    shift = data.draw(st.integers(-4, 4))
    width = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in shape]

    def moved(x, module):
        x = module.transpose(x, axes)
        x = module.roll(x, shift)
        x = module.pad(x, width) if shape else x
        x = module.flip(x)
        x = module.reshape(x, (-1,) if x.size else (0,))
        return module.concatenate([x, x[::-1]])

    x = leaf(rng.normal(size=shape))
    out = moved(x, ag)
    np.testing.assert_array_equal(out.data, moved(x.data, np))
    adjoint(x, out, lambda v: moved(v, np), rng)


@settings(max_examples=EXAMPLES)
@given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=3, max_side=3), seeds)
def test_every_matrix_product(drawn, seed):
    rng = np.random.default_rng(seed)
    a, b = (leaf(rng.normal(size=s)) for s in drawn.input_shapes)
    out = a @ b
    np.testing.assert_allclose(out.data, np.matmul(a.data, b.data), rtol=1e-14)
    assert ag.matmul.shape(spec_of(a.data), spec_of(b.data)) == (out.shape, out.dtype)
    u, v, w = direction(rng, out.data), direction(rng, a.data), direction(rng, b.data)
    out.backward(u)
    close(inner(a.grad, v), inner(u, np.matmul(v, b.data)))
    close(inner(b.grad, w), inner(u, np.matmul(a.data, w)))


@settings(max_examples=EXAMPLES)
@given(st.data(), seeds)
def test_any_einsum(data, seed):
    """Terms of random letters, repeated ones too, with lengths that agree or are one."""
    rng = np.random.default_rng(seed)
    lengths = {letter: data.draw(st.integers(1, 3)) for letter in "abc"}
    terms = data.draw(st.lists(st.text("abc", min_size=0, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    result = "".join(data.draw(st.lists(st.sampled_from(used), unique=True))) if used else ""
    subscripts = ",".join(terms) + "->" + result
    one = [{c for c in term if data.draw(st.integers(0, 4)) == 0} for term in terms]
    arrays = [rng.normal(size=[1 if c in ones else lengths[c] for c in term]) for term, ones in zip(terms, one)]
    tensors = [leaf(a) for a in arrays]
    out = ag.einsum(subscripts, *tensors)
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-14)
    u = direction(rng, out.data)
    out.backward(u)
    for i, t in enumerate(tensors):
        v = direction(rng, t.data)
        close(inner(t.grad, v), inner(u, np.einsum(subscripts, *arrays[:i], v, *arrays[i + 1 :])))


# ----- whole programs -----
STEPS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "scaled": lambda a, b: 0.5 * a - 2,
    "div": lambda a, b: a / (2 + b * b), "sin": lambda a, b: np.sin(a) * b, "tanh": lambda a, b: np.tanh(a),
    "square": lambda a, b: a**2 / 4, "sum": lambda a, b: a + b.sum(), "row": lambda a, b: a[0] + b,
    "transposed": lambda a, b: a.T - b, "matmul": lambda a, b: a @ b / 3, "repeat": lambda a, b: a[[0, 0, 1]] * b,
    "exp": lambda a, b: np.exp(-a * a),
}  # fmt: skip
steps = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9))
programs = st.lists(steps, min_size=1, max_size=12)


def run(program, values):
    """Straight-line code on (3, 3) matrices: each step takes two earlier values."""
    values = list(values)
    for name, i, j in program:
        values.append(STEPS[name](values[i % len(values)], values[j % len(values)]))
    return values


@settings(max_examples=2 * EXAMPLES)
@given(programs, seeds)
def test_any_program_has_the_gradient_that_the_complex_step_measures(program, seed):
    """The same code runs on Tensors and on complex arrays."""
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1, 1, (3, 3)) for _ in range(2)]
    x, y = map(leaf, arrays)
    total = run(program, [x, y])[-1].sum()
    value, tensors = total.item(), tape(total)
    assert [t.serial for t in tensors] == sorted(t.serial for t in tensors)
    gradient = {t: np.zeros((3, 3)) for t in (x, y)}
    gradient.update({t: g for t, g in engine.pull([total], [np.float64(1)]).items() if t in gradient})
    v, w = (direction(rng, a) for a in arrays)
    measured = complex_step(lambda a, b: run(program, [a, b])[-1].sum(), arrays, [v, w])
    size = max(1.0, abs(measured), abs(value))
    assert abs(inner(gradient[x], v) + inner(gradient[y], w) - measured) <= 1e-11 * size


@settings(max_examples=EXAMPLES)
@given(programs, seeds)
def test_gradients_are_linear_in_the_cotangent_and_repeatable(program, seed):
    rng = np.random.default_rng(seed)
    x = leaf(rng.uniform(-1, 1, (3, 3)))
    out = run([*program, ("add", 0, 9)], [x, x * 0.5])[-1]
    u, v = rng.normal(size=(2, 3, 3))
    grads = []
    for cotangent in (u, v, u + v, u):
        x.zero_grad()
        out.backward(cotangent, retain_graph=True)
        grads.append(np.zeros((3, 3)) if x.grad is None else x.grad)
    scale = max(1.0, *(np.abs(g).max() for g in grads))
    np.testing.assert_allclose(grads[0] + grads[1], grads[2], rtol=1e-11, atol=1e-12 * scale)
    assert grads[0].tobytes() == grads[3].tobytes()
