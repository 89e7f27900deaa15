"""Order entry on the desk: the ticket, the change of an order or a limit, and what guards them."""
