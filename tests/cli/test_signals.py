import os
import signal

import pytest

from skvae.cli._signals import Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_at_once_where_no_training_runs(number, code):
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signals.exit_code == code
        assert not signals.stopped


def test_a_signal_in_training_waits_for_the_end_of_the_batch():
    with Signals() as signals:
        callback = signals.callback()
        callback.on_train_begin(None)
        callback.on_batch_end(None)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            callback.on_batch_end(None)
        assert signals.stopped
        callback.on_train_end(None)
        assert signals.exit_code == 143


def test_a_second_signal_waits_for_nothing():
    with Signals() as signals:
        signals.callback().on_train_begin(None)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.stopped


def test_a_signal_after_the_last_batch_does_not_undo_the_training():
    with Signals() as signals:
        callback = signals.callback()
        callback.on_train_begin(None)
        os.kill(os.getpid(), signal.SIGINT)
        callback.on_train_end(None)
        assert not signals.stopped


def test_handlers_come_back_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup does
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.received is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
