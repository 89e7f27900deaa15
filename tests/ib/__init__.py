"""The adapter to Interactive Brokers: in tables, and over the wire against the loopback gateway."""
