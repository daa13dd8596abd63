"""A single random draw in a compiled step is the number that NumPy gives: its type, its value, and what it promotes."""

import types

import numpy as np
import pytest

import autograd as ag

DRAWS = {
    "random": lambda r: r.random(),
    "random in single precision": lambda r: r.random(dtype=np.float32),
    "the same by position": lambda r: r.random(None, np.float32),
    "normal": lambda r: r.normal(),
    "uniform": lambda r: r.uniform(-1, 1),
    "exponential": lambda r: r.exponential(),
    "standard_normal in single precision": lambda r: r.standard_normal(dtype="f4"),
    "integers": lambda r: r.integers(5),
    "truths": lambda r: r.integers(0, 2, dtype=bool),
    "int32": lambda r: r.integers(5, dtype=np.int32),
    "poisson": lambda r: r.poisson(3.0),
    "binomial": lambda r: r.binomial(5, 0.5),
    "choice of a number": lambda r: r.choice(5),
    "choice of an element": lambda r: r.choice([1.0, 2.0]),
    "an element": lambda r: r.random(3)[0],
    "arithmetic": lambda r: r.random() * 2 + 1,
}
USES = {
    "returned": lambda value, x, held: value,
    "kept": lambda value, x, held: setattr(held, "kept", value),
    "in double precision": lambda value, x, held: value * x,
    "in single precision": lambda value, x, held: value * x.astype("f4"),
}


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("how", DRAWS)
def test_a_single_draw_is_that_of_numpy(how, use, backend):
    def outcomes(wrap):
        rng, held, x = np.random.default_rng(0), types.SimpleNamespace(kept=0.0), np.ones(2)
        step = wrap(lambda x: USES[use](DRAWS[how](rng), x, held))
        found = [(value, held.kept) for value in (step(x) for _ in range(4))]
        shown = [
            [(type(v), getattr(v, "dtype", None), None if v is None else np.asarray(v).tolist()) for v in pair]
            for pair in found
        ]
        return shown, repr(rng.bit_generator.state)

    assert outcomes(ag.compile(backend=backend)) == outcomes(lambda step: step)
