"""Documentation against code: every public name, its parameters, their order and their defaults."""

import ast
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
import types

import pytest

import skvae

ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : (?P<type>.*))?$")
DEFAULT = re.compile(r"\bdefault=(?P<text>.+)$")


def public_modules(package=skvae):
    """Names of the package, its public subpackages, and its public modules that have `__all__`."""
    names = [package.__name__]
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        private = any(part.startswith("_") for part in info.name.split("."))
        if not private and (info.ispkg or hasattr(imported(info.name), "__all__")):
            names.append(info.name)
    return names


def public_objects(package=skvae):
    """Public classes and functions, each once, under the first of its public names."""
    found = {}
    for module_name in public_modules(package):
        module = imported(module_name)
        for name in getattr(module, "__all__", ()):
            obj = getattr(module, name, None)
            if callable(obj):
                found.setdefault(id(obj), (f"{module_name}.{name}", obj))
    return dict(found.values())


def imported(module_name):
    """Return the module, or None: a broken one fails in a test of its own, not in collection."""
    try:
        return importlib.import_module(module_name)
    except ImportError:
        return None


def sections(doc):
    """Split a numpydoc docstring: name of the section to its lines."""
    lines = inspect.cleandoc(doc or "").splitlines()
    underlined = [
        i for i in range(len(lines) - 1) if lines[i] and re.fullmatch(r"-{3,}", lines[i + 1])
    ]
    bounds = itertools.pairwise([*underlined, len(lines)])
    return {lines[i]: lines[i + 2 : end] for i, end in bounds}


def documented_parameters(doc):
    """Name of each documented parameter to its type line, in the order of the docstring."""
    matches = (ENTRY.match(line) for line in sections(doc).get("Parameters", ()))
    return {
        name.lstrip("*"): match["type"] or ""
        for match in matches
        if match
        for name in match["names"].split(", ")
    }


def signature_parameters(obj):
    parameters = inspect.signature(obj).parameters.values()
    return {p.name: p for p in parameters if p.name not in ("self", "cls")}


def same_default(text, default):
    """Whether the words after `default=` mean the default of the signature."""
    try:
        return repr(ast.literal_eval(text)) == repr(default)
    except (ValueError, SyntaxError):  # not a literal, such as an object
        return text.removeprefix("np.") == repr(default)


def parameter_faults(obj, doc):
    """Differences between the signature of `obj` and the Parameters section of `doc`."""
    signature, documented = signature_parameters(obj), documented_parameters(doc)
    if list(signature) != list(documented):
        yield f"the signature has {list(signature)}, the docstring {list(documented)}"
    for name in signature.keys() & documented.keys():
        default, kind = signature[name].default, documented[name]
        written = DEFAULT.search(kind)
        if written and not same_default(written["text"], default):
            yield f"{name}: the docstring says {written[0]}, the signature {default!r}"
        needs_none = default is inspect.Parameter.empty or kind in ("Ignored", "None")
        if not written and not needs_none:
            yield f"{name}: the docstring does not give default={default!r}"


def public_methods(cls):
    """Public methods and properties of `cls` that its own package wrote."""
    package = cls.__module__.partition(".")[0]
    for name in dir(cls):
        if name.startswith("_"):
            continue
        member = getattr(cls, name)  # unpacks static methods and `available_if`
        if isinstance(member, property) or (
            inspect.isroutine(member)
            and (inspect.unwrap(member).__module__ or "").partition(".")[0] == package
        ):
            yield name, member


def faults(obj):
    """Return all faults of the documentation of a public class or function."""
    doc = obj.__doc__ or ""
    if not doc.strip():
        return ["it has no docstring"]
    found = list(parameter_faults(obj, doc))
    if not doctest.DocTestParser().get_examples("\n".join(sections(doc).get("Examples", ()))):
        found.append("it has no Examples section with code")
    if inspect.isclass(obj):
        for name, method in public_methods(obj):
            doc = inspect.getdoc(method) or ""
            if not doc:
                found.append(f"{name}: it has no docstring")
            elif not isinstance(method, property):
                found += [f"{name}: {fault}" for fault in parameter_faults(method, doc)]
    return found


