#include <pybind11/pybind11.h>

#include "weightfill/fill.hpp"

namespace py = pybind11;

void bind_fill(py::module_& m);
void bind_summary(py::module_& m);
void bind_target(py::module_& m);

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The C++ core. Its callers check all arguments.";
  m.attr("STREAM_VERSION") = weightfill::kStreamVersion;
  bind_fill(m);
  bind_summary(m);
  bind_target(m);
}
