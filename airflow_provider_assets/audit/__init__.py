"""Audits of what has landed under a destination: comparison with a listing, or verification without one."""
