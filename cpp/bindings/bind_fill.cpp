#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "weightfill/overlap.hpp"

namespace py = pybind11;
using weightfill::call_core;
using weightfill::check_unchanged;
using weightfill::Dtype;
using weightfill::Execution;
using weightfill::Law;
using weightfill::Mask;
using weightfill::Memory;
using weightfill::memory_of;
using weightfill::NoGil;
using weightfill::Stream;

namespace {

void fill(const py::array& out, const py::tuple& shape, int dtype, const Law& law, std::uint64_t seed,
          std::uint64_t stream, std::uint64_t first, const py::object& index_strides, const py::object& rows,
          int threads, const py::object& tick) {
  check_unchanged(out, dtype, shape, true, "out");
  const Memory memory = memory_of(out, dtype, first, index_strides, rows);
  call_core(out.size(), threads, tick,
            [&](const Execution& execution) { return weightfill::fill(law, Stream{seed, stream}, memory, execution); });
}

// What a filler fills: full tensors in C order of one shape and dtype, from one law, in the empty stream.
struct Filling {
  Law law;
  Memory memory;  // but for its data
  std::int64_t size;
};

constexpr const char* kFilling = "weightfill.Filling";
constexpr std::int64_t kQuick = 4096;  // elements that are drawn before another thread could have taken the GIL

// filler(address of the tensor, seed, threads). pybind11 would take as long for the arguments as the core for a small
// tensor, and to wrap the memory in an array would take several times as long.
PyObject* call_filler(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "filler takes 3 arguments, got %zd", count);
  const auto& filling = *static_cast<const Filling*>(PyCapsule_GetPointer(self, kFilling));
  void* const address = PyLong_AsVoidPtr(arguments[0]);
  const Stream stream{PyLong_AsUnsignedLongLong(arguments[1]), 0};
  const auto threads = static_cast<int>(PyLong_AsLong(arguments[2]));
  if (PyErr_Occurred() != nullptr) return nullptr;
  try {
    Memory memory = filling.memory;
    memory.data = address;
    const auto fill = [&](const Execution& execution) {
      return weightfill::fill(filling.law, stream, memory, execution);
    };
    if (filling.size < kQuick) {
      fill({threads, {}});
    } else {
      call_core(filling.size, threads, py::none(), fill);
    }
  } catch (py::error_already_set& error) {
    error.restore();
    return nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::logic_error& error) {  // of arguments, and of lengths
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  } catch (const std::exception& error) {  // none may leave a function of C
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

py::object filler(const Law& law, int dtype, const std::vector<std::int64_t>& shape) {
  static PyMethodDef definition{"filler", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_filler)),
                                METH_FASTCALL, nullptr};
  auto filling = std::make_unique<Filling>(Filling{law, {}, 1});
  filling->memory.dtype = static_cast<Dtype>(dtype);
  filling->memory.axes.resize(shape.size());
  for (std::size_t k = shape.size(); k-- > 0;) {
    const auto item = static_cast<std::int64_t>(item_size_of(static_cast<Dtype>(dtype)));
    filling->memory.axes[k] = {shape[k], filling->size * item, static_cast<std::uint64_t>(filling->size)};
    filling->size *= shape[k];
  }
  const py::capsule self(filling.release(), kFilling, [](void* owned) { delete static_cast<Filling*>(owned); });
  return py::reinterpret_steal<py::object>(PyCFunction_New(&definition, self.ptr()));
}

// Arrays that can be filled as they stand, grouped by dtype and shape: the group of every array, -1 for what needs a
// closer look; and the core's number of each group's dtype, given NumPy's numbers of the dtypes.
py::tuple plain_arrays(const py::list& arrays, const std::vector<int>& numbers) {
  constexpr int kPlain = static_cast<int>(py::array::c_style) | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  const auto* const array_type = reinterpret_cast<PyTypeObject*>(py::module_::import("numpy").attr("ndarray").ptr());
  py::list groups(arrays.size()), dtypes;
  std::map<std::vector<py::ssize_t>, std::size_t> known;
  std::vector<py::ssize_t> key;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const py::handle item = PyList_GET_ITEM(arrays.ptr(), static_cast<py::ssize_t>(i));
    py::ssize_t group = -1;
    if (Py_TYPE(item.ptr()) == array_type) {
      const auto array = py::reinterpret_borrow<py::array>(item);
      const py::dtype dtype = array.dtype();
      const auto number = std::find(numbers.begin(), numbers.end(), dtype.num());
      const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|';
      if ((array.flags() & kPlain) == kPlain && number != numbers.end() && native) {
        key.assign(array.shape(), array.shape() + array.ndim());
        key.push_back(number - numbers.begin());
        const auto [place, is_new] = known.try_emplace(key, known.size());
        if (is_new) dtypes.append(key.back());
        group = static_cast<py::ssize_t>(place->second);
      }
    }
    PyList_SET_ITEM(groups.ptr(), static_cast<py::ssize_t>(i), PyLong_FromSsize_t(group));
  }
  return py::make_tuple(groups, dtypes);
}

