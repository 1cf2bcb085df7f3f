"""Sources: where the bytes of a landing come from, and how one download survives its host's failures."""
