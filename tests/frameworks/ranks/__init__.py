"""What the processes of a group do in test_torch_distributed.py: checks, and the groups that run them."""
