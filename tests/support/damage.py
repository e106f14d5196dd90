"""Files that are damaged in many ways, and what must come of it."""

# Of a file's bytes and a place in them.
DAMAGES = {
    "empty": lambda raw, at: b"",
    "cut": lambda raw, at: raw[:at],
    "zeros": lambda raw, at: raw[:at] + bytes(len(raw) - at),
    "left out": lambda raw, at: raw[:at] + raw[at + 3 :],
    "twice": lambda raw, at: raw[: at + 9] + raw[at:],
}


def flipped(bits):
    """The damage that turns these bits of a byte over."""
    return lambda raw, at: raw[:at] + bytes([raw[at] ^ bits]) + raw[at + 1 :]


def assert_one_sentence(said, path):
    """An error names the file and is one line."""
    assert str(path) in said
    assert "\n" not in said
