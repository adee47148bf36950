"""Ctrl-C and SIGTERM: at once where nothing is lost, at the end of a batch where training runs."""

from __future__ import annotations

import signal
import threading


class Signals:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt inside a ``with`` block.

    While training runs, the first of them waits for the batch to end, so that neither a step nor a
    checkpoint is cut in two. A second one waits for nothing.

    Attributes
    ----------
    received : int or None
        Number of the last signal.
    stopped : bool
        Whether a signal has ended training before its time.
    """

    def __init__(self):
        self.received: int | None = None
        self.stopped = False
        self._waiting = False
        self._before: dict[int, object] = {}

    @property
    def exit_code(self) -> int:
        """The exit code of a command that a signal ended."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup, and jobs in the background
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exc_info):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        repeated, self.received = self.received is not None, number
        self.stopped |= repeated and self._waiting
        if repeated or not self._waiting:
            raise KeyboardInterrupt

    def callback(self):
        """Return the skorch callback that stops training at the end of a batch."""
        from skorch.callbacks import Callback

        signals = self

        class StopAtBatchEnd(Callback):
            def on_train_begin(self, net, **kwargs):
                signals._waiting = True

            def on_batch_end(self, net, **kwargs):
                if signals.received is not None:
                    signals.stopped = True
                    raise KeyboardInterrupt

            def on_train_end(self, net, **kwargs):
                signals._waiting = False

        return StopAtBatchEnd()
