"""Files that run alone, in processes that have not loaded this package."""
