"""Everybody has a turn in each round, one at a time."""

from throughtime.benchmark.rounds import alternate


def test_turns_alternate_and_change_their_order():
    order = []

    def turn(name):
        def go():
            order.append(name)
            return float(len(order))

        return go

    figures = alternate({name: turn(name) for name in "abc"}, rounds=3)
    assert "".join(order) == "abccbaabc"
    assert figures == {"a": [1.0, 6.0, 7.0], "b": [2.0, 5.0, 8.0], "c": [3.0, 4.0, 9.0]}
