"""Tests of the sentinel: its machine, its lease, its process and its work at a real exchange process."""
