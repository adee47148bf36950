"""Links to the documentation of other libraries by rules, because intersphinx needs the network.

A name that matches no rule stays unresolved, which the build reports as an error.
"""

from __future__ import annotations

import re

from docutils import nodes

SKLEARN = "https://scikit-learn.org/stable"
TORCH = "https://docs.pytorch.org/docs/stable"
MATPLOTLIB = "https://matplotlib.org/stable"
SCIPY = "https://docs.scipy.org/doc/scipy/reference/generated"
SKORCH = "https://skorch.readthedocs.io/en/stable"

# from a pattern that matches the whole name to its address
RULES = {
    r"sklearn(\.[a-z]\w*)+(\.[A-Z]\w*)?": SKLEARN + r"/modules/generated/\g<0>.html",
    r"(sklearn[\w.]*\.[A-Z]\w*)\.\w+": SKLEARN + r"/modules/generated/\1.html#\g<0>",
    r"df_output_transform": SKLEARN + r"/modules/\g<0>.html",
    r"sphx_glr_auto_examples_([a-z]+)_(plot_\w+)\.py": SKLEARN + r"/auto_examples/\1/\2.html",
    r"matplotlib\.axes\.Axes\.\w+": MATPLOTLIB + r"/api/_as_gen/\g<0>.html",
    r"scipy\.stats\.\w+": SCIPY + r"/\g<0>.html",
    r"torch\.nn\.Module": TORCH + r"/generated/\g<0>.html",
    r"skorch\.callbacks": SKORCH + "/callbacks.html",
    r"skorch\.callbacks\.\w+": SKORCH + r"/callbacks.html#\g<0>",
}


def address_of(name: str) -> str | None:
    """Return the address of a name's documentation, or None if it matches no rule."""
    for pattern, address in RULES.items():
        if found := re.fullmatch(pattern, name):
            return found.expand(address)
    return None


def resolve(app, env, node, content) -> nodes.reference | None:
    address = address_of(node["reftarget"])
    return address and nodes.reference("", "", content, internal=False, refuri=address)


def setup(app) -> dict[str, bool]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
