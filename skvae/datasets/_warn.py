"""Warnings that point at the line of the user, however deep in this folder they arise."""

import os
import sys
import warnings

_HERE = os.path.dirname(__file__)


def warn_caller(message):
    """Warn at the nearest line outside this folder that led here."""
    # Python 3.12 does this with skip_file_prefixes.
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and os.path.dirname(frame.f_code.co_filename) == _HERE:
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, stacklevel=stacklevel)
