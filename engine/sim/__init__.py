"""Virtual time: the event loop in which recorded and simulated days run at full speed."""
