"""The README's Python blocks run as they stand, in order, in one namespace, in an empty directory.

As a script (`python tests/test_readme.py`) this runs only the first block, the quick start: continuous integration does
that in an environment that holds nothing but the installed wheel, so nothing here may need pytest.
"""

import os
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def python_blocks(text: str) -> list[tuple[int, str]]:
    """The (line number, code) of every block fenced by ```python, wherever it is indented."""
    blocks: list[tuple[int, str]] = []
    fence: int | None = None
    code: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if fence is None:
            if stripped.split(" ")[0] == "```python":
                fence, code = len(line) - len(line.lstrip()), []
        elif stripped == "```":
            blocks.append((number - len(code), "\n".join(code)))
            fence = None
        else:
            code.append(line[fence:] if not line[:fence].strip() else line)
    if fence is not None:
        raise ValueError(f"the ```python block of {len(code)} lines at the end is never closed")
    return blocks


def run(blocks: list[tuple[int, str]]) -> dict[str, object]:
    """Run the blocks one after another; a traceback shows the line of the README."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks:
        exec(compile("\n" * (line - 1) + code, str(README), "exec"), namespace)
    return namespace


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks(README.read_text(encoding="utf-8"))
    assert blocks, "README.md shows no Python"
    run(blocks)


def test_blocks_are_found_with_their_lines():
    text = "a\n```python\nx = 1\ny = x + 1\n```\n```bash\nls\n```\n- item\n  ```python\n  if y:\n      z = 3\n  ```\n"
    assert python_blocks(text) == [(3, "x = 1\ny = x + 1"), (11, "if y:\n    z = 3")]
    assert run(python_blocks(text))["z"] == 3


def main() -> None:
    """Run the quick start in a temporary directory, and say which installation ran it."""
    blocks = python_blocks(README.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        run(blocks[:1])
        os.chdir(README.parent)
    print(f"README, line {blocks[0][0]}: the quick start ran with {sys.modules['autograd'].__file__}")


if __name__ == "__main__":
    main()
