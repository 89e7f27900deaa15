"""Whole engines in real time beside strategies that go bad: they are stopped, the others and the kill go on."""
