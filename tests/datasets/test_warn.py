import warnings

import pytest

from skvae.datasets import _warn
from skvae.datasets._warn import warn_caller


def test_warning_points_at_the_line_outside_the_folder():
    with pytest.warns(UserWarning, match="^look here$") as caught:
        warn_caller("look here")
    assert caught[0].filename == __file__


def deeply_inside(depth):
    """Call `warn_caller` from under `depth` frames that seem to lie in skvae/datasets."""
    source = "def inside(depth):\n    warn_caller('deep') if depth == 1 else inside(depth - 1)\n"
    names = {"warn_caller": warn_caller}
    exec(compile(source, _warn.__file__, "exec"), names)
    names["inside"](depth)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_does_not_matter(depth):
    with pytest.warns(UserWarning, match="deep") as caught:
        deeply_inside(depth)
    assert caught[0].filename == __file__
    assert caught[0].lineno == deeply_inside.__code__.co_firstlineno + 5


def test_each_place_warns_once_by_default():
    """As any other warning: the registry that counts is the caller's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_caller("again")
    assert len(caught) == 1
