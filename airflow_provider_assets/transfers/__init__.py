"""Operators that move archives from a vendor into object storage."""
