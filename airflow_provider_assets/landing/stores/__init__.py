"""Stores: where objects stay, and how each store publishes an object only after it was verified."""
