# cython: language_level=3
"""The quick way from a call of a function of torch.nn.init to a fill: for small tensors that are memory and no more.

To ask what a tensor is takes longer than to fill a small one, and the interpreter as long again as the asking. What
is decided here, and in what order, is what `weightfill.torch.drawing.drawn` decides, which does all the rest.
"""

from libc.stdint cimport uint64_t, uintptr_t

import torch
from torch.autograd import forward_ad
from torch.nn import Parameter

from weightfill.torch import drawing

cdef object Tensor = torch.Tensor, Generator = torch.Generator
cdef object function_modes = torch._C._len_torch_function_stack
cdef object dispatch_modes = torch._C._len_torch_dispatch_stack
cdef object tracing_state = torch._C._get_tracing_state
cdef object transformation = torch._C._functorch.peek_interpreter_stack
cdef object increment_version = torch._C._increment_version
cdef object general = drawing.drawn
cdef object LEAST = -(2**63)
cdef object NOTHING = object()  # in place of a generator: no key is drawn
cdef enum:
    MOST = 4096

cdef dict fillers = {}  # by shape, dtype, function, arguments and their kinds; None for what is not filled here
cdef list words = []


cdef class Word:
    """Memory for the 64 bits that a generator draws. It is taken out of `words` as long as they matter."""

    cdef object tensor, random_
    cdef uint64_t *bits

    def __init__(self):
        with torch.inference_mode(False):
            self.tensor = torch.zeros((), dtype=torch.int64, device="cpu")
        self.random_ = self.tensor.random_
        self.bits = <uint64_t *><uintptr_t>self.tensor.data_ptr()


cdef bint is_watched() except -1:
    """Whether torch records or transforms operations now, and so must see this one as its own."""
    return (
        dispatch_modes()
        or tracing_state() is not None
        or transformation() is not None
        or forward_ad._current_level >= 0
    )


def detached(tensor):
    """Return a tensor as autograd does not know it, for constants to be written to; None if torch is to see the tensor.

    `torch.no_grad` takes three times as long.
    """
    kind = type(tensor)
    if (kind is not Parameter and kind is not Tensor) or tensor.is_inference() or function_modes() or is_watched():
        return None
    return tensor.detach()


def drawn(tensor, str name, tuple arguments, generator=NOTHING):
    """Fill a tensor as the function of this name does, with a key of its generator if it has one, and return it."""
    kind = type(tensor)
    if (
        (kind is not Parameter and kind is not Tensor)
        or (generator is not None and generator is not NOTHING and type(generator) is not Generator)
        or is_watched()
    ):
        return generally(tensor, name, arguments, generator)
    cdef long kinds = 0  # of the arguments: 2 and 2.0 are equal, and not alike to all functions
    for argument in arguments:
        kind = type(argument)
        if kind is not float and kind is not int and kind is not str:
            return generally(tensor, name, arguments, generator)
        kinds = 2 * kinds + (kind is int)
    address = 0
    try:
        call = (tensor.shape, tensor.dtype, name, arguments, kinds)
        filler = fillers.get(call, call)
        if filler is call:  # not there yet
            if len(fillers) >= MOST:
                fillers.clear()
            filler = fillers[call] = drawing.filler_of_small(*call[:4])
        if (
            filler is not None
            and tensor.is_cpu
            and tensor.is_contiguous()
            and not tensor.is_neg()
            and not tensor.is_inference()
        ):
            address = tensor.data_ptr()
    except RuntimeError:  # a tensor without a shape, or without memory of its own
        pass
    if not address:
        return generally(tensor, name, arguments, generator)
    cdef uint64_t key = 0
    if generator is not NOTHING:
        try:
            key = drawn_key(generator)
        except RuntimeError:  # the generator draws for another device
            return generally(tensor, name, arguments, generator)
    increment_version((tensor,))
    filler(address, key, 1)
    return tensor


cdef generally(tensor, str name, tuple arguments, generator):
    if generator is NOTHING:
        return general(tensor, name, arguments)
    return general(tensor, name, arguments, generator)


cdef uint64_t drawn_key(generator) except? 0:
    cdef Word word
    try:
        word = words.pop()
    except IndexError:
        word = Word()
    if generator is None:
        word.random_(LEAST, None)
    else:
        word.random_(LEAST, None, generator=generator)
    cdef uint64_t key = word.bits[0]
    words.append(word)
    return key
