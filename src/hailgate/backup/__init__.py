"""Backups: everything an installation holds, in one file that only its owner can open, and the way back.

Rows are written as values, not as a database's own files: a backup of SQLite can be restored onto PostgreSQL.
"""
