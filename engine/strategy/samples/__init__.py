"""Two small strategies to read and to start from: one sends explicit orders, one declares its position."""
