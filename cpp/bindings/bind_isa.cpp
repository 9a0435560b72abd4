#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <vector>

#include "weightfill/fill.hpp"

namespace py = pybind11;

namespace {

py::tuple tuple_of(const std::vector<std::string_view>& names) {
  py::tuple result(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) result[i] = py::str(names[i].data(), names[i].size());
  return result;
}

}  // namespace

void bind_isa(py::module_& m) {
  m.def("built_isas", [] { return tuple_of(weightfill::built_isas()); });
  m.def("supported_isas", [] { return tuple_of(weightfill::supported_isas()); });
  m.def("active_isa", [] { return std::string(weightfill::active_isa()); });
  m.def("set_active_isa", &weightfill::set_active_isa, py::arg("name"));
}
