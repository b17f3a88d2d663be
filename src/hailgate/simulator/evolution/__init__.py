"""Evolution API 2.3 and 2.4 (Baileys), from the other side."""
