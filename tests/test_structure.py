"""The shape of the code base: who may import whom, how large a file may be, and what must not be in it."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("autograd", "nn", "demos")

# Imports inside autograd go from later rows to earlier ones; modules of one row may know each other.
LAYERS = (
    ("core",),
    ("files", "transforms"),
    ("functions",),
    ("numpy",),
    ("ir",),
    ("passes",),
    ("backends",),
    ("compiler", "render", "checking"),
    ("",),  # autograd/__init__.py
)
CORE = (
    ("errors", "numpy_helpers"),
    ("source_location", "subclasses", "tree", "mode"),
    ("primitive",),
    ("ops",),
    ("anomaly", "conversions", "custom", "inplace_checks"),
    ("array_methods", "engine"),
    ("tensor",),
)


def levels(layers: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    return {name: level for level, row in enumerate(layers) for name in row}


# Deliberate exceptions, each inside a function so that importing stays one way: (importing file, module): why.
LAZY = {
    ("autograd/ir/graph.py", "autograd.render"): "graph.draw() is what users reach for",
    ("demos/doctor.py", "autograd.render"): "names the engine that draws; must run where another autograd is first",
}


class Import(NamedTuple):
    """One imported module, or one name imported from a module, and whether it is in a function."""

    line: int
    module: str
    name: str
    lazy: bool


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(source: str, package: str = "") -> Iterator[Import]:
    """Every import of a file, function bodies included; what only type checkers see is left out."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, "", lazy)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(node.lineno, module, alias.name, lazy)
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in children:
            yield from visit(child, inside)

    yield from visit(ast.parse(source), False)


def imports_of(path: Path) -> list[Import]:
    return list(imports(path.read_text(encoding="utf-8"), ".".join(path.relative_to(ROOT).parent.parts)))


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def target(found: Import) -> str:
    """The module that is really imported: `from autograd import engine` imports autograd.engine."""
    full = f"{found.module}.{found.name}"
    return full if found.name and is_module(full) else found.module


def code_lines(source: str) -> int:
    """The number of lines that hold code: comments, docstrings and blank lines do not count."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    documentable = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documentable) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def test_code_lines_counts_only_code():
    sample = '''"""Module
