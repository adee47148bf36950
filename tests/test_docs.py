"""The examples in the documentation print the results shown, and the API reference is complete."""

import argparse
import doctest
import importlib
import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from docs.sphinxext import api
from skvae import VAETransformer
from skvae._validation import DocumentedEstimator
from tests.test_docstrings import public_objects
from tests.test_readme import CloseNumbers

DOCS = Path(__file__).parents[1] / "docs"
# with longer fits than the others
SLOW_PAGES = {
    "anatomy",
    "classes",
    "coming_from",
    "compression",
    "getting_started",
    "index",
    "likelihoods",
    "missing",
    "own_parts",
    "priors",
    "scores",
    "tables",
}
WRITTEN_BY_THE_BUILD = {"_build", "auto_examples", "generated"}


def pages_with_examples():
    pages = (path for path in sorted(DOCS.rglob("*.rst")) if ">>> " in path.read_text("utf-8"))
    return [page for page in pages if WRITTEN_BY_THE_BUILD.isdisjoint(page.parts)]


class CloseOrAbridged(CloseNumbers):
    """Accepts numbers that agree within 2 %, and an ellipsis for omitted output."""

    def check_output(self, want, got, optionflags):
        as_written = doctest.OutputChecker().check_output(want, got, optionflags)
        return as_written or super().check_output(want, got, optionflags)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW_PAGES))
        for page in pages_with_examples()
    ],
)
def test_examples_on_a_page_print_the_results_shown(page):
    text = page.read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(CloseOrAbridged(), optionflags=flags)
    outcome = runner.run(examples, clear_globs=False)
    assert outcome.attempted == len(re.findall(r"^ *>>> ", text, flags=re.MULTILINE))
    assert outcome.failed == 0
    for source in plots_without_prompts(text):
        exec(source, examples.globs)
    plt.close("all")


def plots_without_prompts(text):
    """Yield the code of figures that are shown without their source."""
    for body in re.findall(r"^\.\. plot::\n((?:   .*\n|\n)*)", text, flags=re.MULTILINE):
        source = re.sub(r"^   :.*\n", "", body, flags=re.MULTILINE)
        if ">>> " not in source:
            yield textwrap.dedent(source)


def test_all_python_is_in_examples_or_figures():
    for page in DOCS.rglob("*.rst"):
        if WRITTEN_BY_THE_BUILD.isdisjoint(page.parts):
            languages = set(re.findall(r"code-block:: (.*)", page.read_text(encoding="utf-8")))
            of_others = page.stem in {"coming_from", "processes"}  # code of other libraries
            others = {"python"} if of_others else set()
            assert languages <= {"sh"} | others, page
    figures = list(plots_without_prompts((DOCS / "index.rst").read_text(encoding="utf-8")))
    assert len(figures) == 2
    assert all("skvae.plotting" in figure for figure in figures)


def test_every_public_name_is_in_the_api_index_and_has_a_page():
    names = api.public_names()
    paged = {f"{module}.{name}" for module, members in names.items() for name in members}
    assert paged == set(public_objects())
    texts = api.pages()
    for module, members in names.items():
        section = texts[api.INDEX].partition(f".. currentmodule:: {module}\n")[2]
        for text in (section.partition("currentmodule")[0], texts[module]):
            assert set(re.findall(r"^   (\w+)$", text, flags=re.MULTILINE)) == set(members)


def test_every_module_of_the_api_is_in_the_table_of_contents():
    toctree = api.pages()[api.INDEX].partition(".. toctree::")[2].partition("\nskvae\n")[0]
    assert re.findall(r"^   (skvae[\w.]*)$", toctree, flags=re.MULTILINE) == list(
        api.public_names()
    )


@pytest.fixture
def extension(request):
    pytest.importorskip("sphinx", reason="Sphinx comes with the extra 'docs'")
    return importlib.import_module(f"docs.sphinxext.{request.param}")


@pytest.mark.parametrize("extension", ["command_line"], indirect=True)
def test_the_help_of_every_command_is_shown(extension):
    parser = argparse.ArgumentParser(prog="outer")
    command = parser.add_subparsers().add_parser("inner")
    command.add_argument("--depth", help="how deep " * 20)
    (outer, outer_help), (inner, inner_help) = extension.help_texts(parser)
    assert (outer, inner) == ("outer", "outer inner")
    assert outer_help.startswith("usage: outer")
    assert "--depth" in inner_help
    assert max(map(len, inner_help.splitlines())) <= 80


