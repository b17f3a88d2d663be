"""The other side of each comparison, and what stands on either end of the wire. Each runs in a process of its own."""
