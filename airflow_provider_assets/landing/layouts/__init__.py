"""Layouts: which objects a landing writes (one object, one per file, the files of a zip, a packed zip)."""
