"""Signals wait while something is done that must not be cut in two."""

import os
import signal
import threading

import pytest

from weightfill._run.interruption import uninterrupted


def test_ctrl_c_comes_when_the_block_has_ended():
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            done.append("all")
        done.append("never")
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_every_handler_of_the_program_waits_and_is_put_back(monkeypatch):
    told = []

    def handler(number, frame):
        told.append(number)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with uninterrupted(), uninterrupted():
            signal.raise_signal(signal.SIGALRM)
            assert told == []
        assert told == [signal.SIGALRM]
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, before)


def test_handler_that_raises_does_not_lose_another_signal():
    told = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: told.append(number))
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGALRM)
        assert told == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_exception_of_the_block_is_kept():
    with pytest.raises(ValueError, match="mine"), uninterrupted():
        raise ValueError("mine")


def test_other_threads_have_nothing_to_wait_for():
    done = []

    def work():
        with uninterrupted():
            done.append("work")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["work"]
