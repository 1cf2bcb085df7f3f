"""Pipeline: how bytes move from a source into a store, in parallel and within a memory budget."""
