"""Planted bugs, made by a script from the code: each has to be noticed by a test."""
