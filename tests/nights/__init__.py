"""Bad nights, played through: a real terminal, a real engine, an exchange in a process of its own."""
