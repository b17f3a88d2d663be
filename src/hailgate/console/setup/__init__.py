"""Setting up: channels at their providers, the team, and API keys."""
