#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "weightfill/fill.hpp"

namespace py = pybind11;

void bind_fill(py::module_& m);
void bind_lapack(py::module_& m);
void bind_summary(py::module_& m);
void bind_isa(py::module_& m);

namespace {

// Otherwise the message is std::bad_alloc's, or, of a vector longer than any, a ValueError with the vector's.
void translate_lack_of_memory(std::exception_ptr error) {
  constexpr const char* kMessage =
      "no memory for what a thread notes beside the array that it works on; use fewer threads or a smaller part";
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, kMessage);
  } catch (const std::length_error&) {
    PyErr_SetString(PyExc_MemoryError, kMessage);
  }
}

// A row for each dtype, in the order of their numbers.
py::tuple dtypes() {
  py::list rows;
  for (const weightfill::DtypeRow& row : weightfill::kDtypeRows)
    rows.append(py::make_tuple(row.name, row.item_size(), row.word_bits(), weightfill::largest_of(row.dtype)));
  return rows;
}

}  // namespace

PYBIND11_MODULE(core, m, py::mod_gil_not_used()) {
  m.doc() = "The C++ core. Its callers check all arguments.";
  m.attr("STREAM_VERSION") = weightfill::kStreamVersion;
  m.attr("DTYPES") = dtypes();
  py::register_local_exception_translator(&translate_lack_of_memory);
  // pybind11 looks NumPy's functions up at the first array, and lets go of the GIL meanwhile. In a daemon thread that
  // could be while the interpreter shuts down, when asking for the GIL again aborts (see sleep_at_exit): so here.
  (void)py::isinstance<py::array>(m);
  bind_fill(m);
  bind_lapack(m);
  bind_summary(m);
  bind_isa(m);
}

// The module is weightfill._core. pybind11 would wait for the GIL for ever in a subinterpreter that shares it.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit_core();
  PyErr_SetString(PyExc_ImportError,
                  "weightfill must be imported in the main interpreter of a process, got a subinterpreter; "
                  "use processes or threads");
  return nullptr;
}
