"""The items of an export: its inputs are checked, the vendor lists them, and they become batches."""
