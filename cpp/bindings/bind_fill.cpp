#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "weightfill/fill.hpp"

namespace py = pybind11;
using weightfill::Axis;
using weightfill::Dtype;
using weightfill::Execution;
using weightfill::Law;
using weightfill::Stream;
using weightfill::Target;

namespace {

// Targets smaller than this finish before anyone could press Ctrl-C, or miss a progress bar.
constexpr std::int64_t kTickElements = 1'000'000;

// The element at (i0, i1, ...) of `out` has the index first + i0 * index_strides[0] + ... in the whole tensor.
// Without index_strides `out` is a whole tensor in C order, but for `first`.
Target target_of(const py::array& out, int dtype, std::uint64_t first, const py::object& index_strides,
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

void fill(const py::array& out, int dtype, const Law& law, std::uint64_t seed, std::uint64_t stream,
          std::uint64_t first, const py::object& index_strides, const py::object& rows, int threads,
          const py::object& tick) {
  const Target target = target_of(out, dtype, first, index_strides, rows);
  run(out.size(), threads, tick,
      [&](const Execution& execution) { return weightfill::fill(law, Stream{seed, stream}, target, execution); });
}

std::pair<std::uint64_t, std::uint64_t> verify(const py::array& found, int dtype, const Law& law, std::uint64_t seed,
                                               std::uint64_t stream, std::uint64_t first,
                                               const py::object& index_strides, const py::object& rows, int threads,
                                               const py::object& tick) {
  const Target target = target_of(found, dtype, first, index_strides, rows);
  const auto difference = run(found.size(), threads, tick, [&](const Execution& execution) {
    return weightfill::verify(law, Stream{seed, stream}, target, execution);
  });
  return {difference->count, difference->first_position};
}

py::tuple summarize(const py::array& values, int dtype, int threads, const py::object& tick) {
  const Target target = target_of(values, dtype, 0, py::none(), py::none());
  const auto summary = run(values.size(), threads, tick,
                           [&](const Execution& execution) { return weightfill::summarize(target, execution); });
  return py::make_tuple(summary->count, summary->nan, summary->zero, summary->mean, summary->std, summary->min,
                        summary->max);
}

py::array_t<std::uint32_t> words(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::size_t n) {
  py::array_t<std::uint32_t> result(static_cast<py::ssize_t>(n));
  std::uint32_t* data = result.mutable_data();
  const py::gil_scoped_release no_gil;
  weightfill::words(Stream{seed, stream}, first, n, data);
  return result;
}

// Writes the whole cache lines of a contiguous array; the core takes nothing else.
void streaming_ceiling(py::array& out, int threads) {
  constexpr std::size_t kLine = 64;
  void* data = out.mutable_data();
  auto bytes = static_cast<std::size_t>(out.nbytes());
  if (std::align(kLine, kLine, data, bytes) == nullptr) return;
  const py::gil_scoped_release no_gil;
  weightfill::streaming_ceiling(data, bytes / kLine * kLine, threads);
}

}  // namespace

void bind_fill(py::module_& m) {
  py::class_<Law>(m, "Law", py::is_final())
      .def_static("constant", &Law::constant, py::arg("value"))
      .def_static("uniform", &Law::uniform, py::arg("low"), py::arg("high"))
      .def_static("normal", &Law::normal, py::arg("mean"), py::arg("std"))
      .def_static("truncated_normal", &Law::truncated_normal, py::arg("mean"), py::arg("std"), py::arg("low"),
                  py::arg("high"));
  m.def("fill", &fill, py::arg("out"), py::arg("dtype"), py::arg("law"), py::arg("seed"), py::arg("stream"),
        py::arg("first"), py::arg("index_strides"), py::arg("rows"), py::arg("threads"), py::arg("tick"));
  m.def("verify", &verify, py::arg("found"), py::arg("dtype"), py::arg("law"), py::arg("seed"), py::arg("stream"),
        py::arg("first"), py::arg("index_strides"), py::arg("rows"), py::arg("threads"), py::arg("tick"));
  m.def("summarize", &summarize, py::arg("values"), py::arg("dtype"), py::arg("threads"), py::arg("tick"));
  m.def("words", &words, py::arg("seed"), py::arg("stream"), py::arg("first"), py::arg("n"));
  m.def("streaming_ceiling", &streaming_ceiling, py::arg("out"), py::arg("threads"));
}
