"""What a torch module does with its weights: signals, and weights scaled by them."""
