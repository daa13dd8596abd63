"""What the demos found, on one page that needs nothing else: graphs beside pictures, tables, listings."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from .report import Report

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --link: #005c99 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #0d1117; --ink: #e6edf3; --quiet: #a3b0bd; --line: #3d4650; --link: #7cc4ff }}
}}
body {{ margin: 0 auto; padding: 1.5rem; max-width: 90rem; background: var(--paper); color: var(--ink) }}
body {{ font: 1rem/1.5 Arial, Helvetica, "Liberation Sans", sans-serif }}
a {{ color: var(--link) }}
nav ul {{ columns: 18rem; padding-left: 1.2rem }}
section {{ border-top: 1px solid var(--line); margin-top: 2.5rem }}
.question {{ color: var(--quiet); font-style: italic }}
.words > *, .proves {{ max-width: 62rem }}
.beside {{ display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 4fr) minmax(0, 3fr); align-items: start }}
@media (max-width: 60rem) {{ .beside {{ grid-template-columns: minmax(0, 1fr) }} }}
figure {{ margin: 0 0 1rem; min-width: 0 }}
figcaption {{ color: var(--quiet); font-size: .9rem; margin-bottom: .3rem }}
.graph div {{ overflow: auto; max-height: 80rem; border: 1px solid var(--line); border-radius: 6px; padding: .5rem }}
.graph svg {{ display: block; margin: auto; max-width: max(100%, 40rem); height: auto }}
section > .graph svg {{ max-width: none }}
.pictures .wide {{ grid-column: 1 / -1 }}
.pictures {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)) }}
img {{ width: 100%; height: auto; border-radius: 6px; background: white }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; margin: .75rem 0; font-variant-numeric: tabular-nums }}
th, td {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid var(--line) }}
th:first-child, td:first-child {{ text-align: left }}
pre {{ overflow: auto; font-size: .85rem; line-height: 1.4 }}
summary {{ cursor: pointer; color: var(--link) }}
</style></head>
<body>
<h1>{title}</h1>
<nav aria-label="Contents"><ul>
{contents}
</ul></nav>
<main>
{sections}
</main>
</body></html>
"""


BESIDE = 2  # pictures next to the graph; the others stand below


def page(reports: Sequence[Report], folder: Path = Path(), title: str = "Small networks, seen through") -> str:
    """The page of these reports: pictures included, other pages linked to.

    Args:
        reports: In the order in which they are shown.
        folder: Where the page will be written, for the links.
        title: Of the page.

    Returns:
        HTML.
    """
    contents = "\n".join(
        f'<li><a href="#part{number}">{html.escape(report.title)}</a></li>' for number, report in enumerate(reports)
    )
    sections = "\n".join(_section(number, report, folder) for number, report in enumerate(reports))
    return _PAGE.format(title=html.escape(title), contents=contents, sections=sections)


def _section(number: int, report: Report, folder: Path) -> str:
    parts = [f'<section id="part{number}">', f"<h2>{html.escape(report.title)}</h2>"]
    parts.append(f'<p class="question">{html.escape(report.question)}</p>')
    figures = [_picture(report, path) for path in report.shown]
    if report.graph is not None:
        graph = report.graph.svg if report.graph.engine else f"<pre>{html.escape(report.graph.dot)}</pre>"
        words = html.escape(report.graph.diagram.title)
        figure = f'<figure class="graph"><figcaption>{words}</figcaption>'
        figure += f'<div tabindex="0" role="region" aria-label="{words}">{graph}</div></figure>'
        beside, figures = figures[:BESIDE], figures[BESIDE:]
        parts.append(f'<div class="beside">{figure}<div>{"".join(beside)}</div></div>' if beside else figure)
    if figures:
        parts.append(f'<div class="pictures">{"".join(figures)}</div>')
    parts.append(f'<div class="words">{_words(report.did)}</div>')
    for path in (path for path in report.files if path.suffix == ".html"):
        link = quote(Path(os.path.relpath(path, folder)).as_posix())
        parts.append(f'<p><a href="{link}">{html.escape(path.stem.replace("_", " "))}: a page of its own</a></p>')
    if report.source:
        parts.append("<details><summary>The compiled training step, as a NumPy program</summary>")
        parts.append(f"<pre>{html.escape(report.source)}</pre></details>")
    parts.append(f'<p class="proves"><b>What this shows:</b> {html.escape(report.proves)}</p></section>')
    return "\n".join(parts)


def _picture(report: Report, path: Path) -> str:
    words = path.stem.replace("_", " ")
    data = base64.b64encode(path.read_bytes()).decode()
    kind = path.suffix[1:]
    alt = html.escape(f"{report.title}: {words}")
    with Image.open(path) as image:
        wide = ' class="wide"' * (image.width > 2.2 * image.height)
    return (
        f'<figure{wide}><figcaption>{html.escape(words)}</figcaption><img alt="{alt}" src="data:image/{kind};base64,{data}">'
        "</figure>"
    )


def _words(lines: Sequence[str]) -> str:
    """Finished lines as HTML: tables, paragraphs, and as they stand what is set in columns.

    >>> print(_words(["One line.", "", "| name | value |", "| :--- | ----: |", "| a    |     1 |"]))
    <p>One line.</p>
    <div class="table"><table><tr><th>name</th><th>value</th></tr><tr><td>a</td><td>1</td></tr></table></div>
    """
    parts = []
    for kind, group in groupby("\n".join(lines).split("\n"), lambda line: line[:1] == "|" if line else None):
        block = list(group)
        if kind is None:
            continue
        text = html.escape("\n".join(block))
        if kind:
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block]
            marked = [(row, "td" if index else "th") for index, row in enumerate(rows) if set("".join(row)) - set(":-")]
            cells = ("".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) for row, tag in marked)
            parts.append(f'<div class="table"><table>{"".join(f"<tr>{row}</tr>" for row in cells)}</table></div>')
        elif any(re.search(r"^\s|\S  +\S|^#|^(def|import) ", line) for line in block):
            parts.append(f"<pre>{text}</pre>")
        else:
            parts.append(f"<p>{text}</p>")
    return "\n".join(parts)
