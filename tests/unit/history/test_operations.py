"""Operations as columns: numbers in order of appearance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quorate.harness.history.operations import numbered

small, large = st.integers(0, 5), st.integers(0, 1 << 40)


@given(st.lists(small, max_size=40) | st.lists(large, max_size=20) | st.lists(small | large, max_size=20))
def test_distinct_values_are_numbered_in_order_of_appearance(values):
    order, numbers = numbered(np.array(values, dtype=np.int64))
    assert list(order) == list(dict.fromkeys(values))
    assert [order[number] for number in numbers] == values
