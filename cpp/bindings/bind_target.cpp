#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <vector>

#include "weightfill/fill.hpp"

namespace py = pybind11;

namespace {

py::tuple names(const std::vector<std::string_view>& targets) {
  py::tuple result(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) result[i] = py::str(targets[i].data(), targets[i].size());
  return result;
}

}  // namespace

void bind_target(py::module_& m) {
  m.def("built_targets", [] { return names(weightfill::built_targets()); });
  m.def("supported_targets", [] { return names(weightfill::supported_targets()); });
  m.def("active_target", [] { return std::string(weightfill::active_target()); });
  m.def(
      "set_active_target",
      [](const std::string& name) {
        if (weightfill::set_active_target(name)) return;
        std::string rule;
        for (const auto target : weightfill::supported_targets()) {
          if (!rule.empty()) rule += ", ";
          rule.append("'").append(target).append("'");
        }
        throw py::value_error("target must be one of " + rule + " (what this CPU can run), got '" + name + "'");
      },
      py::arg("name"));
}
