"""How fast hrnet_tf is, as ratios to what it replaces: `python -m benchmarks`.

Times differ from machine to machine; ratios of what is measured in turns in one run
hardly do. Each module is one benchmark, with targets; `__main__` lists them.
"""
