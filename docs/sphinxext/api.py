"""Pages of the API reference, generated from every `__all__` so that no public name is missing."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import skvae

INDEX = "api"
LAST = ("skvae.datasets", "skvae.cli")  # in the index, where the parts of a model come first

INDEX_HEAD = """\
.. _api:

=============
API reference
=============

All public names, by module. Names that start with an underscore may change without notice.

.. toctree::
   :hidden:

{toctree}
"""

INDEX_SECTION = """
{module}
{underline}

{summary}

.. currentmodule:: {module}
{tables}"""

TABLE = """
.. autosummary::
   :nosignatures:

{names}
"""

MODULE_PAGE = """\
{module}
{underline}

.. automodule:: {module}
   :no-members:

.. autosummary::
   :toctree: .
   :nosignatures:

{names}
"""


def public_names() -> dict[str, list[str]]:
    """Return the public names by module; a name in several modules is listed in the first one."""
    names: dict[str, list[str]] = {}
    seen: set[int] = set()
    for module in public_modules():
        members = {name: getattr(module, name) for name in module.__all__}
        new = [name for name, member in members.items() if _is_new(name, member, seen)]
        seen.update(id(members[name]) for name in new)
        if new:
            names[module.__name__] = new
    return names


def public_modules() -> Iterator:
    """Yield the package and its public modules that define `__all__`."""
    yield skvae
    found = (info.name for info in pkgutil.walk_packages(skvae.__path__, f"{skvae.__name__}."))
    for name in sorted(found, key=lambda name: (name in LAST and LAST.index(name) + 1, name)):
        if not any(part.startswith("_") for part in name.split(".")):
            module = import_module(name)
            if hasattr(module, "__all__"):
                yield module


def pages() -> dict[str, str]:
    """Return the text of every page by name: the index, and one page per module."""
    names = public_names()
    texts = {module: _module_page(module, members) for module, members in names.items()}
    head = INDEX_HEAD.format(toctree=_indented(names))
    sections = [_index_section(module, members) for module, members in names.items()]
    return {INDEX: head + "".join(sections), **texts}


def write_pages(app, config) -> None:
    """Write the pages that have changed, before Sphinx collects the source files."""
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app) -> dict[str, bool]:
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True}


def _is_new(name: str, member: object, seen: set[int]) -> bool:
    return not name.startswith("__") and id(member) not in seen


def _module_page(module: str, names: list[str]) -> str:
    return MODULE_PAGE.format(module=module, underline="=" * len(module), names=_indented(names))


def _index_section(module: str, names: list[str]) -> str:
    return INDEX_SECTION.format(
        module=module,
        underline="-" * len(module),
        summary=inspect.getdoc(import_module(module)).splitlines()[0],
        tables="".join(TABLE.format(names=_indented(group)) for group in _groups(module, names)),
    )


def _groups(module: str, names: list[str]) -> list[list[str]]:
    """Return the estimators of a module, and then its other names."""
    first = [name for name in names if "fit" in dir(getattr(import_module(module), name))]
    return [group for group in (first, [name for name in names if name not in first]) if group]


def _indented(names) -> str:
    return "\n".join(f"   {name}" for name in names)
