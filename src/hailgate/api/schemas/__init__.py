"""What the management API answers and takes. Times are RFC 3339 in UTC."""
