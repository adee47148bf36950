"""How Sphinx builds the documentation; `make docs` runs it and needs no network."""

import os
import sys
from pathlib import Path

from skorch.callbacks import Callback
from torch import nn

import skvae

sys.path.insert(0, str(Path(__file__).parent))  # the folder of sphinxext
SHORT_FORM = os.environ.get("SKVAE_EXAMPLES") != "full"  # "full": whole data sets in the gallery
os.environ["SKVAE_DOCS"] = ".."  # from a page of the gallery, for the link of an estimator

project = "skvae"
author = "the skvae developers"
copyright = f"2026, {author}"
version = release = skvae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxext.api",
    "sphinxext.charts",
    "sphinxext.command_line",
    "sphinxext.explorers",
    "sphinxext.links",
    "sphinxext.mathml",
]

templates_path = ["templates"]
exclude_patterns = ["_build", "templates", "sphinxext"]
nitpicky = True
default_role = "literal"
smartquotes = False  # a quoted word is a string of Python more often than not
toc_object_entries_show_parents = "hide"

# reference

autosummary_generate = True
# Members that a class inherits from torch or skorch are documented there.
autosummary_context = {
    "foreign_members": [
        *dir(nn.Module),
        *(name for name in dir(Callback) if name.startswith("on_")),
    ]
}
autodoc_typehints = "none"  # the docstrings say the types
numpydoc_show_class_members = False  # templates/autosummary/class.rst lists them

# pages

html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp, .go"  # prompts and outputs are not copied
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_formats = [("png", 150)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*$",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skvae",),
    "reference_url": {"skvae": None},
    "download_all_examples": False,
    "remove_config_comments": True,
    "reset_modules": ("matplotlib", "sphinxext.short_form.reset")
    if SHORT_FORM
    else ("matplotlib",),
    "reset_modules_order": "both",
    "show_signature": False,
    "within_subsection_order": "sphinxext.gallery_order.TablesFirst",
    "write_computation_times": False,
}

# appearance

html_theme = "pydata_sphinx_theme"
html_title = "skvae"
html_static_path = ["_static"]
html_extra_path = ["llms.txt"]
html_css_files = ["skvae.css"]
html_favicon = "_static/logo.svg"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": "skvae"},
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_align": "left",
    "show_prev_next": False,
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "coming_from": []},
}
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "command_line",
        "benchmarks",
        "quality",
        "coming_from",
        "faq",
        "how_tested",
        "changelog",
    )
}
