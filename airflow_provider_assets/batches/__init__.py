"""The life of the batches of a task: submitted, remembered for a retry, waited for and judged."""
