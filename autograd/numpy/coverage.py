"""Which of NumPy's functions have gradients here, which do not, and why: the text of ``COVERAGE.md``.

>>> from autograd.numpy.coverage import status
>>> status("linalg.svd")[0], status("linalg.eig")[0], status("zeros")[0]
('recorded', 'refused', 'passed through')
"""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy

from ..core.primitive import REGISTRY
from ..functions.protocols import MISSING, OVERRIDES, named

# Functions that take no array to differentiate by, by what they are for.
PASSED = {
    "makes new arrays": (
        "arange array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray bartlett blackman diag_indices "
        "empty eye frombuffer fromfunction fromiter fromstring full hamming hanning identity indices kaiser mask_indices ones "
        "require tri tril_indices triu_indices zeros fft.fftfreq fft.rfftfreq from_dlpack"
    ),
    "reads files": "fromfile fromregex genfromtxt load loadtxt",
    "is about shapes and dtypes": (
        "broadcast_shapes datetime_data dtype finfo iinfo isdtype isfortran isscalar issubdtype "
        "iterable mintypecode nested_iters promote_types typename ndindex"
    ),
    "settings and information": (
        "errstate get_include get_printoptions getbufsize geterr geterrcall info printoptions set_printoptions setbufsize "
        "seterr seterrcall show_config show_runtime test"
    ),
    "formats text": "base_repr binary_repr format_float_positional format_float_scientific",
    "makes ufuncs and classes of arrays": (
        "asmatrix bmat broadcast busdaycalendar character flatiter frompyfunc matrix memmap ndarray ndenumerate nditer poly1d "
        "recarray record ufunc vectorize"
    ),
    "calls another of the functions, which is recorded": "row_stack trapz",
}
_PURPOSE = {name: purpose for purpose, names in PASSED.items() for name in names.split()}
_TITLES = {"": "numpy", "linalg.": "numpy.linalg", "fft.": "numpy.fft"}


def status(name: str) -> tuple[str, str]:
    """What becomes of a Tensor in a function of NumPy's ("recorded", "answered", "refused", "passed through"), and how."""
    target = named(name)
    override = OVERRIDES.get(name) or next((o for n, o in OVERRIDES.items() if named(n) is target is not None), None)
    if override is not None:
        how = (inspect.getdoc(override.call) or "").splitlines()[0]
        return ("answered" if override.values else "recorded"), how
    primitive = next((p for p in REGISTRY.values() if p.ufunc is not None and p.ufunc is target), None)
    if primitive is not None:
        return "recorded", str(primitive.__doc__).splitlines()[0]
    reason = MISSING.get(name) or next((r for n, r in MISSING.items() if named(n) is target is not None), None)
    if reason is not None:
        return "refused", reason
    if name in _PURPOSE:
        return "passed through", _PURPOSE[name]
    if isinstance(target, ModuleType):
        return "passed through", "a module"
    if isinstance(target, type) and issubclass(target, (numpy.generic, Exception)):
        return "passed through", "a type"
    return ("passed through", "a constant") if not callable(target) else ("unlisted", "")


def public(prefix: str) -> list[str]:
    """The public names of one of NumPy's namespaces, and those that other versions of it have."""
    space = numpy if not prefix else getattr(numpy, prefix.rstrip("."))
    names = {prefix + name for name in space.__all__ if not name.startswith("_")}
    names |= {name for name in (*OVERRIDES, *MISSING) if name.rpartition(".")[0] == prefix.rstrip(".")}
    return sorted(names)


def text() -> str:
    """COVERAGE.md: a table of every function for each of the namespaces."""
    lines = [
        "# NumPy's functions on Tensors",
        "",
        "Made by `python -m autograd.numpy`. *Recorded*: the result is a Tensor, and gradients of any order flow back",
        "through it (none where the sentence says so). *Answered*: integers, truths or text, worked out from the values.",
        "*Refused*: an error says why, and what to write instead. Everything else takes no Tensor and is NumPy's own.",
    ]
    for prefix, title in _TITLES.items():
        rows = {name: status(name) for name in public(prefix)}
        counts = {kind: sum(k == kind for k, _ in rows.values()) for kind in ("recorded", "answered", "refused")}
        lines += ["", f"## {title}", "", ", ".join(f"{n} {kind}" for kind, n in counts.items()) + ".", ""]
        lines += ["| function | a Tensor is | how, or why not |", "| :------- | :---------- | :-------------- |"]
        lines += [
            f"| `{name.removeprefix(prefix)}` | {kind} | {how.replace('|', chr(92) + '|')} |"
            for name, (kind, how) in rows.items()
            if kind != "passed through"
        ]
        if not prefix:
            lines += ["", "Passed through, since they take no array to differentiate by:", ""]
            lines += [f"- {purpose}: {', '.join(f'`{n}`' for n in names.split())}" for purpose, names in PASSED.items()]
            lines += ["- types of numbers, constants and modules"]
    return "\n".join(lines) + "\n"
