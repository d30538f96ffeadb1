"""What a backend must offer, and the backends themselves; only `store` imports them."""
