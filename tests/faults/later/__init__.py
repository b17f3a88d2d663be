"""A version of the product that is one migration ahead: an app that only the harness installs (see inside.py)."""
