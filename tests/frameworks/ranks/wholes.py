"""Full tensors, and the DTensors that are compared with them."""

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor

from weightfill.torch._fill import fill


def meshes():
    world = dist.get_world_size()
    yield init_device_mesh("cpu", (world,))
    if world == 4:
        yield init_device_mesh("cpu", (2, 2))


def empty_like(whole, mesh, placements):
    """Return a DTensor of -9, of the shape and dtype of a whole; torch alone decides who holds what."""
    return distribute_tensor(torch.full_like(whole, -9), mesh, placements, src_data_rank=None)


def whole_of(shape, init, dtype=torch.float32, stream="w"):
    return fill(torch.empty(shape, dtype=dtype), init, seed=42, stream=stream)


def assert_filled(tensor, whole, mesh, placements):
    """Compare this rank's part with what torch deals out of the whole, and the parts gathered with the whole."""
    expected = distribute_tensor(whole, mesh, placements, src_data_rank=None).to_local()
    assert torch.equal(tensor.to_local(), expected), (placements, tensor.to_local(), expected)
    assert torch.equal(tensor.full_tensor(), whole), (placements, "gathered")
