"""The flight recorder's tests."""
