// How Python calls the core: arrays as targets, work without the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <exception>

#include "weightfill/fill.hpp"

namespace weightfill {

namespace py = pybind11;

// Targets smaller than this finish before anyone could press Ctrl-C, or miss a progress bar.
inline constexpr std::int64_t kTickElements = 1'000'000;

// The element at (i0, i1, ...) of `out` has the index first + i0 * index_strides[0] + ... in the whole tensor.
// Without index_strides `out` is a whole tensor in C order, but for `first`.
inline Target target_of(const py::array& out, int dtype, std::uint64_t first, const py::object& index_strides,
                        const py::object& rows) {
  Target target;
  target.data = const_cast<void*>(out.data());  // writable arrays only reach a call that writes
  target.dtype = static_cast<Dtype>(dtype);
  target.first = first;
  const auto dimensions = static_cast<std::size_t>(out.ndim());
  target.axes.resize(dimensions);
  std::uint64_t inner = 1;
  for (std::size_t k = dimensions; k-- > 0;) {
    const auto d = static_cast<py::ssize_t>(k);
    target.axes[k] = {out.shape(d), out.strides(d), inner};
    inner *= static_cast<std::uint64_t>(out.shape(d));
  }
  if (!index_strides.is_none()) {
    const auto strides = py::reinterpret_borrow<py::tuple>(index_strides);
    for (std::size_t k = 0; k < dimensions; ++k) target.axes[k].index_stride = strides[k].cast<std::uint64_t>();
  }
  if (!rows.is_none()) {
    target.rows = static_cast<const std::uint64_t*>(py::reinterpret_borrow<py::array>(rows).data());
  }
  return target;
}

// Runs work(execution) without the GIL. Between its ticks Python's signal handlers run and `tick`, a callable or None,
// is told how many elements are done; what either of them raises stops the work and is raised from here.
template <class Work>
auto run(std::int64_t elements, int threads, const py::object& tick, Work work) {
  std::exception_ptr error;
  Execution execution{threads, {}};
  if (!tick.is_none() || elements >= kTickElements) {
    execution.tick = [&](std::uint64_t done) {
      const py::gil_scoped_acquire gil;
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (!tick.is_none()) tick(done);
        return true;
      } catch (...) {
        error = std::current_exception();
        return false;
      }
    };
  }
  auto result = [&] {
    const py::gil_scoped_release no_gil;
    return work(execution);
  }();
  if (error) std::rethrow_exception(error);
  return result;
}

}  // namespace weightfill