def order_of_all(name):
    """Constants, classes, the rest, each alphabetically: the order that ruff enforces."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("module_name", public_modules())
def test_all_is_sorted_and_resolves(module_name):
    module = importlib.import_module(module_name)
    assert isinstance(module.__doc__, str), f"{module_name} has no docstring"
    assert module.__all__ == sorted(module.__all__, key=order_of_all)
    assert len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize(("name", "obj"), public_objects().items(), ids=public_objects())
def test_docstring_agrees_with_code(name, obj):
    assert faults(obj) == []


# Faults are found.


class Sound:
    """Do nothing.

    Parameters
    ----------
    size : int, default=3
        How much of it.

    kind : {"a", "b"}, default="a"
        Of which kind.

    shape : tuple of int or None, default=(1, 2)
        Of which shape.

    Examples
    --------
    >>> nothing = Sound(size=4)
    """

    def __init__(self, size=3, *, kind="a", shape=(1, 2)):
        pass

    def fit(self, X, y=None):
        """Fit nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        y : Ignored
            Not used.
        """

    @property
    def area_(self):
        """Nothing."""


def test_a_sound_class_passes():
    assert faults(Sound) == []
    assert [name for name, _ in public_methods(Sound)] == ["area_", "fit"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("default=3", "default=4", "size: the docstring says default=4, the signature 3"),
        ("default=3", "default=3.0", "size: the docstring says default=3.0"),
        ('default="a"', "default=None", "kind: the docstring says default=None"),
        ("default=(1, 2)", "default=(1, 3)", "shape: the docstring says default=(1, 3)"),
        ("default=(1, 2)", "default=Shape(1)", "shape: the docstring says default=Shape(1)"),
        ("int, default=3", "int", "size: the docstring does not give default=3"),
        ("size : int", "length : int", "the signature has ['size', "),
        ("Parameters", "Arguments", "the docstring []"),
        (">>> nothing", "nothing", "no Examples section with code"),
        ("Examples", "References", "no Examples section with code"),
    ],
)
def test_a_fault_of_a_class_is_found(old, new, fault):
    assert old in Sound.__doc__
    broken = type("Broken", (Sound,), {"__doc__": Sound.__doc__.replace(old, new)})
    assert any(fault in line for line in faults(broken))


def test_parameters_in_another_order_are_found():
    def function(second, first):
        """Do nothing.

        Parameters
        ----------
        first, second : int
            Two numbers.

        Examples
        --------
        >>> function(1, 2)
        """

    (fault,) = faults(function)
    assert fault.startswith("the signature has ['second', 'first']")


def test_faults_of_methods_are_found():
    class Broken(Sound):
        __doc__ = Sound.__doc__

        def fit(self, X, y=None, depth=1):
            return self

        fit.__doc__ = Sound.fit.__doc__

        def score(self, X, depth=1):
            """Score nothing.

            Parameters
            ----------
            X : array-like
                Rows.

            depth : int, default=2
                How deep.
            """

        @property
        def width_(self):
            return 0

    found = faults(Broken)
    assert "width_: it has no docstring" in found
    assert any(line.startswith("fit: the signature has ['X', 'y', 'depth']") for line in found)
    assert "score: depth: the docstring says default=2, the signature 1" in found


def test_a_missing_docstring_is_found():
    assert faults(lambda: None) == ["it has no docstring"]


def test_public_names_are_found():
    package = types.ModuleType("nothing")
    package.__path__ = []
    assert public_modules(package) == ["nothing"]
    assert "skvae.datasets" in public_modules()
    assert "skvae.datasets._idx" not in public_modules()
    assert any(name.endswith("read_idx") for name in public_objects())
