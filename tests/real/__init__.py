"""A trial on servers that somebody has: set-up and a conversation, with the numbers that its file allows alone."""
