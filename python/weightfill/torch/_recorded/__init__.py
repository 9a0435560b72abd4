"""What recorded operations have left in tensors, and the initializer that says it."""