// Several fills of full tensors as one piece of work: arrays, their shapes when they were checked, the core's numbers
// of their dtypes, laws, and the names of the streams.
void fill_all(const py::list& arrays, const py::list& shapes, const py::list& dtypes, const py::list& laws,
              const py::list& names, std::uint64_t seed, int threads, const py::object& tick) {
  std::vector<weightfill::Fill> all;
  all.reserve(arrays.size());
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto out = py::reinterpret_borrow<py::array>(arrays[i]);
    check_unchanged(out, dtypes[i].cast<int>(), shapes[i], true, "params");
    elements += out.size();
    all.push_back({laws[i].cast<const Law&>(), seed, names[i].cast<std::string_view>(),
                   memory_of(out, dtypes[i].cast<int>(), 0, py::none(), py::none())});
  }
  call_core(elements, threads, tick, [&](const Execution& execution) { return weightfill::fill(all, execution); });
}

void fill_sparse(py::array& values, py::array& columns, int dtype, const Law& law, std::uint64_t seed,
                 std::uint64_t stream, std::uint64_t first_row, std::uint64_t rows, int threads,
                 const py::object& tick) {
  const weightfill::SparseRows out{first_row,
                                   rows,
                                   static_cast<Dtype>(dtype),
                                   values.mutable_data(),
                                   columns.mutable_data(),
                                   columns.itemsize() == 8};
  call_core(values.size(), threads, tick, [&](const Execution& execution) {
    return weightfill::fill_sparse(law, Stream{seed, stream}, out, execution);
  });
}

std::shared_ptr<weightfill::Slices> draw_slices(std::uint64_t count, std::uint64_t stride, std::uint64_t kept,
                                                std::uint64_t number, std::uint64_t seed, std::uint64_t slices,
                                                int threads) {
  const NoGil no_gil;
  return weightfill::draw_slices({0, count, stride, Mask::Connections{kept, number}}, seed, slices, threads);
}

std::vector<std::pair<std::size_t, std::size_t>> meeting(const py::list& arrays) {
  std::vector<weightfill::StridedMemory> all;
  all.reserve(arrays.size());
  for (const py::handle item : arrays) {
    const auto array = py::reinterpret_borrow<py::array>(item);
    auto& memory =
        all.emplace_back(weightfill::StridedMemory{static_cast<const std::byte*>(array.data()), array.itemsize(), {}});
    for (py::ssize_t d = 0; d < array.ndim(); ++d) memory.axes.push_back({array.strides(d), array.shape(d)});
  }
  return weightfill::meeting(all);
}

std::pair<std::uint64_t, std::uint64_t> verify(const py::array& found, const py::tuple& shape, int dtype,
                                               const Law& law, std::uint64_t seed, std::uint64_t stream,
                                               std::uint64_t first, const py::object& index_strides,
                                               const py::object& rows, int threads, const py::object& tick) {
  check_unchanged(found, dtype, shape, false, "target");
  const Memory memory = memory_of(found, dtype, first, index_strides, rows);
  const auto difference = call_core(found.size(), threads, tick, [&](const Execution& execution) {
    return weightfill::verify(law, Stream{seed, stream}, memory, execution);
  });
  return {difference->count, difference->first_position};
}

py::array_t<std::uint32_t> words(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::size_t n) {
  py::array_t<std::uint32_t> result(static_cast<py::ssize_t>(n));
  std::uint32_t* data = result.mutable_data();
  const NoGil no_gil;
  weightfill::words(Stream{seed, stream}, first, n, data);
  return result;
}

// Writes the whole cache lines of a contiguous array; the core takes nothing else.
void streaming_ceiling(py::array& out, int threads) {
  constexpr std::size_t kLine = 64;
  void* data = out.mutable_data();
  auto bytes = static_cast<std::size_t>(out.nbytes());
  if (std::align(kLine, kLine, data, bytes) == nullptr) return;
  const NoGil no_gil;
  weightfill::streaming_ceiling(data, bytes / kLine * kLine, threads);
}

}  // namespace

