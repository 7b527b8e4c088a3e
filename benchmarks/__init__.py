"""What the README claims, reproducible: `make bench`."""
