"""`breakwater drill`: breaks things on purpose on a paper account and writes down whether all held."""
