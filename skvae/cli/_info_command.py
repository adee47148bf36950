"""The verb info: describe a model file."""

from __future__ import annotations

import argparse
import inspect
from datetime import datetime
from pathlib import Path

from skvae.cli._models import check_model, feature_names, is_imputer
from skvae.cli._options import add_model
from skvae.cli._outputs import Result

_N_NAMES = 6  # names of features, or of levels, in the text

add_options = add_model


def run(arguments: argparse.Namespace) -> Result:
    """Describe a model file."""
    check_model(arguments.model)

    from skvae._files.model_file import read_file
    from skvae.persistence import rebuild

    header, tensors = read_file(arguments.model)
    model = rebuild(arguments.model, header, tensors)
    record = _record(arguments.model, model, header)
    return Result(record, _text(record))


def last_losses(model) -> dict[str, float]:
    """Return the entries of the history for the last epoch, except its duration."""
    history = {name: values for name, values in model.history_.items() if name != "duration"}
    return {name: float(values[-1]) for name, values in history.items()}


def _record(path: str, model, header: dict) -> dict:
    status = Path(path).stat()
    names = getattr(model, "feature_names_in_", None)
    record = {
        "model": path,
        "kind": header["kind"],
        "estimator": type(model).__name__,
        "parameters": _changed_parameters(model),
        "n_features": model.n_features_in_,
        "feature_names": None if names is None else names.tolist(),
        "columns": None if model._schema is None else _columns(model._schema),
        "n_components": model.n_components_,
        "n_weights": sum(weights.numel() for weights in model.module_.parameters()),
        "n_epochs": model.n_iter_,
        "n_steps": model.n_steps_,
        "seconds": float(model.history_["duration"].sum()),
        "losses": last_losses(model),
        "precision": model.precision_,
        "bytes": status.st_size,
        "written": datetime.fromtimestamp(status.st_mtime).astimezone().isoformat("T", "seconds"),
        "versions": header["versions"],
    }
    record |= {"threshold": model.offset_} if hasattr(model, "offset_") else {}
    return record | (_of_imputer(model) if is_imputer(model) else {})


def _of_imputer(model) -> dict:
    """Return the number of models, and the names of the columns that had gaps in training."""
    flags = zip(feature_names(model), model._had_gaps, strict=True)
    gaps = [name for name, had_gaps in flags if had_gaps]
    return {"n_models": len(model._modules), "gaps": gaps}


def _columns(schema) -> list[dict[str, str]]:
    """Return name, kind, type and values of the columns of the training data."""
    from skvae.scores._contributions import cells_as_text

    missing = float("nan")
    bounds = [
        [missing if bound is None else bound for bound in (column.low, column.high)]
        for column in schema.columns
    ]
    ends = cells_as_text(schema.decode(list(zip(*bounds, strict=True)))).T
    return [
        {
            "name": str(column.name),
            "kind": column.kind,
            "type": column.dtype,
            "values": _values(column, *column_ends),
        }
        for column, column_ends in zip(schema.columns, ends, strict=True)
    ]


def _values(column, low: str | None, high: str | None) -> str:
    levels = list(map(str, (*column.levels, *column.others)))
    if column.kind == "level":
        return _listed(levels)
    return f"{low}" if column.kind == "constant" else f"{low} to {high}"


def _changed_parameters(model) -> dict[str, str]:
    """Return the representations of the parameters that differ from their defaults."""
    defaults = inspect.signature(type(model)).parameters
    params = model.get_params(deep=False)
    return {
        name: repr(value)
        for name, value in params.items()
        if repr(value) != repr(defaults[name].default)
    }


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
        "file": f"{record['bytes']:,} bytes, written {record['written']}",
        "written by": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
    }
    text = [f"{name:12}{value}" for name, value in lines.items() if value is not None]
    return "\n".join([*text, *_table_lines(record["columns"] or [])])


def _table_lines(columns: list[dict[str, str]]) -> list[str]:
    """Return a table of columns and their kinds."""
    if not columns:
        return []
    width = max(len(column["name"]) for column in columns) + 2
    lines = [f"  {each['name']:{width}}{each['kind']:10}{each['values']}" for each in columns]
    return ["columns:", *lines]


def _shortened(names: list[str] | None) -> str:
    return "" if names is None else f": {_listed(names)}"


def _listed(names: list[str]) -> str:
    """Return the first of some names."""
    more = ", …" if len(names) > _N_NAMES else ""
    return f"{', '.join(names[:_N_NAMES])}{more}"
