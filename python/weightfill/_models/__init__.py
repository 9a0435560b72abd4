"""Models: the shapes of their tensors, and rules that say which initializer each gets."""
