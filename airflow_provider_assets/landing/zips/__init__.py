"""Zips: reading, verifying, unpacking and writing the zip format, without any store or network."""
