"""The documents; `docs.builder` makes the site of them."""
