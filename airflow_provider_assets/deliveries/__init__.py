"""The delivery of a batch: its archive lands, is described by its items, and is announced."""
