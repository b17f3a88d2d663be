"""The fault harness: real processes, a seeded nemesis, ledgers outside the product, and a checker that joins them.

python -m tests.faults [--only R01,R05] [--scale 0.1] [--database sqlite|postgresql|both] [--seed N]
"""
