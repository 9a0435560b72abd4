// How Python calls the core: arrays as memory to fill, work without the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "thread_end.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {

namespace py = pybind11;

// Fills of fewer elements finish before anyone could press Ctrl-C, or miss a progress bar.
inline constexpr std::int64_t kTickElements = 1'000'000;

// The element at (i0, i1, ...) of `out` has the index first + i0 * index_strides[0] + ... in the full tensor.
// Without index_strides `out` is a full tensor in C order, but for `first`.
inline Memory memory_of(const py::array& out, int dtype, std::uint64_t first, const py::object& index_strides,
                        const py::object& rows) {
  Memory memory;
  memory.data = const_cast<void*>(out.data());  // writable arrays only reach a call that writes
  memory.dtype = static_cast<Dtype>(dtype);
  memory.first = first;
  const auto dimensions = static_cast<std::size_t>(out.ndim());
  memory.axes.resize(dimensions);
  std::uint64_t inner = 1;
  for (std::size_t k = dimensions; k-- > 0;) {
    const auto d = static_cast<py::ssize_t>(k);
    memory.axes[k] = {out.shape(d), out.strides(d), inner};
    inner *= static_cast<std::uint64_t>(out.shape(d));
  }
  if (!index_strides.is_none()) {
    const auto strides = py::reinterpret_borrow<py::tuple>(index_strides);
    for (std::size_t k = 0; k < dimensions; ++k) memory.axes[k].index_stride = strides[k].cast<std::uint64_t>();
  }
  if (!rows.is_none()) {
    memory.rows = static_cast<const std::uint64_t*>(py::reinterpret_borrow<py::array>(rows).data());
  }
  return memory;
}

// Raises ValueError unless an array is, in itself, what the checks before saw: a subclass may show other attributes
// than it has, and Python code that ran since, such as the __index__ of a seed, may have changed it.
inline void check_unchanged(const py::array& array, int dtype, const py::handle& shape, bool writes,
                            const char* argument) {
  const auto seen = py::reinterpret_borrow<py::tuple>(shape);
  bool same = array.itemsize() == static_cast<py::ssize_t>(item_size_of(static_cast<Dtype>(dtype))) &&
              array.ndim() == static_cast<py::ssize_t>(seen.size()) && (array.writeable() || !writes);
  for (py::ssize_t d = 0; same && d < array.ndim(); ++d)
    same = array.shape(d) == PyLong_AsSsize_t(PyTuple_GET_ITEM(seen.ptr(), d));
  if (same) return;
  const py::object now = py::module_::import("numpy").attr("ndarray").attr("shape").attr("__get__")(array);
  throw py::value_error(std::string(argument) + " must stay as it was checked, got shape " + std::string(py::str(now)) +
                        ", before " + std::string(py::str(shape)) + ", of " + std::to_string(array.itemsize()) +
                        " bytes an element" + (array.writeable() ? "" : ", read-only") +
                        "; pass arguments whose __index__ changes nothing");
}

// The scope of work without the GIL.
class NoGil {
 public:
  NoGil() : state_(PyEval_SaveThread()) {}
  ~NoGil() { take(); }
  NoGil(const NoGil&) = delete;
  NoGil& operator=(const NoGil&) = delete;

  // Calls with the GIL. The call throws nothing.
  template <class Call>
  void with_gil(Call call) {
    take();
    sleep_at_exit(call);
    state_ = PyEval_SaveThread();
  }

 private:
  void take() {
    sleep_at_exit([this] { PyEval_RestoreThread(state_); });
  }

  PyThreadState* state_;
};

// Runs Python's signal handlers and tells `tick`, a callable or None, how many elements are done. False if one of them
// raised, with the error set. No object of pybind11 is alive in it: see sleep_at_exit.
inline bool tell(PyObject* tick, std::uint64_t done) {
  if (PyErr_CheckSignals() != 0) return false;
  if (tick == Py_None) return true;
  PyObject* result = PyObject_CallFunction(tick, "K", static_cast<unsigned long long>(done));
  Py_XDECREF(result);
  return result != nullptr;
}

// Returns work(execution), done without the GIL. Between its ticks Python's signal handlers run and `tick`, a callable
// or None, is told how many elements are done; what either of them raises stops the work and is raised from here.
template <class Work>
auto call_core(std::int64_t elements, int threads, const py::object& tick, Work work) {
  auto result = [&] {
    NoGil no_gil;
    Execution execution{threads, {}};
    if (!tick.is_none() || elements >= kTickElements) {
      execution.tick = [&](std::uint64_t done) {
        bool goes_on = true;
        no_gil.with_gil([&] { goes_on = tell(tick.ptr(), done); });
        return goes_on;
      };
    }
    return work(execution);
  }();
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  return result;
}

}  // namespace weightfill