docstring."""

# a comment
x = 1  # code with a comment
text = """three
lines of
text"""


class A:
    """One line."""

    def f(self):
        """Two
        lines."""
        return (
            x
        )
'''
    assert code_lines(sample) == 1 + 3 + 1 + 1 + 3


def test_imports_are_found_wherever_they_stand():
    sample = (
        "import a.b, c\nfrom . import d\nfrom .e import f\n"
        "if TYPE_CHECKING:\n    import hidden\nelse:\n    import shown\n"
        "def g():\n    from ..h import i\n"
    )
    assert list(imports(sample, "p.q")) == [
        (1, "a.b", "", False),
        (1, "c", "", False),
        (2, "p.q", "d", False),
        (3, "p.q.e", "f", False),
        (7, "shown", "", False),
        (9, "p.h", "i", True),
    ]


def part(module: str, room: str) -> str:
    """The part of a room that a module is in: of `autograd` for autograd.ir.trace it is ir."""
    return module.removeprefix(room).strip(".").split(".")[0] if module.startswith(room) else ""


@pytest.mark.parametrize(("room", "layers"), [("autograd", LAYERS), ("autograd.core", CORE)])
def test_imports_go_one_way(room, layers):
    level, wrong = levels(layers), []
    for path in python_files(room.replace(".", "/")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        own = part(module, room)
        assert own in level or module == room, f"{relative(path)}: give the module its place"
        for found in imports_of(path):
            to = target(found)
            if to.split(".")[0] in ("nn", "demos", "tests"):
                wrong.append(f"{relative(path)}:{found.line}: imports {to}")
            elif to.split(".")[0] != "autograd" or (relative(path), to) in LAZY:
                continue
            elif not to.startswith(room) or level[part(to, room)] > level.get(own, len(layers)):
                wrong.append(f"{relative(path)}:{found.line}: imports {to} from above")
    assert not wrong, "\n".join(wrong)


def test_what_stands_at_the_top_is_listed():
    """Folders besides, since every module has a room."""
    files = {path.name for path in (ROOT / "autograd").iterdir() if path.is_file()}
    assert files == {"__init__.py", "py.typed"}


def is_public(found: Import, packages: tuple[str, ...]) -> bool:
    """Whether it is a name of `__all__`, the module of errors or of files, or, for nn, one of its modules."""
    package, *inner = found.module.split(".")
    if (
        package not in packages
        or (package == "autograd" and inner not in ([], ["core", "errors"], ["files"]))
        or inner[2:]
    ):
        return False
    if inner or not found.name:
        return True
    modules = {"errors", "files"} if package == "autograd" else {path.stem for path in (ROOT / "nn").iterdir()}
    return found.name in modules | set(importlib.import_module(package).__all__)


@pytest.mark.parametrize(("own", "others"), [("nn", ("autograd",)), ("demos", ("autograd", "nn"))])
def test_only_public_faces_are_used(own, others):
    wrong = [
        f"{relative(path)}:{found.line}: {found.module} {found.name}".rstrip()
        for path in python_files(own)
        for found in imports_of(path)
        if found.module.split(".")[0] in set(PACKAGES) - {own}
        and (relative(path), found.module) not in LAZY
        and not is_public(found, others)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_exception_to_the_import_order_is_used_and_lazy():
    seen = {(relative(path), target(found)): found for path in python_files(*PACKAGES) for found in imports_of(path)}
    assert [row for row in LAZY if row not in seen or not seen[row].lazy] == []


def test_the_core_is_small():
    sizes = {relative(path): code_lines(path.read_text(encoding="utf-8")) for path in python_files("autograd/core")}
    assert sum(sizes.values()) < 2000, sizes


def test_no_file_is_long():
    sizes = {relative(path): code_lines(path.read_text(encoding="utf-8")) for path in python_files(*PACKAGES)}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_nothing_is_unpickled():
    picklers = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "joblib", "marshal"}
    wrong = []
    for path in python_files(*PACKAGES):
        wrong += [f"{relative(path)}:{i.line}" for i in imports_of(path) if i.module.split(".")[0] in picklers]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                wrong.append(f"{relative(path)}:{node.lineno}")
    assert wrong == []


def text_files() -> list[Path]:
    # A work tree beside the repository has a file .git, which says where that is.
    top = [path for path in ROOT.iterdir() if path.is_file() and not re.match(r"\.coverage|\.git$", path.name)]
    inner = [path for folder in (*PACKAGES, "tests", ".ci") for path in (ROOT / folder).rglob("*") if path.is_file()]
    binary = {".pyc", ".png", ".gif", ".jpg", ".pdf", ".npy", ".npz", ".onnx", ".gz", ".so"}
    return sorted(path for path in top + inner if path.suffix not in binary)


# The letters in brackets keep this table from finding itself.
@pytest.mark.parametrize(
    ("pattern", "meaning"),
    [
        (r"(?<![\w.*~{}$-])/(?:wor[k]|hom[e]|roo[t]|Use[r]s|tm[p]|op[t])/", "a path of one machine"),
        (r"\b(?:TO[D]O|FIX[M]E|XX[X])\b", "unfinished work"),
    ],
    ids=["paths", "unfinished"],
)
def test_texts_are_clean(pattern, meaning):
    wrong = [
        f"{relative(path)}:{number}: {meaning}: {line.strip()[:100]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["autograd", "nn"])
def test_every_public_name_says_what_it_is(package):
    module = importlib.import_module(package)
    objects = {name: getattr(module, name) for name in module.__all__}
    silent = [name for name, value in objects.items() if not documented(value)]
    assert silent == []


def documented(value: object) -> bool:
    """Whether it has a docstring of its own; plain data has none to give, an instance must not borrow its class's."""
    if isinstance(value, str | int | float | tuple | dict):
        return True
    text = getattr(value, "__doc__", None)
    return bool(text and text.strip()) and (isinstance(value, type) or text != type(value).__doc__)
