"""WPPConnect Server 2.10.4, from the other side."""
