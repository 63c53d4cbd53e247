"""Series that gateways received or fetched, what became of them, and what gateways are asked to do."""
