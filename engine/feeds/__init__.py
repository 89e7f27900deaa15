"""Market data: synthetic and recorded feeds, instruments, bars, and the watchdog over each instrument."""
