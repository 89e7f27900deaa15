"""The sentinel: a second process that acts for the account when the engine's heartbeats stop."""
