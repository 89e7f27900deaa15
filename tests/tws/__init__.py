"""The TWS gateway: its codec, sessions with real clients, its faults, its recordings."""
