"""Machine code for processors with narrower registers than this one's: the same results from other code."""

import platform

import numpy as np
import pytest

import autograd
from autograd.backends.native.ir import target
from tests import test_native_samples as samples
from tests.fuzz import close, mismatches
from tests.samples import SAMPLES
from tests.test_native_math import worst

# What LLVM calls a processor, and what its features begin with that it lacks beside the newest.
WIDE = ("avx512", "avx10", "amx", "evex")
OLDER = {
    "haswell": WIDE,
    "x86-64": (*WIDE, "avx", "fma", "f16c", "bmi", "vaes", "vpcl", "sse3", "ssse3", "sse4", "xop", "gfni", "sha", "xsave"),
}  # fmt: skip


@pytest.fixture(params=OLDER if platform.machine() in ("x86_64", "AMD64") else ["generic"])
def older(request, monkeypatch):
    """A processor that this one can stand for, since it knows all of the older one's instructions."""
    import llvmlite.binding as llvm

    lacking = OLDER.get(request.param, ())
    features = type(llvm.get_host_cpu_features())(
        {name: has and not name.startswith(lacking) for name, has in llvm.get_host_cpu_features().items()}
    )
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: request.param)
    target.registers.cache_clear()
    yield
    target.registers.cache_clear()


@pytest.mark.slow
def test_every_sample(older):
    for name in SAMPLES:
        for got, want in samples.run_all(name):
            samples.equal_within_rounding(got, want)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products(older, dtype):
    samples.test_products_of_all_shapes(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elementary_functions(older, dtype):
    x = np.random.default_rng(0).normal(scale=20, size=999).astype(dtype)
    for name in ("exp", "expm1", "tanh", "sigmoid", "softplus", "sin", "cos", "erf"):
        assert worst(name, x) <= 2, name


@pytest.mark.slow
def test_random_programs(older):
    found = {seed: mismatches(seed, "native", equal=close) for seed in range(40)}
    assert {seed: what for seed, what in found.items() if what} == {}


def test_no_wider_registers_than_it_has(older):
    step = autograd.compile(lambda x: autograd.tanh(x).sum(), backend="native")
    step(np.ones(1000))
    assert "zmm" not in step.asm
