"""Cancellation: what a token calls, when, and what it keeps."""

from __future__ import annotations

import gc
import threading
import weakref

from airflow_provider_assets.landing.cancel import CancelToken


class Waiter:
    """Something whose wait a cancellation ends."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_what_is_registered_is_called_once():
    token, waiter = CancelToken(), Waiter()
    with token.on_cancel(waiter.wake):
        assert not token.is_set()
        token.set()
        token.set()
    assert token.is_set()
    assert waiter.woken == 1


def test_what_comes_after_the_cancellation_is_called_at_once():
    token, waiter = CancelToken(), Waiter()
    token.set()
    with token.on_cancel(waiter.wake):
        assert waiter.woken == 1


def test_a_token_keeps_nothing_of_what_has_ended():
    token, waiter = CancelToken(), Waiter()
    gone = weakref.ref(waiter)
    with token.on_cancel(waiter.wake):
        del waiter
        gc.collect()
        assert gone() is not None
    gc.collect()
    assert gone() is None


def test_a_wait_ends_with_the_cancellation():
    token, seen = CancelToken(), []
    thread = threading.Thread(target=lambda: seen.append(token.wait(30)))
    thread.start()
    token.set()
    thread.join(10)
    assert seen == [True]
    assert not CancelToken().wait(0.001)
