# cython: language_level=3, freethreading_compatible=True
"""The words of a stream as a NumPy bit generator."""

import operator
import threading

import numpy
from numpy.random import SeedSequence
from numpy.random.bit_generator import ISeedSequence, ISpawnableSeedSequence

from weightfill._arguments.streams import spawned_number, stream_number

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from numpy.random.bit_generator cimport BitGenerator

cdef extern from "weightfill/philox.hpp" namespace "weightfill" nogil:
    cdef cppclass Stream:
        uint64_t seed
        uint64_t number

    cdef cppclass PhiloxBlock:
        const uint32_t& operator[](size_t)

    PhiloxBlock philox_block(Stream stream, uint64_t block)

cdef enum:
    BLOCKS = 8  # made together: they are independent, so the processor overlaps them
    WORDS = 4 * BLOCKS

# A place in a stream. The next word is word 4 * block + used of it; used <= WORDS, and at WORDS a refill is due.
cdef struct Reader:
    uint64_t seed
    uint64_t number
    uint64_t block
    size_t used
    uint32_t buffer[WORDS]


cdef void fill_buffer(Reader* reader, uint64_t block) noexcept nogil:
    cdef Stream stream
    cdef PhiloxBlock words
    cdef uint64_t i
    stream.seed = reader.seed
    stream.number = reader.number
    for i in range(<uint64_t>BLOCKS):
        words = philox_block(stream, block + i)
        reader.buffer[4 * i] = words[0]
        reader.buffer[4 * i + 1] = words[1]
        reader.buffer[4 * i + 2] = words[2]
        reader.buffer[4 * i + 3] = words[3]
    reader.block = block


cdef inline uint32_t next_word(Reader* reader) noexcept nogil:
    cdef uint32_t word
    if reader.used == WORDS:
        fill_buffer(reader, reader.block + BLOCKS)
        reader.used = 0
    word = reader.buffer[reader.used]
    reader.used += 1
    return word


cdef inline uint64_t next_pair(Reader* reader) noexcept nogil:
    cdef uint64_t low = next_word(reader)
    cdef uint64_t high = next_word(reader)
    return low | (high << 32)


cdef uint32_t next_uint32(void* state) noexcept nogil:
    return next_word(<Reader*>state)


cdef uint64_t next_uint64(void* state) noexcept nogil:
    return next_pair(<Reader*>state)


cdef double next_double(void* state) noexcept nogil:
    return <double>(next_pair(<Reader*>state) >> 11) * (1.0 / 9007199254740992.0)  # 2^-53


_WORD_COUNT = 2**66  # of a stream
_STATE_KEYS = ("seed", "stream", "jumps", "position")
_OF_RANDOM_STATE = ("has_gauss", "gauss")  # numpy.random.RandomState adds them to a state and reads them itself


def _check_integer(name, value, bits=None):
    kind = "an integer" if bits is None else f"an integer in [0, 2**{bits})"
    if isinstance(value, (bool, numpy.bool_)):
        raise TypeError(f"{name} must be {kind}, got {value!r}")
    try:
        integer = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {kind}, got {value!r}") from None
    if bits is not None and not 0 <= integer < 2**bits:
        raise ValueError(f"{name} must be in [0, 2**{bits}), got {integer}")
    return integer


def _check_string(name, value):
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    return str.__str__(value)  # of a subclass, such as numpy.str_, the plain string


def _check_keys(name, value, keys, optional=()):
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict, got {value!r}")
    if set(value) - set(optional) != set(keys):
        raise ValueError(f"{name} must have the keys {', '.join(keys)}, got {', '.join(map(str, value)) or 'none'}")


def _check_spawned(value):
    name = "state['state']['spawned']"
    if not isinstance(value, (tuple, list)) or not all(isinstance(s, (tuple, list)) and len(s) == 2 for s in value):
        raise TypeError(f"{name} must be a tuple of pairs (jumps, child), got {value!r}")
    return tuple((_check_integer(name, jumps, 64), _check_integer(name, child, 64)) for jumps, child in value)


# For pickling. One argument and no state to set, because before NumPy 2.0 a Generator pickles only the first argument.
def _restored(parts):
    cdef PhiloxBitGenerator generator
    kind, state, seed_seq = parts
    generator = kind(state["state"]["seed"])
    generator.state = state
    generator._seed_seq = seed_seq
    return generator


