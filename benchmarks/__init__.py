"""Side-by-side measurements of the product; see docs/performance.md for what is measured and how."""
