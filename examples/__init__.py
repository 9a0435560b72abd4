"""Real models: the sizes of published ones, and how they are initialized."""
