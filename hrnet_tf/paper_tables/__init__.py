"""The tables of the HRNet papers, counted on the networks of this package."""
