"""Shadow trading: what it trades at, what it looks at, and that nothing ever leaves."""
