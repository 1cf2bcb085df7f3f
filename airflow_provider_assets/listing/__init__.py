"""Which items an export takes: its inputs are checked, the vendor lists them, and they become batches."""
