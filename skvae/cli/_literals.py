"""Networks, likelihoods, priors, objectives and scores as text: a short name, or a call."""

from __future__ import annotations

import ast
import inspect
from typing import Any

ROLES = ("network", "likelihood", "prior", "objective", "anomaly_score")


def parse_spec(role: str, text: str) -> Any:
    """Return what an estimator's parameter takes: a short name, or a configured object.

    Nothing is evaluated: a call must name one of the classes of its role, and its arguments must be
    literals.

    Raises
    ------
    ValueError
        If the text is neither; the message says what is expected.

    Examples
    --------
    >>> parse_spec("network", "MLP(hidden_layer_sizes=(64, 32), dropout=0.1)")
    MLP(dropout=0.1, hidden_layer_sizes=(64, 32))
    >>> parse_spec("objective", "elbo")
    'elbo'
    """
    short_names = _classes(role)
    if text in short_names:
        return text
    classes = {cls.__name__: cls for cls in short_names.values()}
    call = _parse_call(text)
    if call is None or call.func.id not in classes:
        raise ValueError(
            f"{text!r} is no {role}. Give {' or '.join(short_names)}, or a call with plain values, "
            f"such as {' or '.join(map(signature_of, classes.values()))}"
        )
    return _build(classes[call.func.id], call)


def spec_signatures() -> dict[str, list[str]]:
    """Return the calls that can be written for each role, with their defaults."""
    classes = {role: dict.fromkeys(_classes(role).values()) for role in ROLES}
    return {role: [signature_of(cls) for cls in known] for role, known in classes.items()}


def signature_of(cls: type) -> str:
    """Return a call of the class with all of its defaults."""
    return f"{cls.__name__}{inspect.signature(cls)}"


def _classes(role: str) -> dict[str, type]:
    from skvae._specs import SHORT_NAMES
    from skvae.scores._registry import SHORT_NAMES as SCORES

    if role == "anomaly_score":
        return {name: type(score) for name, score in SCORES.items()}
    return SHORT_NAMES[role]


def _parse_call(text: str) -> ast.Call | None:
    """Return the call of a plain name that the text is, if it is one."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def _build(cls: type, call: ast.Call) -> Any:
    try:
        values = [ast.literal_eval(node) for node in call.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, RecursionError) as exc:
        raise ValueError(
            f"{ast.unparse(call)!r} holds more than plain values. Give numbers, strings, tuples, "
            "True, False or None"
        ) from exc
    try:
        return cls(*values, **named)
    except TypeError as exc:
        raise ValueError(f"{exc}; expected {signature_of(cls)}") from exc
