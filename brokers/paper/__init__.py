"""The paper broker: an adapter over the simulated exchange."""
