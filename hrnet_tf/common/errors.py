"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """Bad input: what was found, where, what was expected, and what to do.

    The command line prints it without a stack trace and ends with status 2; in Python
    it is a `ValueError`.
    """