cdef class PhiloxBitGenerator(BitGenerator):
    # The first lines of the docstring are what inspect.signature reads; the base class has another signature.
    """PhiloxBitGenerator(seed, stream="")
--

    A bit generator for `numpy.random.Generator` that returns the random words (32-bit numbers) of a stream.

    These are the words that fills use: Philox4x32-10 with the key `seed` and the number of the stream in the high half
    of the counter. So `random_raw` returns the 64-bit numbers behind a float64 fill, one per element, and
    `Generator.random(dtype=numpy.float32)` uses the words of a float32 fill, one per element.

    The position counts 32-bit words from the start of the stream. A 32-bit draw takes the next word. A 64-bit draw (or
    a double) takes the next two, low half first. No word is kept for later, so after an odd number of 32-bit draws the
    64-bit draws combine other pairs than a float64 fill. A stream has 2**66 words and then repeats.

    Draws hold `lock`, as in NumPy's own generators. All methods and properties hold it, too, and it is reentrant. So
    threads can share a generator. If the values must not depend on the order in which the threads draw, give each
    thread its own generator: by another stream name, `spawn` or `jumped`.

    It can be pickled and copied, and so can a `numpy.random.Generator` that uses it.

    Args:
        seed: an integer in [0, 2**64). It is the key itself (no `SeedSequence` scrambles it), so it means the same as
            in a fill. Or a `numpy.random.SeedSequence` s; then the seed is
            `int(s.generate_state(1, numpy.uint64)[0])`, and s becomes `seed_seq`.
        stream: a name; different names give independent streams.

    The attribute `seed_seq` is a `numpy.random.SeedSequence` made from an integer seed and the stream. It counts the
    children of `spawn` and can seed other generators. It does not influence the words.

    >>> import numpy as np
    >>> from weightfill import PhiloxBitGenerator
    >>> [hex(word) for word in PhiloxBitGenerator(0).random_raw(2)]
    ['0xe169c58d6627e8d5', '0x9b00dbd8bc57ac4c']
    >>> rng = np.random.Generator(PhiloxBitGenerator(42, stream="item_table"))
    >>> rng.standard_normal((2, 3)).shape
    (2, 3)

    Raises:
        TypeError: `seed` is neither an integer nor a SeedSequence, or `stream` is not a string.
        ValueError: `seed` is not in [0, 2**64), or `stream` cannot be written in UTF-8.
    """

    cdef Reader _reader
    cdef str _stream
    cdef tuple _spawned  # (jumps, child) of every spawn that led here from the named stream
    cdef object _jumps  # added since to the number of the stream, modulo 2^64

    def __init__(self, seed, stream=""):
        sequence = seed if isinstance(seed, ISeedSequence) else None
        if sequence is not None:
            seed = int(sequence.generate_state(1, numpy.uint64)[0])
        seed = _check_integer("seed", seed, 64)
        stream = _check_string("stream", stream)
        BitGenerator.__init__(self, 0)  # the seed sequence is set by _place
        self.lock = threading.RLock()  # older NumPy's is not reentrant
        self._seed_seq = None
        self._bitgen.state = <void*>&self._reader
        self._bitgen.next_uint64 = &next_uint64
        self._bitgen.next_uint32 = &next_uint32
        self._bitgen.next_double = &next_double
        self._bitgen.next_raw = &next_uint64
        self._place(seed, stream, (), 0, 0)
        if sequence is not None:
            self._seed_seq = sequence

    # Goes to a word of a stream. Keeps the seed sequence, and with it the count of children, if it is the same stream.
    cdef _place(self, seed, str stream, tuple spawned, jumps, position):
        number = stream_number(stream)
        for jumps_before, child in spawned:
            number = spawned_number((number + jumps_before) % 2**64, child)
        number = (number + jumps) % 2**64
        here = None if self._seed_seq is None else (self._reader.seed, self._stream, self._spawned, self._jumps)
        if (seed, stream, spawned, jumps) != here:
            self._seed_seq = SeedSequence(seed, spawn_key=(number & 0xFFFFFFFF, number >> 32))
        self._stream = stream
        self._spawned = spawned
        self._jumps = jumps
        self._reader.seed = seed
        self._reader.number = number
        self._reader.used = position & 3
        fill_buffer(&self._reader, position >> 2)

    cdef _position(self):
        return (4 * int(self._reader.block) + int(self._reader.used)) % _WORD_COUNT

    @property
    def seed(self):
        """The seed, an int in [0, 2**64)."""
        with self.lock:
            return int(self._reader.seed)

    @property
    def stream(self):
        """The name of the stream, a str; of a child of `spawn` the name of the stream that it descends from."""
        with self.lock:
            return self._stream

    @property
    def seed_seq(self):
        """The seed sequence by which `spawn` counts children; a state of another stream brings another one."""
        with self.lock:  # the base class does not take it, as its own is never replaced
            return self._seed_seq

    @property
    def state(self):
        """The state, a dict; setting it restores the generator that had it.

        `state["state"]` holds `seed`, `stream` (the name), `spawned` (a pair for every `spawn` that led here: the jumps
        before it and the number of the child), `jumps` (how often `jumped` was applied since, modulo 2**64) and
        `position` (the next word, in [0, 2**66)). As in NumPy's generators the count of children is no part of it; a
        state of another stream starts counting from 0. What is set may lack `spawned`, and may have `has_gauss` and
        `gauss` of a `numpy.random.RandomState`, which are ignored.

        >>> from weightfill import PhiloxBitGenerator
        >>> generator = PhiloxBitGenerator(42, "item_table")
        >>> _ = generator.random_raw(3)
        >>> generator.state["state"]
        {'seed': 42, 'stream': 'item_table', 'spawned': (), 'jumps': 0, 'position': 6}

        Raises, and changes nothing:
            TypeError: the new state is not a dict, or an entry has a wrong type.
            ValueError: a key is missing or unknown, the state is of another class, or an entry is out of range.
        """
        with self.lock:
            return {
                "bit_generator": type(self).__name__,
                "state": {
                    "seed": int(self._reader.seed),
                    "stream": self._stream,
                    "spawned": self._spawned,
                    "jumps": self._jumps,
                    "position": self._position(),
                },
            }

    @state.setter
    def state(self, value):
        _check_keys("state", value, ("bit_generator", "state"), optional=_OF_RANDOM_STATE)
        if value["bit_generator"] != type(self).__name__:
            raise ValueError(
                f"state['bit_generator'] must be {type(self).__name__!r}, got {value['bit_generator']!r}; "
                "a state fits only the class that it came from"
            )
        place = value["state"]
        _check_keys("state['state']", place, _STATE_KEYS, optional=("spawned",))
        seed = _check_integer("state['state']['seed']", place["seed"], 64)
        stream = _check_string("state['state']['stream']", place["stream"])
        spawned = _check_spawned(place.get("spawned", ()))
        jumps = _check_integer("state['state']['jumps']", place["jumps"], 64)
        position = _check_integer("state['state']['position']", place["position"], 66)
        with self.lock:
            self._place(seed, stream, spawned, jumps, position)

    def advance(self, delta):
        """Move on as if `delta` 64-bit draws had been made, which is 2 * `delta` words, and return self.

        Costs the same for any `delta`. A negative one goes back. The position wraps within the stream, modulo 2**65
        draws. A draw is one of `random_raw`; many distributions use more than one for a value, or a varying number.

        >>> from weightfill import PhiloxBitGenerator
        >>> raw = PhiloxBitGenerator(42).random_raw(10)
        >>> bool(PhiloxBitGenerator(42).advance(9).random_raw() == raw[9])
        True

        Raises:
            TypeError: `delta` is not an integer.
        """
        delta = _check_integer("delta", delta)
        with self.lock:
            position = (self._position() + 2 * delta) % _WORD_COUNT
            self._place(self._reader.seed, self._stream, self._spawned, self._jumps, position)
        return self

    def jumped(self, jumps=1):
        """Return a new generator at the same position of the stream whose number is higher by `jumps`.

        As if 2**65 64-bit draws had been made for each jump, where the numbered streams lie one behind the other. The
        numbers are taken modulo 2**64, so that a negative `jumps` goes back. A jump leads to the stream of some name
        only by the chance of 2**-64 by which two names meet.

        >>> from weightfill import PhiloxBitGenerator
        >>> workers = [PhiloxBitGenerator(42).jumped(i) for i in range(4)]
        >>> len({int(worker.random_raw()) for worker in workers})
        4

        Raises:
            TypeError: `jumps` is not an integer.
        """
        cdef PhiloxBitGenerator new
        jumps = _check_integer("jumps", jumps)
        with self.lock:
            new = type(self)(self._reader.seed, self._stream)
            jumps = (self._jumps + jumps) % 2**64
            new._place(self._reader.seed, self._stream, self._spawned, jumps, self._position())
        return new

    def spawn(self, n_children):
        """Return a list of `n_children` new generators with independent streams and the same seed.

        A child is known by its parent's stream and its number, counted from 0 over all calls by `seed_seq`, so it is
        reproducible and does not depend on the position. No name leads to a child's stream, nor a jump: only by a
        chance of 2**-64 do two of them meet.

        >>> from weightfill import PhiloxBitGenerator
        >>> PhiloxBitGenerator(42, "workers").spawn(2)
        [PhiloxBitGenerator(42, 'workers').spawn(1)[0], PhiloxBitGenerator(42, 'workers').spawn(2)[1]]

        Raises:
            TypeError: `n_children` is not an integer, or the generator was made from a seed sequence that cannot spawn.
            ValueError: `n_children` is negative.
        """
        n_children = _check_integer("n_children", n_children)
        if n_children < 0:
            raise ValueError(f"n_children must be at least 0, got {n_children}")
        with self.lock:
            if not isinstance(self._seed_seq, ISpawnableSeedSequence):
                raise TypeError(
                    f"seed must be a seed sequence that can spawn, got {type(self._seed_seq).__name__}; "
                    "pass a numpy.random.SeedSequence or an integer"
                )
            numbers = [child.spawn_key[-1] for child in self._seed_seq.spawn(n_children)]
            return [self._child(number) for number in numbers]

    cdef _child(self, number):
        cdef PhiloxBitGenerator new = type(self)(self._reader.seed, self._stream)
        new._place(self._reader.seed, self._stream, (*self._spawned, (self._jumps, number)), 0, 0)
        return new

    def __reduce__(self):
        with self.lock:
            return _restored, ((type(self), self.state, self._seed_seq),), None

    def __repr__(self):
        with self.lock:
            call = f"{type(self).__name__}({self._reader.seed}, {self._stream!r})"
            for jumps, child in self._spawned:
                call += (f".jumped({jumps})" if jumps else "") + f".spawn({child + 1})[{child}]"
            return f"{call}.jumped({self._jumps})" if self._jumps else call
