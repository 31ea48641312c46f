"""Tests of what moves and where it rests."""

import pytest

pytest.register_assert_rewrite("tests.streams.bus_contract")
