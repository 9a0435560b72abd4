#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>

#include "calls.hpp"

namespace py = pybind11;
using weightfill::call_core;
using weightfill::Execution;
using weightfill::Memory;
using weightfill::memory_of;

namespace {

py::tuple summarize(const py::array& values, int dtype, int threads, const py::object& tick) {
  const Memory memory = memory_of(values, dtype, 0, py::none(), py::none());
  const auto summary = call_core(values.size(), threads, tick,
                                 [&](const Execution& execution) { return weightfill::summarize(memory, execution); });
  return py::make_tuple(summary->count, summary->nan, summary->infinite, summary->zero, summary->mean, summary->std,
                        summary->min, summary->max);
}

py::array_t<std::uint64_t> histogram(const py::array& values, int dtype, double low, double high, std::size_t bins,
                                     int threads, const py::object& tick) {
  const Memory memory = memory_of(values, dtype, 0, py::none(), py::none());
  const auto counts = call_core(values.size(), threads, tick, [&](const Execution& execution) {
    return weightfill::histogram(memory, low, high, bins, execution);
  });
  py::array_t<std::uint64_t> result(static_cast<py::ssize_t>(bins));
  std::copy(counts->begin(), counts->end(), result.mutable_data());
  return result;
}

}  // namespace

void bind_summary(py::module_& m) {
  m.def("summarize", &summarize, py::arg("values"), py::arg("dtype"), py::arg("threads"), py::arg("tick"));
  m.def("histogram", &histogram, py::arg("values"), py::arg("dtype"), py::arg("low"), py::arg("high"), py::arg("bins"),
        py::arg("threads"), py::arg("tick"));
}
