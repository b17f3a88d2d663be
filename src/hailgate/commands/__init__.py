"""The command line: every door to the product that is not HTTP.

A module here imports click and the standard library when it is loaded, and the rest of the house inside its
commands, so that ``hailgate --help`` answers at once.
"""
