"""Market data: synthetic and recorded feeds, bars, and the watchdog over each instrument."""
