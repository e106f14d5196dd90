"""Data sets: readers, random changes, batches."""
