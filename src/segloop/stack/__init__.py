"""The embedded single-machine stack: real Postgres, Valkey and SeaweedFS from wheels, and Segloop's own services."""
