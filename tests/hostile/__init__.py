"""Whole engines in real time beside strategies that go bad: they are stopped, all else goes on."""
