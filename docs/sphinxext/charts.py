"""The directive ``bar-chart``: a column of a table in a README of the benchmarks, as bars.

The figures are read from the README, so that a chart and its table cannot disagree. In a README, a
comment ``<!-- bar-chart: TITLE -->`` before a block of tables stands for the directive; the pages
"Quality" and "Speed" show the chart there and fold the block.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
# pages that show a README, with their title
PAGES = {"benchmarks": "benchmarks/README.md", "quality": "benchmarks/quality/README.md"}
NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
FENCE = re.compile(r"^```text\n(.*?)^```$", re.M | re.S)
MARKED = re.compile(r"^<!-- (bar-chart: .*?)-->\n\n?(?:```text\n(.*?)^```$)?", re.M | re.S)


class Value(NamedTuple):
    """A figure with the interval that its table states, if it states one."""

    number: float
    low: float
    high: float


def value_of(cell: str) -> Value | None:
    """Return the figure of a cell, such as 1.59 ± 0.02, 0.89 (0.78-0.92) or 52 %."""
    if not (found := re.match(rf"({NUMBER})(?:\s*±\s*({NUMBER}))?", cell)):
        return None
    number, error = (float((part or "0").replace(",", "")) for part in found.groups())
    if limits := re.match(rf" ?\(({NUMBER})-({NUMBER})\)", cell[found.end() :]):
        low, high = (float(part.replace(",", "")) for part in limits.groups())
        return Value(number, low, high)
    return Value(number, number - error, number + error)


def find_table(text: str, title: str) -> list[dict[str, str]]:
    """Return the rows of the first table below a line that reads `title`."""
    for block in FENCE.findall(text):
        for lines in (chunk.splitlines() for chunk in block.split("\n\n")):
            if title in lines:
                return _rows(lines[lines.index(title) + 1 :])
    raise ValueError(f"No table has the title {title!r}")


def _rows(lines: list[str]) -> list[dict[str, str]]:
    start = next(i for i, line in enumerate(lines) if re.search(r"\S {2,}\S|^ {2,}\S", line))
    header, *rows = lines[start:]
    spans = _columns([header, *rows])
    names = [header[span].strip() for span in spans]
    if not all(names[1:]):
        raise ValueError(f"A column has no name in {header!r}")
    return [dict(zip(names, (row[span].strip() for span in spans), strict=True)) for row in rows]


def _columns(lines: list[str]) -> list[slice]:
    """Return where columns lie: they are separated by two blanks or more in every line."""
    width = max(map(len, lines))
    ink = "".join(" #"[any(line[i : i + 1].strip() for line in lines)] for i in range(width))
    return [slice(*found.span()) for found in re.finditer(r"#(?: ?#)*", ink)]


class BarChart(SphinxDirective):
    """``.. bar-chart:: TITLE`` draws the column of the table with this title."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {
        "file": directives.unchanged_required,
        "column": directives.unchanged_required,  # or A; B; ... for the mean of several columns
        "caption": directives.unchanged_required,
        "rows": directives.unchanged_required,  # A -> label of A; B; ...
        "ours": directives.unchanged_required,  # the highlighted label, if it does not say skvae
        "where": directives.unchanged_required,  # column = cell
        "from": float,
        "to": float,
    }

    def run(self) -> list[nodes.Node]:
        path = ROOT / self.options["file"]
        self.env.note_dependency(str(path))
        try:
            rows = self._cells(find_table(path.read_text(encoding="utf-8"), self.arguments[0]))
        except (ValueError, KeyError) as exc:
            raise self.error(f"{path.name}: {exc}") from exc
        start, end, ours = (self.options.get(name) for name in ("from", "to", "ours"))
        chart = chart_html(rows, self.options["caption"], start or 0, end, ours)
        return [nodes.raw("", chart, format="html")]

    def _cells(self, table: list[dict[str, str]]) -> list[tuple[str, str]]:
        column, _, wanted = self.options.get("where", "").partition(" = ")
        names = next(name for name in table[0] if name != column)
        columns = [name.strip() for name in self.options["column"].split(";")]
        table = [row for row in table if not column or row[column] == wanted]
        cells = {row[names]: _mean([row[name] for name in columns]) for row in table}
        return [(label, cells[name]) for name, label in self._labels(list(cells))]

    def _labels(self, names: list[str]) -> list[tuple[str, str]]:
        if "rows" not in self.options:
            return [(name, name) for name in names]
        pairs = (part.strip().partition(" -> ") for part in self.options["rows"].split(";"))
        return [(name, label or name) for name, _, label in pairs]


def _mean(cells: list[str]) -> str:
    """Return a cell as it stands, or the mean of the figures of several cells."""
    if len(cells) == 1:
        return cells[0]
    values = [value for cell in cells if (value := value_of(cell))]
    return f"{fmean(value.number for value in values):.{_decimals(cells[0])}f}"


def _decimals(cell: str) -> int:
    return len(cell.split()[0].partition(".")[2])


def chart_html(
    rows: list[tuple[str, str]],
    caption: str,
    start: float,
    end: float | None,
    ours: str | None = None,
) -> str:
    """Return a table with a bar in every row; dots if the axis does not start at zero."""
    values = [value_of(cell) for _, cell in rows]
    end = end if end is not None else max(value.high for value in values if value)
    kind = "bars" if start == 0 else "dots"
    lines = [
        _line(label, cell, _marks(value, start, end), label == ours)
        for (label, cell), value in zip(rows, values, strict=True)
    ]
    if kind == "dots":
        lines.append(
            '<tr class="axis" aria-hidden="true"><th></th><td class="track">'
            f"<div><span>{start:g}</span><span>{end:g}</span></div></td><td></td></tr>"
        )
    return (
        f'<div class="bar-chart"><table class="{kind}"><caption>{escape(caption)}</caption>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _line(label: str, cell: str, marks: str, is_ours: bool) -> str:
    ours = ' class="ours"' if is_ours or label.startswith(("skvae", "VAE")) else ""
    return (
        f'<tr{ours}><th scope="row">{escape(label)}</th>'
        f'<td class="track"><div>{marks}</div></td><td class="value">{escape(cell)}</td></tr>'
    )


def _marks(value: Value | None, start: float, end: float) -> str:
    if value is None:
        return ""
    at, low, high = (100 * min(max((x - start) / (end - start), 0), 1) for x in value)
    mark = f'<i class="mark" style="--at:{at:.2f}%"></i>'
    if value.high > value.low:
        mark += f'<i class="range" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
    return mark


def page_text(path: str) -> str:
    """Return the text of a README with its comments replaced by charts and folded tables."""

    def replace(found: re.Match[str]) -> str:
        directive, block = found.groups()
        head, *options = directive.removeprefix("bar-chart: ").strip().splitlines()
        chart = "\n".join([f"```{{bar-chart}} {head}", f":file: {path}", *options, "```", ""])
        if block is None:
            return chart
        return f"{chart}\n````{{dropdown}} Table and command\n```text\n{block}```\n````"

    return MARKED.sub(replace, (ROOT / path).read_text(encoding="utf-8"))


def read_page(app: Any, docname: str, source: list[str]) -> None:
    """Put the README in the place of the line that includes it."""
    if path := PAGES.get(docname):
        line = f"```{{include}} ../{path}\n```"
        source[0] = source[0].replace(line, page_text(path))
        app.env.note_dependency(str(ROOT / path), docname=docname)


def setup(app: Any) -> dict[str, Any]:
    """Register the directive and the pages."""
    app.add_directive("bar-chart", BarChart)
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}
