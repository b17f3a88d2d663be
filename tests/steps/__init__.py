"""A conversation of every kind, told step by step over HTTP."""
