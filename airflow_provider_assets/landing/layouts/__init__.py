"""Layouts: which objects one landing writes, from one download or from several."""
