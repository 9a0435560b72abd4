"""Safetensors files byte by byte, right ones and wrong ones."""

import json


def raw(header, data):
    """A safetensors file with this header, as an object or as bytes, and data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
