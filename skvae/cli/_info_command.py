"""The verb info: describe a model file."""

from __future__ import annotations

import argparse

from skvae.cli._models import check_model
from skvae.cli._options import add_model
from skvae.cli._outputs import Result

_N_NAMES = 6  # names of features in the text
_WIDEST_NAME = 40  # to which others are aligned

add_options = add_model


def run(arguments: argparse.Namespace) -> Result:
    """Describe a model file."""
    check_model(arguments.model)
    import skvae

    record = skvae.describe(arguments.model)
    return Result(record, _text(record))


def last_losses(model) -> dict[str, float]:
    """Return the entries of the history for the last epoch, except its duration."""
    history = {name: values for name, values in model.history_.items() if name != "duration"}
    return {name: float(values[-1]) for name, values in history.items()}


def _text(record: dict) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in record["parameters"].items())
    losses = ", ".join(f"{name} {value:.6g}" for name, value in record["losses"].items())
    lines = {
        record["kind"]: f"{record['estimator']}({parameters})",
        "features": f"{record['n_features']}{_shortened(record['feature_names'])}",
        "gaps in": _listed(record["gaps"]) or "no column" if "gaps" in record else None,
        "models": record.get("n_models"),
        "components": record["n_components"],
        "weights": f"{record['n_weights']:,}",
        "epochs": f"{record['n_epochs']} ({record['n_steps']} steps, {record['seconds']:.1f} s, "
        f"{record['precision']})",
        "last epoch": losses,
        "threshold": record.get("threshold"),
        "holds": f"{record['training_rows']:,} training rows" if record["training_rows"] else None,
        "file": f"{record['bytes']:,} bytes, written {record['written']}",
        "written by": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
        "sha256": record["sha256"],
    }
    text = [_line(f"{name:12}{value}") for name, value in lines.items() if value is not None]
    return "\n".join([*text, *_table_lines(record["columns"] or [])])


def _table_lines(columns: list[dict[str, str]]) -> list[str]:
    """Return a table of columns and their kinds."""
    if not columns:
        return []
    width = min(_WIDEST_NAME, max(len(column["name"]) for column in columns)) + 2
    lines = [f"  {each['name']:{width}}{each['kind']:10}{each['values']}" for each in columns]
    return ["columns:", *map(_line, lines)]


def _line(text: str) -> str:
    """Return text on one line, as a name may hold line breaks that would look like another."""
    return text.replace("\n", "\\n")


def _shortened(names: list[str] | None) -> str:
    return "" if names is None else f": {_listed(names)}"


def _listed(names: list[str]) -> str:
    """Return the first of some names."""
    more = ", …" if len(names) > _N_NAMES else ""
    return f"{', '.join(names[:_N_NAMES])}{more}"
