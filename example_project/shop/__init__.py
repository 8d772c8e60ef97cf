"""The shop: customers order, and four departments learn of it over the bus."""
