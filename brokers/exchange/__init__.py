"""The simulated exchange: matching, queues, sessions, margin and faults."""
