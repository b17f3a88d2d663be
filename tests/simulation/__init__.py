"""The product in virtual time: real workers on the real SQL, one seed one story, every fault that can be told.

    python -m tests.simulation --seeds 5000         many stories; exits with 1 if a promise was broken
    python -m tests.simulation --seed 42 --trace    one of them, step by step

What is real: queue, claims, leases, gates, workers, turns, sweeps, the adapter (each seed draws its provider), every
SQL statement and every transaction (on SQLite in memory). What is simulated: time, randomness, processes (killed and
frozen at any step), the way to the database, the network, the provider, and the people on both ends.
"""
