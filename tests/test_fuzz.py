"""The fuzzer: a short run of it, and that it finds what is wrong, says it in few lines, and can be stopped and continued."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import autograd as ag
from autograd.backends import native
from autograd.core.primitive import REGISTRY
from tests.fuzz import close, mismatches, program, same_bits
from tests.fuzz.arrays import DOMAINS, FLOATS, INTEGERS, LAYOUTS, array
from tests.fuzz.compare import disturbed
from tests.fuzz.operations import NAMES, OPERATIONS
from tests.fuzz.programs import Program
from tests.fuzz.record import Record
from tests.fuzz.run import check, reason, reduced
from tests.fuzz.workers import run_all
from tests.fuzz.write import write

needs_native = pytest.mark.skipif(not native.BACKEND.available(), reason="llvmlite is not installed")


def made(*body, setup=(), rounds=((), (), ()), arguments=("x",), results=("y",), calls="step"):
    """A program written by hand."""
    return Program(0, tuple(setup), body, rounds, arguments, results, "single", calls)


# ----- small programs without objects -----
def equal(a, b):
    """Every bit; or, where arrays of another memory layout were summed in another order, within rounding."""
    return same_bits(a, b) or close(a, b)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_200_plain_programs(first):
    found = {seed: mismatches(seed, equal=equal) for seed in range(first, first + 25)}
    assert {seed: what for seed, what in found.items() if what} == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 3200, 250))
def test_3000_plain_programs(first):
    found = {seed: mismatches(seed, equal=equal) for seed in range(first, first + 250)}
    assert {seed: what for seed, what in found.items() if what} == {}


def test_almost_all_agree_in_every_bit():
    assert [seed for seed in range(100) if mismatches(seed, steps=2)] == []


def test_the_plain_programs_cover_the_operations():
    text = "".join(program(seed).text for seed in range(200))
    for part in ("@", ".T", "[rows]", "ag.where", "ag.sum", "ag.reshape", "ag.concatenate", "**", "einsum", "backward"):
        assert part in text


# ----- what programs are made of -----
@pytest.mark.parametrize("make", [program, write], ids=["plain", "all"])
def test_a_seed_always_gives_the_same_program(make):
    assert make(7).text == make(7).text
    assert make(7).text != make(8).text


def test_the_text_of_a_program_is_all_that_it_needs():
    for seed in range(20):
        kept = write(seed)
        space = kept.space()
        assert callable(space["step"]) and set(kept.arguments) <= set(space)
        assert all(statement in kept.text for statement in kept.setup)


def test_every_primitive_and_every_operation_of_the_tables_can_be_drawn():
    missing = {name for name in REGISTRY if name not in OPERATIONS and REGISTRY[name].kind != "random"}
    assert missing == set()
    assert {
        "ag.softmax",
        "np.einsum",
        "np.linalg.svd",
        ".sum",
        "rng.normal",
        "getitem",
        "nn.mean_squared_error",
    } <= set(NAMES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_every_dtype_and_layout(layout):
    for dtype in (*FLOATS, *INTEGERS):
        for shape in ((), (3,), (2, 3), (0, 2), (2, 3, 4)):
            for domain in DOMAINS.keys() - {"matrix", "definite", "increasing"}:
                a, b = (array(5, shape, dtype, layout, domain) for _ in range(2))
                assert (a.shape, a.dtype) == (shape, np.dtype(dtype))
                assert same_bits(a, b)
    full = array(5, (3, 4), "f8", layout)
    assert {
        "plain": full.flags.c_contiguous, "strided": full.strides == (128, 16), "reversed": full.strides == (-32, -8),
        "fortran": full.flags.f_contiguous, "read-only": not full.flags.writeable, "broadcast": full.strides == (0, 8),
        "mapped": isinstance(full, np.memmap), "unaligned": not full.flags.aligned,
    }[layout]  # fmt: skip


def test_programs_have_up_to_60_parameters_all_dtypes_and_layouts_and_changes():
    programs = [write(seed) for seed in range(250)]
    text = "\n".join(p.text for p in programs)
    for word in (*FLOATS, *INTEGERS, *(layout for layout in LAYOUTS if layout != "plain")):
        assert repr(word) in text, word
    for word in ("step.repeat", "step.scan", "s.training = not", "reversed(s.table", "State.act =", "nn.Adam", "Descent(",
                 "ag.vmap", "ag.hessian", "ag.checkpoint", "ag.jvp", "nn.cross_entropy", "rng.", ".at[", "p.data -=",
                 "learning_rate = ", "for i in range("):  # fmt: skip
        assert word in text, word
    assert sum(any(p.rounds) for p in programs) > 125
    assert max(len(p.rounds) for p in programs) >= 5


# ----- the comparison -----
def test_differences_are_found():
    """The comparison itself: a wrong bit, a wrong sign of zero, a wrong dtype, a missing nan."""
    assert same_bits(np.array([np.nan, -0.0]), np.array([np.nan, -0.0]))
    assert not same_bits(0.0, -0.0)
    assert not same_bits(np.float32(1), np.float64(1))
    assert not same_bits(1.0, np.nextafter(1.0, 2.0))
    assert not close(np.array([np.nan, 1.0]), np.array([0.0, 1.0]))
    assert not close(np.ones(3), np.ones((3, 1)))


def test_the_disturbed_runs_round_otherwise_and_leave_what_is_exact():
    x = np.linspace(0.1, 2, 12)
    plain = ag.exp(x), ag.sum(x), -x, ag.reshape(x, (3, 4)), ag.maximum(x, 1.0)
    with disturbed(0):
        other = ag.exp(x), ag.sum(x), -x, ag.reshape(x, (3, 4)), ag.maximum(x, 1.0)
    assert not same_bits(plain[0], other[0])
    assert 0 < np.max(np.abs(plain[0] / other[0] - 1)) <= 2 * np.finfo(float).eps
    assert all(same_bits(a, b) for a, b in zip(plain[2:], other[2:], strict=True))
    assert same_bits(ag.exp(x), plain[0])


def wrong_when_compiled(monkeypatch, name, attribute, wrong):
    """Let what should be compiled run eagerly with a wrong definition of a primitive, which plain runs do not see."""

    def compile(step, **options):
        def call(*arguments):
            with pytest.MonkeyPatch.context() as inside:
                inside.setattr(REGISTRY[name], attribute, wrong)
                return step(*arguments)

        return call

    monkeypatch.setattr(ag, "compile", compile)


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("P.tanh(x)", lambda a: np.tanh(a) * (1 + 1e-13)),
        ("P.neg(x)", lambda a: 0 - a),
        ("P.exp(x)", lambda a: np.exp(a).astype(np.float32)),
        ("P.sum(x, axis=None, keepdims=True)", lambda a, **_: np.sum(a)),
        ("P.log(x)", lambda a: np.nan_to_num(np.log(a))),
    ],
    ids=["a value", "a sign of zero", "a dtype", "a shape", "an infinity"],
)
def test_a_wrong_value_is_found(call, wrong, monkeypatch):
    tested = made(f"y = {call}", setup=("x = Tensor([0.0, 1.0, 0.3])",))
    assert check(tested, "numpy").differences == []
    wrong_when_compiled(monkeypatch, call[2:].partition("(")[0], "forward", wrong)
    assert "result" in check(tested, "numpy").differences[0]


def test_a_wrong_rule_is_found(monkeypatch):
    """A gradient that is wrong in its last digits."""
    rule = REGISTRY["sin"].vjps[0]
    tested = made("loss = ag.sum(ag.sin(w) * x)", "loss.backward()",
                  setup=("w = Tensor(array(1, (3,)), requires_grad=True)", "x = 0.5"), results=("loss",))  # fmt: skip
    assert check(tested, "numpy").differences == []
    wrong_when_compiled(monkeypatch, "sin", "vjps", (lambda g, y, x: rule(g, y, x) * (1 + 1e-13),))
    assert "w.grad" in check(tested, "numpy").differences[0]


def test_a_wrong_row_of_a_backend_is_found_and_reduced(monkeypatch):
    monkeypatch.setattr(REGISTRY["tanh"], "ufunc", np.sinh)
    monkeypatch.setattr(REGISTRY["tanh"], "numpy", REGISTRY["sinh"].numpy)
    tested = made("a = x * 2.0", "b = P.tanh(a)", "c = ag.sum(a)", "y = b + 1.0", "z = ag.exp(c)",
                  setup=("u = 3.0", "x = Tensor(array(3, (4,)))"), results=("y", "z"))  # fmt: skip
    left, differences = reduced(tested, "numpy")
    assert "result" in differences[0]
    assert left.body == ("a = x * 2.0", "b = P.tanh(a)", "y = b + 1.0")
    assert left.setup == ("x = Tensor(array(3, (4,)))",)
    assert len(left.rounds) == 1 and left.results == ("y",)


@pytest.mark.parametrize(
    ("body", "rounds"),
    [("x.data = x.data + side[0]\nside[0] += 1.0", ((), (), ())), ("y0 = len(log)", ((), ("log.append(1)",), ()))],
    ids=["an array", "a list"],
)
def test_side_effects_and_changes_between_calls_are_compared(body, rounds, monkeypatch):
    """What does not notice a change, or does not repeat a write, is found."""
    tested = made(*body.splitlines(), "y = ag.sum(x) + 0", setup=("x = Tensor([1.0])", "side = [1.0]", "log = []"),
                  results=("y",) + ("y0",) * ("y0" in body), rounds=rounds)  # fmt: skip

    def frozen(step, **options):
        results = []

        def call(*arguments):
            if not results:
                results.append(step(*arguments))
            return results[0]

        return call

    monkeypatch.setattr(ag, "compile", frozen)
    assert check(tested, "numpy").differences


def test_a_refusal_is_no_difference_unless_it_changed_something(monkeypatch):
    tested = made("s.count = 1", "y = x * 2", setup=("x = Tensor([1.0])", "s = State(count=0)"))

    def refusing(step, changing):
        def call(x):
            if changing:
                step(x)
            raise ag.errors.TraceError("<fuzz 3>:7: needs 'v3' [1, 2] of (3, 4)")

        return call

    monkeypatch.setattr(ag, "compile", lambda step, **_: refusing(step, False))
    assert check(tested, "numpy") == check(tested, "numpy")
    assert check(tested, "numpy").refused.startswith("TraceError")
    monkeypatch.setattr(ag, "compile", lambda step, **_: refusing(step, True))
    assert "s.count was changed" in check(tested, "numpy").differences[0]
    assert reason(ag.errors.TraceError("x3 of (2, 3)")) == reason(ag.errors.TraceError("x1 of (4,)"))


def test_an_error_that_is_not_ours_is_a_difference(monkeypatch):
    def failing(x):
        raise KeyError("float32")

    monkeypatch.setattr(ag, "compile", lambda step, **_: failing)
    assert "KeyError" in check(made("y = x * 2", setup=("x = Tensor([1.0])",)), "numpy").differences[0]


@pytest.mark.parametrize(
    "text", ["ag.sum(x) * 1e8 - ag.sum(x * 1e8)", "x * x - (x * x) * (1.0 + 2**-52)", "np.linalg.inv(m)"]
)
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_native)])
def test_rounding_is_explained_where_it_is_large(text, backend):
    setup = ("x = Tensor(array(3, (4, 3)))", "m = Tensor(array(4, (3, 3)) * 1e-5 + 1)")
    assert check(made(f"y = {text}", setup=setup, arguments=("x", "m")), backend).differences == []


# ----- the runner -----
def job(seed, backends, begun):
    """What a worker of the tests does: seed 2 ends its process, seed 4 takes for ever compiled, seed 5 also eagerly."""
    if seed == 5:
        time.sleep(60)
    begun()
    if seed == 2:
        os._exit(7)
    if seed == 4:
        time.sleep(60)
    return {backend: {"refused": "", "operations": ["sin"]} for backend in backends}


@pytest.mark.slow
def test_a_crash_and_a_hang_are_findings_and_the_run_goes_on():
    found = {}
    run_all(list(range(6)), ["numpy"], 2, found.__setitem__, job, limit=4.0)
    assert sorted(found) == list(range(6))
    differences = {seed: what["numpy"]["differences"] for seed, what in found.items() if "differences" in what["numpy"]}
    assert differences == {2: ["the process ended with exit code 7"], 4: ["no result within 4 seconds"]}
    assert found[5] == {"numpy": {"refused": "NumPy itself gives no result"}}


def test_the_record_goes_on_where_it_was_and_is_never_half_written(tmp_path):
    path = tmp_path / "record.json"
    record = Record(path)
    for seed in (0, 1, 2, 5):
        record.add(seed, "numpy", {"refused": "why" if seed == 1 else "", "operations": ["sin"]})
    record.add(3, "numpy", {"refused": "", "differences": ["y"], "program": "text"})
    record.write()
    again = Record(path)
    assert again.missing(range(7), ["numpy"]) == [4, 6]
    assert again.missing(range(3), ["numpy", "native"]) == [0, 1, 2]
    assert again.findings["numpy"] == {"3": {"differences": ["y"], "program": "text"}}
    kept = json.loads(path.read_text())
    assert kept["numpy"]["done"] == [[0, 3], [5, 5]]
    assert kept["numpy"]["refused"] == {"why": 1} and kept["numpy"]["operations"] == {"sin": 3}
    assert kept["versions"][0]["numpy"] == np.__version__
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_can_be_stopped_and_continued(how, tmp_path):
    path = tmp_path / "record.json"
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--programs",
        "8",
        "--jobs",
        "2",
        "--backend",
        "numpy",
        "--record",
        path,
    ]
    running = subprocess.Popen([*command[:4], "100000", *command[5:]], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(how)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 130 and "stopped: the same command goes on" in output
    assert Record(path).done["numpy"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert finished.returncode in (0, 1)
    assert set(range(8)) <= Record(path).done["numpy"]
