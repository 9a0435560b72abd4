#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>

#include "calls.hpp"
#include "weightfill/orthonormal.hpp"

namespace py = pybind11;

namespace {

using weightfill::LapackThreads;

template <class Function>
Function address_in(const py::handle& capsule) {
  return reinterpret_cast<Function>(PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr())));
}

template <class T>
weightfill::Lapack<T> routines_in(const py::tuple& capsules) {
  using Routines = weightfill::Lapack<T>;
  Routines routines{address_in<typename Routines::Geqrt3>(capsules[0]),
                    address_in<typename Routines::Trmm>(capsules[1]), address_in<typename Routines::Gemm>(capsules[2])};
  if (PyErr_Occurred()) throw py::error_already_set();
  return routines;
}

// A LAPACK in both precisions.
class Routines {
 public:
  Routines(const py::tuple& floats, const py::tuple& doubles, std::uintptr_t get, std::uintptr_t set,
           bool of_each_thread)
      : floats_(routines_in<float>(floats)),
        doubles_(routines_in<double>(doubles)),
        threads_{reinterpret_cast<int (*)()>(get), reinterpret_cast<void (*)(int)>(set), of_each_thread} {}

  // A matrix in C order of float32 or float64, by its item size.
  void orthonormalize(std::uintptr_t address, std::int64_t rows, std::int64_t columns, std::int64_t item_size,
                      double gain, int threads) const {
    const weightfill::NoGil no_gil;
    if (item_size == sizeof(double)) {
      weightfill::orthonormalize(doubles_, threads_, reinterpret_cast<double*>(address), rows, columns, gain, threads);
    } else {
      weightfill::orthonormalize(floats_, threads_, reinterpret_cast<float*>(address), rows, columns,
                                 static_cast<float>(gain), threads);
    }
  }

  void orthonormalize_array(const py::array& matrix, double gain, int threads) const {
    orthonormalize(reinterpret_cast<std::uintptr_t>(matrix.data()), matrix.shape(0), matrix.shape(1), matrix.itemsize(),
                   gain, threads);
  }

 private:
  weightfill::Lapack<float> floats_;
  weightfill::Lapack<double> doubles_;
  LapackThreads threads_;
};

}  // namespace

void bind_lapack(py::module_& m) {
  py::class_<Routines>(m, "Lapack")
      .def(py::init<const py::tuple&, const py::tuple&, std::uintptr_t, std::uintptr_t, bool>(), py::arg("floats"),
           py::arg("doubles"), py::arg("get_threads"), py::arg("set_threads"), py::arg("of_each_thread"))
      .def("orthonormalize", &Routines::orthonormalize_array, py::arg("matrix"), py::arg("gain"), py::arg("threads"))
      .def("orthonormalize_memory", &Routines::orthonormalize, py::arg("address"), py::arg("rows"), py::arg("columns"),
           py::arg("item_size"), py::arg("gain"), py::arg("threads"));
}
