# cython: language_level=3, freethreading_compatible=True
"""A call of a function of torch.nn.init: to a fill, or to torch's own function.

Most tensors are small and memory with nothing to it. To ask what one is takes longer than to fill it, and in the
interpreter half as long again: so it is asked here, and `weightfill.torch._nn_init.drawing` does what is left.
"""

from functools import partial

from libc.stdint cimport int64_t, uint64_t, uintptr_t

import torch
from torch.autograd import forward_ad
from torch.nn import Parameter

from weightfill._run import threads
from weightfill.torch._nn_init import drawing

cdef object Tensor = torch.Tensor
cdef object function_modes = torch._C._len_torch_function_stack
cdef object dispatch_modes = torch._C._len_torch_dispatch_stack
cdef object tracing_state = torch._C._get_tracing_state
cdef object transformation = torch._C._functorch.peek_interpreter_stack
cdef object increment_version = torch._C._increment_version
cdef object LEAST = -(2**63)
cdef object NOTHING = object()  # in place of a generator: no key is drawn
cdef int64_t SMALL = threads.SMALL
cdef enum:
    MOST = 4096

cdef tuple NO_FILLER = (None, 0)
cdef dict fillers = {}  # with their sizes, by shape, dtype, function, arguments and the kinds of these
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
    if is_watched():
        return as_torch(tensor, name, arguments, generator)
    cdef uintptr_t address = 0
    filler, size = plain_filler(tensor, name, arguments, &address)
    if not address:
        if drawing.filled(tensor, name, arguments, partial(key_of, generator)):
            return tensor
        return as_torch(tensor, name, arguments, generator)
    key = drawn_key(generator)
    if key is None:
        return as_torch(tensor, name, arguments, generator)
    increment_version((tensor,))
    filler(address, key, 1 if <int64_t>size < SMALL else drawing.threads_of(size))
    return tensor


cdef as_torch(tensor, str name, tuple arguments, generator):
    if generator is NOTHING:
        return drawing.as_torch(tensor, name, arguments)
    return drawing.as_torch(tensor, name, arguments, generator)


cdef tuple plain_filler(tensor, str name, tuple arguments, uintptr_t *address):
    """Return what fills a tensor, and its size; set the address if its elements lie in memory in C order."""
    kind = type(tensor)
    if kind is not Parameter and kind is not Tensor:
        return NO_FILLER
    cdef long kinds = 0  # of the arguments: 2 and 2.0 are equal, and not alike to all functions
    for argument in arguments:
        kind = type(argument)
        if kind is not float and kind is not int and kind is not str:
            return NO_FILLER
        kinds = 2 * kinds + (kind is int)
    try:
        call = (tensor.shape, tensor.dtype, name, arguments, kinds)
        found = fillers.get(call)
        if found is None:
            if len(fillers) >= MOST:
                fillers.clear()
            filler = drawing.filler_of(*call[:4])
            found = fillers[call] = NO_FILLER if filler is None else (filler, tensor.numel())
        if (
            found is not NO_FILLER
            and tensor.is_cpu
            and tensor.is_contiguous()
            and not tensor.is_neg()
            and not tensor.is_inference()
        ):
            address[0] = tensor.data_ptr()  # 0 where the storage was freed; as torch, not where it was cut: 0.4 us
            return found
    except RuntimeError:  # a tensor without a shape, or without memory of its own
        pass
    return NO_FILLER


def key_of(generator):
    """Draw a key as `drawn` does."""
    return drawn_key(generator)


cdef drawn_key(generator):
    """Draw 64 bits from a generator, or from torch's default one; None if it is none that draws here."""
    if generator is NOTHING:
        return 0
    cdef Word word
    try:
        word = words.pop()
    except IndexError:
        word = Word()
    try:
        if generator is None:
            word.random_(LEAST, None)
        else:
            word.random_(LEAST, None, generator=generator)
    except (RuntimeError, TypeError):
        return None
    key = word.bits[0]
    words.append(word)
    return key
