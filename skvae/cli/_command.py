"""One run of the command: from its arguments, through results, errors and signals, to an exit code.

SIGINT and SIGTERM interrupt at once, except during training, which they stop at the end of a batch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import threading
import traceback
import warnings
from typing import Any

from skvae.cli._failures import describe, exit_code, printable, show_warning
from skvae.cli._outputs import Result
from skvae.cli._parser import build_parser

_BROKEN_PIPE = 141  # as if SIGPIPE had ended the program


def main(argv=None):
    """Run the command ``skvae``.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments after the name of the command; None reads them from the command line.

    Returns
    -------
    code : int
        0 after success, 1 after a failure, 2 for wrong usage; 130 or 143 if Ctrl-C or SIGTERM ended
        the command.

    Examples
    --------
    >>> from skvae.cli import main
    >>> main(["--version"])
    skvae ...
    0
    """
    arguments = argparse.Namespace(verb=None, traceback=False)
    with warnings.catch_warnings(), Signals() as arguments.signals:
        warnings.showwarning = show_warning
        try:
            return _run(argv, arguments)
        except SystemExit as exc:  # argparse has printed its message
            return exc.code
        except BrokenPipeError:
            # stdout has no reader any more; its flush at exit would fail as well
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE
        except KeyboardInterrupt:
            _complain(arguments, "interrupted; no output was written")
            return arguments.signals.exit_code
        except Exception as exc:
            if arguments.traceback:
                print(printable(traceback.format_exc()), end="", file=sys.stderr)
            _complain(arguments, f"error: {describe(exc)}")
            return exit_code(exc)


class Signals:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt inside a ``with`` block.

    During training, the first signal takes effect at the end of the batch, so that neither a step
    nor a checkpoint is cut short. A second signal takes effect at once.

    Attributes
    ----------
    received : int or None
        Number of the last signal.
    stopped : bool
        Whether a signal has stopped training before its end.
    """

    def __init__(self):
        self.received: int | None = None
        self.stopped = False
        self._training = False
        self._handlers: dict[int, object] = {}  # to be restored

    @property
    def exit_code(self) -> int:
        """Exit code of a command that a signal ended."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # ignored by nohup and in background
                    self._handlers[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exc_info):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        repeated, self.received = self.received is not None, number
        self.stopped |= repeated and self._training
        if repeated or not self._training:
            raise KeyboardInterrupt

    def callback(self):
        """Return the skorch callback that stops training at the end of a batch."""
        from skorch.callbacks import Callback

        signals = self

        class StopAtBatchEnd(Callback):
            def on_train_begin(self, net, **kwargs):
                signals._training = True

            def on_batch_end(self, net, **kwargs):
                if signals.received is not None:
                    signals.stopped = True
                    raise KeyboardInterrupt

            def on_train_end(self, net, **kwargs):
                signals._training = False

        return StopAtBatchEnd()


def _run(argv: list[str] | None, arguments: argparse.Namespace) -> int:
    try:
        build_parser().parse_args(argv, arguments)
        result = arguments.run(arguments)
        _print(result, arguments.json)
    finally:
        sys.stdout.flush()  # here, so that `main` sees the error of a broken pipe
    return result.exit_code


def _print(result: Result, as_json: bool) -> None:
    if as_json:
        text = json.dumps(_without_nan(result.record), ensure_ascii=False, allow_nan=False)
        print(printable(text, _json_escape))
    elif result.text:
        print(printable(result.text))


def _json_escape(sign: str) -> str:
    """Return a sign as JSON text has it, without the quotes."""
    return json.dumps(sign)[1:-1]


def _without_nan(value: Any) -> Any:
    """Replace numbers that JSON cannot represent by None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _complain(arguments: argparse.Namespace, message: str) -> None:
    text = f"skvae {arguments.verb or ''}".rstrip() + f": {message}"
    print(printable(text), file=sys.stderr)
