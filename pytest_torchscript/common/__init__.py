"""What every part of the engine may lean on: small, and knowing none of them."""
