"""Makes the documents' site: `python -m docs.builder`, or `make docs`.

Pages are written in `docs/`; what is known to the program is put into them (tables of
configuration keys, the Python API, the model zoo), links that leave `docs/` are led to
their pages, Zensical makes HTML of it all, and that is looked through.
"""