void bind_fill(py::module_& m) {
  py::class_<weightfill::Slices, std::shared_ptr<weightfill::Slices>>(m, "Slices", py::is_final());
  py::class_<Law>(m, "Law", py::is_final())
      .def(py::init(&Law::named), py::arg("name"), py::arg("parameters"))
      // By keyword only: numbers that changed places would go unnoticed.
      .def(
          "under_connections",
          [](const Law& law, std::size_t axis, std::uint64_t count, std::uint64_t stride, std::uint64_t kept,
             std::uint64_t number, const std::shared_ptr<weightfill::Slices>& slices) {
            return law.under({axis, count, stride, Mask::Connections{kept, number, slices}});
          },
          py::kw_only(), py::arg("axis"), py::arg("count"), py::arg("stride"), py::arg("kept"), py::arg("number"),
          py::arg("slices"))
      .def(
          "under_diagonal",
          [](const Law& law, std::size_t axis, std::uint64_t count, std::uint64_t stride, std::uint64_t outputs,
             std::uint64_t output_stride, std::uint64_t period, std::uint64_t taps, std::uint64_t tap_stride,
             std::uint64_t centre) {
            return law.under({axis, count, stride,
                              Mask::Diagonal{.outputs = outputs,
                                             .output_stride = output_stride,
                                             .period = period,
                                             .taps = taps,
                                             .tap_stride = tap_stride,
                                             .centre = centre}});
          },
          py::kw_only(), py::arg("axis"), py::arg("count"), py::arg("stride"), py::arg("outputs"),
          py::arg("output_stride"), py::arg("period"), py::arg("taps"), py::arg("tap_stride"), py::arg("centre"))
      .def(
          "under_all_but",
          [](const Law& law, const std::vector<std::uint64_t>& rows, std::uint64_t stride) {
            return law.under({0, 0, stride, Mask::AllBut{rows}});
          },
          py::kw_only(), py::arg("rows"), py::arg("stride"));
  m.def("fill", &fill, py::arg("out"), py::arg("shape"), py::arg("dtype"), py::arg("law"), py::arg("seed"),
        py::arg("stream"), py::arg("first"), py::arg("index_strides"), py::arg("rows"), py::arg("threads"),
        py::arg("tick"));
  m.def("filler", &filler, py::arg("law"), py::arg("dtype"), py::arg("shape"));
  m.def(
      "stream_number",
      [](const py::bytes& name, const py::bytes& person) {
        return weightfill::stream_number(std::string_view(name), std::string_view(person));
      },
      py::arg("name"), py::arg("person"));
  m.def("plain_arrays", &plain_arrays, py::arg("arrays"), py::arg("numbers"));
  m.def("fill_all", &fill_all, py::arg("arrays"), py::arg("shapes"), py::arg("dtypes"), py::arg("laws"),
        py::arg("names"), py::arg("seed"), py::arg("threads"), py::arg("tick"));
  m.def("fill_sparse", &fill_sparse, py::arg("values"), py::arg("columns"), py::arg("dtype"), py::arg("law"),
        py::arg("seed"), py::arg("stream"), py::arg("first_row"), py::arg("rows"), py::arg("threads"), py::arg("tick"));
  m.def("draw_slices", &draw_slices, py::kw_only(), py::arg("count"), py::arg("stride"), py::arg("kept"),
        py::arg("number"), py::arg("seed"), py::arg("slices"), py::arg("threads"));
  m.def("meeting", &meeting, py::arg("arrays"));
  m.def("verify", &verify, py::arg("found"), py::arg("shape"), py::arg("dtype"), py::arg("law"), py::arg("seed"),
        py::arg("stream"), py::arg("first"), py::arg("index_strides"), py::arg("rows"), py::arg("threads"),
        py::arg("tick"));
  m.def(
      "in_float_mode",
      [](const py::object& function, const py::tuple& arguments) {
        py::object result;
        weightfill::in_float_mode([&] { result = function(*arguments); });
        return result;
      },
      py::arg("function"), py::arg("arguments"));
  m.def("words", &words, py::arg("seed"), py::arg("stream"), py::arg("first"), py::arg("n"));
  m.def("streaming_ceiling", &streaming_ceiling, py::arg("out"), py::arg("threads"));
}
