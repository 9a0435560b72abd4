"""The functions of torch.nn.init, and patched(), which puts them in place of torch's."""
