"""explain() of machine code: what each group became, where it comes from, and how long it takes."""

import re

import numpy as np
import pytest

import autograd as ag
from autograd.backends.native.ir import target
from autograd.backends.native.tasks import matmul_kernel
from autograd.core.errors import ArgumentError

RNG = np.random.default_rng(2)
WIDE = RNG.normal(size=(300, 300))


def trained(backend="native"):
    """A step of everything that is told apart, and the tensors and the generator that it changes."""
    w = ag.Tensor(RNG.normal(size=(300, 300)), requires_grad=True, name="w")
    scale = ag.Tensor(1.0)
    noise = np.random.default_rng(1)

    @ag.compile(backend=backend)
    def step(x, rows):
        h = ag.tanh(x @ w) + noise.normal()
        loss = (ag.einsum("ij->i", h[rows]) * scale).sum()
        w.grad = None
        loss.backward()
        scale.data = scale.data * 0.5 + 0.25
        w.data = w.data - 0.01 * w.grad
        return loss

    return step, [w, scale], noise


def rows_of(text):
    """Microseconds, percent and what the line says, of every line with a time."""
    return [
        (float(a), int(b), what)
        for a, b, what in re.findall(r"^ *([\d.]+) us +(\d+) %  (.*)$", text, flags=re.MULTILINE)
    ]


def test_every_group_is_listed_with_what_it_became_and_where_it_comes_from():
    step, _, _ = trained()
    step(WIDE, np.array([1, -1]))
    text = step.explain()
    line = step.function.__code__.co_firstlineno
    assert re.search(
        rf"product f64\[300,300\] @ f64\[300,300\] in tiles: matmul  # test_native_profile.py:{line + 2}", text
    )
    assert re.search(rf"loop over \[300, 300\]: tanh.*  # test_native_profile.py:{line + 2}", text)
    assert re.search(rf"index loop: getitem  # test_native_profile.py:{line + 3}", text)
    assert re.search(rf"check of the indices for: getitem  # test_native_profile.py:{line + 3}", text)
    assert re.search(rf"through NumPy: einsum \(.*\)  # test_native_profile.py:{line + 3}", text)
    assert re.search(rf"in registers: mul add  # test_native_profile.py:{line + 6}", text)
    assert rows_of(text) == []


def test_large_products_are_said_to_call_blas(monkeypatch):
    monkeypatch.setattr(matmul_kernel, "LARGE", 1000)
    step, _, _ = trained()
    step(WIDE, np.array([0]))
    assert "@ f64[300,300] by BLAS: matmul" in step.explain()


def test_a_profile_gives_the_time_of_each_group_and_changes_nothing():
    step, tensors, noise = trained()
    args = WIDE, np.array([1, 2, -3])
    step(*args)
    before = [t.numpy() for t in tensors], tensors[0].grad.copy(), noise.bit_generator.state
    rows = rows_of(step.explain(profile=args))
    assert [t.numpy().tolist() for t in tensors] == [value.tolist() for value in before[0]]
    assert np.array_equal(tensors[0].grad, before[1])
    assert noise.bit_generator.state == before[2]
    assert len(rows) == len(re.findall(r"  # test_native_profile", step.explain())) + 2  # copied outputs, the sum
    *groups, total = rows
    assert total[2].startswith("one step") and total[0] == pytest.approx(
        sum(g[0] for g in groups), abs=0.01 * len(rows)
    )
    assert all(us >= 0 for us, _, _ in groups)
    products = sum(percent for _, percent, what in groups if what.startswith("product"))
    assert 50 < products <= 100  # 2 * 27,000,000 multiplications beside 300 * 300 tanh
    assert max(us for us, _, what in groups if "einsum" in what) > 0


def test_the_profile_is_that_of_the_trace_that_runs_for_these_arguments():
    step = ag.compile(lambda x: ag.exp(x).sum(), backend="native")
    step(np.ones(3)), step(np.ones(300))
    text = step.explain(profile=(np.ones(3),))
    first, second = text.split("\ntrace 2: ")
    assert rows_of(first) and not rows_of(second)


def test_the_clock_is_read_by_one_instruction_on_each_processor_that_has_one(monkeypatch):
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for triple, instruction in (("x86_64-unknown-linux-gnu", "rdtsc"), ("aarch64-unknown-linux-gnu", "CNTVCT_EL0")):
        monkeypatch.setattr(llvm, "get_process_triple", lambda triple=triple: triple)
        call, declaration = target.clock()
        module = llvm.parse_assembly(f"{declaration}\ndefine i64 @now() {{ %t = {call}\n ret i64 %t }}")
        module.triple = triple
        assert instruction in llvm.Target.from_triple(triple).create_target_machine().emit_assembly(module)
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "riscv64-unknown-linux-gnu")
    with pytest.raises(ArgumentError, match="not known for riscv64"):
        target.clock()


def test_what_cannot_be_profiled_says_why():
    step = ag.compile(lambda x: x * 2, backend="native")
    assert step.explain(profile=(np.ones(2),)).endswith("not traced yet")
    step(np.ones(2))
    with pytest.raises(ArgumentError, match="has no trace for these arguments: call it with them first"):
        step.explain(profile=(np.ones(3),))
    with pytest.raises(ArgumentError, match=r"tuple of a call's arguments, such as \(x, y\), not True"):
        step.explain(profile=True)
    plain = ag.compile(lambda x: x * 2, backend="numpy")
    plain(np.ones(2))
    with pytest.raises(ArgumentError, match='only machine code can be profiled.*backend="native"'):
        plain.explain(profile=(np.ones(2),))
