"""Folders of the local disk."""
