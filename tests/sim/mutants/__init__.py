"""Classic bugs of order management, planted one at a time: the simulation must find each of them."""
