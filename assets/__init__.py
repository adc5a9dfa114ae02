"""The layers of the lake and the index: contracts, pure functions, and thin Dagster bindings."""
