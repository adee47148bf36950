"""The contracts of parts: nothing is probed, bases are public, short names build their kind."""

import ast
import importlib
import inspect
from collections import Counter
from pathlib import Path

import pytest

import skvae
from skvae import _parts
from skvae._specs import SHORT_NAMES

PACKAGE = Path(skvae.__file__).parent
PROBES = {"hasattr", "getattr", "signature"}  # getattr counts only with a default

FRAME = "X may be a data frame or an array, and no part"
FITTED = "an attribute of an estimator, which only a fit sets"
FOREIGN = "an estimator or a pipeline of the user's choice, and no part"
STORED = "an array of any library that is read in slices"
MODULE = "a module of the standard library or of torch, by version and platform"

# Every probe in the package: file, call, number of occurrences, and why it is no probe of a part.
# A part omits nothing: what it does not define, it inherits from its base class in _parts.py.
ALLOWED = [
    ("_base.py", "getattr(self, 'feature_names_in_', None)", 1, FITTED),
    ("_base.py", "hasattr(self, 'module_')", 3, FITTED),
    ("_classifier.py", "hasattr(self, 'module_')", 1, FITTED),
    ("_files/values.py", "getattr(torch.optim, cls.__name__, None)", 1, MODULE),
    ("_files/values.py", "inspect.signature(self.cls)", 1, "the defaults of a known class"),
    ("_random.py", "hasattr(os, 'register_at_fork')", 1, MODULE),
    ("_rows/arrays.py", "getattr(X, 'column_names', None)", 1, FRAME),
    ("_rows/arrays.py", "getattr(X, 'columns', None)", 1, FRAME),
    ("_rows/arrays.py", "hasattr(X, 'column_names')", 1, FRAME),
    ("_rows/arrays.py", "hasattr(X, 'dtype')", 1, FRAME),
    ("_rows/arrays.py", "hasattr(X, 'shape')", 1, FRAME),
    ("_rows/arrays.py", "hasattr(X, 'to_frame')", 1, FRAME),
    ("_rows/opening.py", "getattr(X.array, 'chunks', None)", 1, STORED),
    ("_rows/opening.py", "hasattr(X, '__getitem__')", 1, STORED),
    ("_rows/opening.py", "hasattr(X, 'dtype')", 1, STORED),
    ("_rows/opening.py", "hasattr(X, 'shape')", 1, STORED),
    ("_rows/source.py", "hasattr(mmap, 'MADV_DONTNEED')", 1, MODULE),
    ("_training/budget.py", "getattr(torch.cpu, 'get_capabilities', dict)", 1, MODULE),
    ("cli/_models.py", "getattr(model, 'feature_names_in_', None)", 1, FITTED),
    ("cli/_sources.py", "getattr(model, 'feature_names_in_', None)", 1, FITTED),
    ("compression/_codec.py", "hasattr(estimator, 'steps')", 1, FOREIGN),
    ("datasets/_audit.py", "hasattr(array, 'iloc')", 1, FRAME),
    ("datasets/_download.py", "getattr(exc, 'errno', None)", 1, "an exception of any class"),
    ("metrics/_frechet.py", "hasattr(features, method)", 1, FOREIGN),
    ("metrics/_inception.py", "hasattr(classifier, 'predict_proba')", 1, FOREIGN),
    ("metrics/_log_likelihood.py", "hasattr(estimator, 'posterior')", 1, FOREIGN),
    ("metrics/_log_likelihood.py", "hasattr(estimator, 'steps')", 1, FOREIGN),
    ("plotting/_anomaly_score_display.py", "hasattr(detector, 'anomaly_score')", 1, FOREIGN),
    ("plotting/_explanation_display.py", "hasattr(model.estimator, 'explain')", 1, FOREIGN),
    ("plotting/_imputation_display.py", "hasattr(imputer, 'impute')", 1, FOREIGN),
    ("plotting/_latent_space_display.py", "getattr(self.y, 'name', None)", 1, "labels, any type"),
    ("plotting/_latent_space_display.py", "hasattr(projection, 'fit_transform')", 1, FOREIGN),
    ("plotting/_pipelines.py", "getattr(self.estimator, 'feature_names_in_', None)", 1, FITTED),
    (
        "plotting/_shared_docs.py",
        "getattr(documented, '__func__', documented)",
        1,
        "a class or a method whose docstring is completed",
    ),
]


def probes(source):
    """Yield every call that asks an object what it has, as text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in PROBES and not (name == "getattr" and len(node.args) == 2):
            yield ast.unparse(node)


def test_no_part_is_probed():
    found = Counter(
        (path.relative_to(PACKAGE).as_posix(), probe)
        for path in sorted(PACKAGE.rglob("*.py"))
        for probe in probes(path.read_text(encoding="utf-8"))
    )
    assert found == {(file, probe): n_times for file, probe, n_times, _ in ALLOWED}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("hasattr(part, 'kl')", ["hasattr(part, 'kl')"]),
        ("if x:\n    y = f(getattr(part, 'unit', ''))", ["getattr(part, 'unit', '')"]),
        ("inspect.signature(part.build)", ["inspect.signature(part.build)"]),
        ("signature(part)", ["signature(part)"]),
        ("getattr(part, name)", []),
        ("'hasattr(part)'  # hasattr(part)", []),
    ],
)
def test_probes_are_found(source, found):
    assert list(probes(source)) == found


BASES = {
    "Network": "skvae.networks",
    "Likelihood": "skvae.likelihoods",
    "LikelihoodModule": "skvae.likelihoods",
    "Support": "skvae.likelihoods",
    "Prior": "skvae.priors",
    "PriorModule": "skvae.priors",
    "Objective": "skvae.objectives",
    "Score": "skvae.scores",
}


def test_every_base_class_has_a_public_place():
    own = inspect.getmembers(_parts, inspect.isclass)
    imported = {_parts.DocumentedEstimator, _parts.OutsideSupportError}
    classes = [cls for _, cls in own if cls not in imported]
    defined = {
        cls.__name__
        for cls in classes
        if cls.__module__.startswith("skvae.") and not cls.__name__.startswith("_")
    }
    assert defined == {*BASES, "Part"}  # the common base of all specs is not for users


@pytest.mark.parametrize(("name", "place"), BASES.items())
def test_a_base_class_is_public_and_says_where(name, place):
    base = getattr(_parts, name)
    public = importlib.import_module(place)
    assert getattr(public, name) is base
    assert name in public.__all__
    assert base.__module__ == place


BASE_OF_ROLE = {
    "network": _parts.Network,
    "likelihood": _parts.Likelihood,
    "prior": _parts.Prior,
    "objective": _parts.Objective,
    "anomaly_score": _parts.Score,
}


def test_every_role_has_a_base_class():
    assert SHORT_NAMES.keys() == BASE_OF_ROLE.keys()


@pytest.mark.parametrize(
    ("role", "name"), [(role, name) for role, names in SHORT_NAMES.items() for name in names]
)
def test_a_short_name_builds_a_part_with_keyword_arguments_only(role, name):
    part = SHORT_NAMES[role][name]()
    assert isinstance(part, BASE_OF_ROLE[role])
    parameters = list(inspect.signature(type(part)).parameters.values())
    assert {parameter.kind for parameter in parameters} <= {inspect.Parameter.KEYWORD_ONLY}
    assert sorted(parameter.name for parameter in parameters) == sorted(part.get_params(deep=False))
