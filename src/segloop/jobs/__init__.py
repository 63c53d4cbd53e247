"""Jobs: the engine that owns every piece of work in Postgres; it knows no feature."""
