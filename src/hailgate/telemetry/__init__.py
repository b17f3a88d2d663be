"""Telemetry: what the program tells of itself, as log lines, metrics and traces."""