@pytest.mark.parametrize("extension", ["links"], indirect=True)
def test_only_names_of_known_libraries_resolve_to_an_address(extension):
    reference = "https://scikit-learn.org/stable/modules/generated/sklearn.decomposition.PCA.html"
    assert extension.address_of("sklearn.decomposition.PCA") == reference
    method = "sklearn.decomposition.PCA.score"
    assert extension.address_of(method) == f"{reference}#{method}"
    assert extension.address_of("skvae.VAETransformer") is None
    assert extension.address_of("torch.nn.Modules") is None


TABLES = """\
```text
$ python script.py
Title
machine
model    nats            seconds  source
ours, a  -1.5 ± 0.25       1,234
theirs   3.0 (2.5-4)              a paper
neither  not within 5 s        7
```
"""


@pytest.mark.parametrize("extension", ["charts"], indirect=True)
def test_the_table_of_a_chart_is_read_by_its_title(extension):
    rows = extension.find_table(TABLES, "Title")
    assert [row["model"] for row in rows] == ["ours, a", "theirs", "neither"]
    assert [row["source"] for row in rows] == ["", "a paper", ""]
    values = [extension.value_of(row["nats"]) for row in rows]
    assert values == [(-1.5, -1.75, -1.25), (3.0, 2.5, 4.0), None]
    assert extension.value_of(rows[0]["seconds"]) == (1234, 1234, 1234)
    with pytest.raises(ValueError, match="No table has the title 'Other'"):
        extension.find_table(TABLES, "Other")


@pytest.mark.parametrize("extension", ["charts"], indirect=True)
def test_bars_are_as_long_as_their_figures(extension):
    cells = [("skvae", "2.0 (1-4)"), ("other", "4.0"), ("none", "not within 5 s")]
    chart = extension.chart_html(cells, "A & B", 0, None)
    assert re.findall(r"--at:([\d.]+)%", chart) == ["50.00", "100.00"]
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%", chart) == [("25.00", "75.00")]
    assert "A &amp; B" in chart
    assert "not within 5 s" in chart
    assert chart.count('class="ours"') == 1
    dots = extension.chart_html(cells, "", 1, 5)
    assert re.findall(r"--at:([\d.]+)%", dots) == ["25.00", "75.00"]


@pytest.mark.parametrize("extension", ["charts"], indirect=True)
def test_marked_tables_of_the_readmes_become_charts(extension):
    for path in extension.PAGES.values():
        text = (DOCS.parent / path).read_text("utf-8")
        shown = extension.page_text(path)
        assert "<!--" not in shown
        assert shown.count("```{bar-chart}") == text.count("<!-- bar-chart: ") > 0
        titles = re.findall(r"```\{bar-chart\} (.*)\n", shown)
        assert all(extension.find_table(text, title) for title in titles)


def test_links_of_estimators_lead_to_pages_of_the_reference(monkeypatch):
    monkeypatch.setenv("SKVAE_DOCS", "docs")
    for module, names in api.public_names().items():
        for name in names:
            member = getattr(importlib.import_module(module), name)
            if isinstance(member, type) and issubclass(member, DocumentedEstimator):
                link = member._get_doc_link(member.__new__(member))
                assert link == f"docs/generated/{module}.{name}.html"
    monkeypatch.delenv("SKVAE_DOCS")
    assert VAETransformer()._get_doc_link() == ""


def test_links_for_readers_of_text_lead_to_pages():
    pages = {f"generated/{module}.html" for module in api.public_names()} | {"generated/api.html"}
    pages |= {f"generated/{name}.html" for name in public_objects()} | {"auto_examples/index.html"}
    pages |= {
        path.relative_to(DOCS).with_suffix(".html").as_posix()
        for path in DOCS.rglob("*")
        if path.suffix in {".rst", ".md"}
    }
    links = re.findall(r"\]\((.*?)\)", (DOCS / "llms.txt").read_text("utf-8"))
    assert len(links) > 15
    assert set(links) <= pages


@pytest.mark.parametrize(
    ("said", "file", "code"),
    [
        ("20,000 damaged files", "test_model_fuzz.py", "20_000"),
        (
            "20,000 crafted ones",
            "test_model_fuzz.py",
            "5000, seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4)",
        ),
        ("2,000 forged checkpoints", "test_checkpoint_fuzz.py", "2000"),
        ("killed at random moments, 200 times", "test_kills.py", "param(200, 11"),
        ("Saving is killed 200 times", "test_kills.py", "param(200, marks"),
        ("Ten thousand concurrent calls", "test_concurrency.py", "10_000"),
        ("Five hundred fits in one process", "test_soak.py", "(100, 500, 10"),
    ],
)
def test_numbers_of_cases_are_those_of_the_tests(said, file, code):
    assert said in " ".join((DOCS / "how_tested.rst").read_text("utf-8").split())
    assert code in (Path(__file__).parent / file).read_text("utf-8")
