"""The exercise as a page: how every derivative stands, what is wrong with it, and the graph with the right gradients."""

from __future__ import annotations

import html

import autograd

from .exercise import Checked

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --line: #d0d7de; --right: #0072b2; --wrong: #a03c00 }}
@media (prefers-color-scheme: dark) {{
:root {{ --paper: #0d1117; --ink: #e6edf3; --line: #3c4048; --right: #56b4e9; --wrong: #ffb077 }}
}}
body {{ margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 Arial, Helvetica, sans-serif }}
main {{ display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }}
section {{ flex: 1 1 30rem; min-width: 0; overflow-x: auto }}
.report {{ flex-basis: 100% }}
h2 {{ font-size: 1.1rem }}
.graph {{ max-height: 70rem; overflow: auto; padding: .75rem; border: 1px solid var(--line); border-radius: 6px }}
.graph svg {{ display: block; margin: auto }}
table {{ border-collapse: collapse }}
td:nth-child(2) {{ white-space: nowrap }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }}
.right {{ color: var(--right) }}
.wrong, .broken, .missing {{ color: var(--wrong); font-weight: bold }}
</style></head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<main>
<section>
<h2>Your derivatives</h2>
<table>
<tr><th>derivative</th><th>shape</th><th>line</th><th>is</th><th></th></tr>
{rows}
</table>
{notes}
</section>
<section>
<h2>The graph: values, and the gradients that the engine brought back</h2>
<div class="graph">{graph}</div>
</section>
{report}
</main>
</body></html>
"""


def page(checked: Checked, title: str, summary: str) -> str:
    """One HTML file that needs nothing else, in the reader's light or dark colours."""
    rows = "\n".join(
        f"<tr><td>{answer.name}</td><td>{answer.shape}</td><td>{answer.line or ''}</td>"
        f'<td class="{answer.state}">{answer.state}</td><td>{html.escape(answer.text)}</td></tr>'
        for answer in checked.answers
    )
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in checked.notes)
    picture = autograd.draw(checked.loss)
    graph = picture.svg if picture.engine is not None else f"<pre>{html.escape(picture.dot)}</pre>"
    compared = (
        f'<section class="report">\n<h2>Compared with the engine</h2>\n{checked.report._repr_html_()}\n</section>'
    )
    report = compared if checked.report.rows else ""
    return _PAGE.format(
        title=html.escape(title), summary=html.escape(summary), rows=rows, notes=notes, report=report, graph=graph
    )
