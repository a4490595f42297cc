import threading

import pytest

from spline_lstm.core.parallel import consume_in_thread


def test_every_item_is_worked_on_once_and_in_order():
    done = []
    consume_in_thread(iter(range(50)), done.append)
    assert done == list(range(50))


def test_the_next_item_is_made_while_one_is_worked_on_but_none_after_it():
    made, working, go = [], threading.Event(), threading.Event()

    def items():
        for number in range(3):
            if number == 1:
                assert working.wait(10), (
                    "the first item is worked on before the second is asked for"
                )
            made.append(number)
            if number == 1:
                go.set()
            yield number

    def work(number):
        if number == 0:
            working.set()
            assert go.wait(10), "the second item is made meanwhile"
            assert made == [0, 1]

    consume_in_thread(items(), work)
    assert made == [0, 1, 2]


@pytest.mark.parametrize("last", [0, 3])
def test_an_error_of_the_work_is_raised_and_ends_it(last):
    done = []

    def work(number):
        done.append(number)
        if number == last:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume_in_thread(range(4), work)
    assert done == list(range(last + 1))


def test_an_error_of_the_items_is_raised_after_what_was_handed_over():
    done = []

    def items():
        yield 1
        raise KeyError

    with pytest.raises(KeyError):
        consume_in_thread(items(), done.append)
    assert done == [1]
