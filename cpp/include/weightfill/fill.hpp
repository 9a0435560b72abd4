// The whole C++ interface: what to draw (Law), where to (Memory), how (Execution), and the verbs.
//
// An element's value is a pure function of (law, dtype, stream, index of the element in the full tensor): not of the
// number of threads, the instruction set, the alignment or the strides of the memory.
// Arguments are checked by the caller (the Python package). Only whether a mask fits its memory is checked here, too,
// as that takes no time: the verbs and draw_slices throw std::invalid_argument before anything is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "weightfill/dtype.hpp"
#include "weightfill/philox.hpp"

namespace weightfill {

inline constexpr int kStreamVersion = 1;

class LawTables;  // the quantile tables of a law

// The connections of all slices of a tensor, drawn once.
struct Slices {
  bool dense;                                     // whether there are bits; otherwise lists
  std::uint64_t words;                            // of a slice's bits, with one to spare
  std::vector<std::uint64_t> bits;                // bit p % 64 of word p / 64: whether position p is kept
  std::vector<std::vector<std::uint64_t>> lists;  // of each slice, in ascending order: what is kept, or what is not
};

// Which elements a law is drawn for; all others are zero. A slice is the `count` elements that differ in the index of
// the tensor's dimension `axis` alone and lie `stride` apart; slices are numbered in C order of their other indices.
struct Mask {
  // `kept` distinct positions of every slice, every set of them as likely as any other, by Floyd's algorithm: slice u
  // takes the 64-bit words u * m to u * m + m - 1 of the stream `number`, m the lesser of `kept` and `count - kept`.
  struct Connections {
    std::uint64_t kept;
    std::uint64_t number;
    std::shared_ptr<const Slices> slices = nullptr;  // all of them, drawn before with the seed of the fill
  };
  // Slice u belongs to output u / output_stride % outputs and to tap u / tap_stride % taps. In the slices of tap
  // `centre` the position that equals the output modulo `period` is kept, if there is one.
  struct Diagonal {
    std::uint64_t outputs, output_stride, period;
    std::uint64_t taps, tap_stride, centre;
  };
  // All but these positions, in ascending order.
  struct AllBut {
    std::vector<std::uint64_t> positions;
  };

  std::size_t axis;
  std::uint64_t count, stride;  // stride * count may be 2^64, or unknown (count 0), if the axis is the first
  std::variant<Connections, Diagonal, AllBut> pattern;
};

// Draws the connections of a mask in slices [0, slices), for fills of parts that lie across many slices each: these
// then draw none again. Takes a bit for each element, or 8 bytes for each position listed if they are few.
std::shared_ptr<Slices> draw_slices(const Mask& mask, std::uint64_t seed, std::uint64_t slices, int threads);

// What to draw, with its numbers. Immutable; cheap to copy; building a truncated normal costs about 0.1 ms.
class Law {
 public:
  enum class Kind : std::uint8_t { constant, uniform, quantile };

  // The law of this name with these parameters: a row of laws/law.hpp, which says what they mean.
  // Throws std::invalid_argument if no row has this name and this number of parameters.
  static Law named(std::string_view name, const std::vector<double>& parameters);

  // The laws that kernels know; all names come to one of these.
  // `value`, rounded once to the dtype.
  static Law constant(double value);

  // low + u * (high - low), u uniform on [0, 1) in steps of 2^-24 (2^-53 for float64); low <= x < high also after
  // rounding to the dtype. low < high, both finite.
  static Law uniform(double low, double high);

  // A quantile function at (word + 1/2) / 2^32 (2^64 for float64); low <= x <= high also after rounding to the dtype.
  // The bounds may be infinite.
  static Law quantile(double low, double high, std::shared_ptr<const LawTables> tables);

  // The same law under a mask.
  Law under(Mask mask) const;

  Kind kind() const { return kind_; }
  double low() const { return low_; }                        // the smallest value (constant: the value)
  double high() const { return high_; }                      // the largest; never reached by a uniform law
  const LawTables* tables() const { return tables_.get(); }  // of quantile laws only
  const Mask* mask() const { return mask_.get(); }           // none: every element is drawn

 private:
  Law(Kind kind, double low, double high, std::shared_ptr<const LawTables> tables)
      : kind_(kind), low_(low), high_(high), tables_(std::move(tables)) {}

  Kind kind_;
  double low_, high_;
  std::shared_ptr<const LawTables> tables_;
  std::shared_ptr<const Mask> mask_;
};

// One axis of the memory.
struct Axis {
  std::int64_t count;          // elements along it
  std::int64_t byte_stride;    // from one to the next in memory; may be negative
  std::uint64_t index_stride;  // from one to the next in the full tensor, in elements
};

// Memory to fill, as a part of a larger tensor: the element at (i0, i1, ...) has the index
// first + i0 * axes[0].index_stride + i1 * axes[1].index_stride + ... (modulo 2^64).
struct Memory {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  std::uint64_t first = 0;
  std::vector<Axis> axes;               // none: one element
  const std::uint64_t* rows = nullptr;  // if set: axes[0].count row ids, which stand in for i0 in the formula
};

// How to run. `tick`, if set, is called on the calling thread at most every 50 ms and once at the end, with the number
// of elements finished so far; it returns false to stop early.
struct Execution {
  int threads = 1;
  std::function<bool(std::uint64_t done)> tick;
};

// One of several fills that are run together.
struct Fill {
  Law law;
  std::uint64_t seed;
  std::string_view stream;  // its name
  Memory memory;
};

// Fills the memory. False if `tick` stopped it: each element then holds its old or its final value.
bool fill(const Law& law, Stream stream, const Memory& memory, const Execution& execution);

// Runs all fills, whose memory does not overlap, as one piece of work for all threads.
bool fill(const std::vector<Fill>& fills, const Execution& execution);

// Where rows of a sparse matrix go: those of a law under Connections along the last axis of a matrix, from row
// `first_row` on, `kept` elements each: the column of each in ascending order, and its value.
struct SparseRows {
  std::uint64_t first_row = 0, rows = 0;
  Dtype dtype = Dtype::float32;
  void* values = nullptr;
  void* columns = nullptr;
  bool wide = false;  // columns are int64, otherwise int32
};

// Writes rows of a sparse matrix. False if `tick` stopped it.
bool fill_sparse(const Law& law, Stream stream, const SparseRows& out, const Execution& execution);

struct Difference {
  std::uint64_t count = 0;           // elements whose bits differ
  std::uint64_t first_position = 0;  // C-order position in the memory of the first of them; meaningless if count is 0
};

// Compares the memory's bits with what `fill` would write. Empty if `tick` stopped it.
std::optional<Difference> verify(const Law& law, Stream stream, const Memory& memory, const Execution& execution);

struct Summary {
  std::uint64_t count = 0, nan = 0, infinite = 0, zero = 0;  // elements; of these not-a-number, infinite, +-0
  double mean = 0, std = 0, min = 0, max = 0;                // of all finite ones; std with divisor n; NaN if none
};

// Reads the memory once. The numbers may depend on `threads` in their last bits. Empty if `tick` stopped it.
std::optional<Summary> summarize(const Memory& memory, const Execution& execution);

// Counts the finite elements in `bins` bins of one width from low to high, both finite, low < high; those outside count
// in the first or last bin. Reads the memory once. Empty if `tick` stopped it.
std::optional<std::vector<std::uint64_t>> histogram(const Memory& memory, double low, double high, std::size_t bins,
                                                    const Execution& execution);

// The number of the stream of this name: the first 8 bytes, little-endian, of its BLAKE2b of 8 bytes, 0 for the empty
// name. `person`, at most 16 bytes, gives a second, independent stream of the same name, of the empty one too.
std::uint64_t stream_number(std::string_view name, std::string_view person = {});

// The raw words [first, first + n) of a stream.
void words(Stream stream, std::uint64_t first, std::size_t n, std::uint32_t* out);

// Writes n bytes with the widest streaming stores, by `threads` threads: the speed to which fills are compared. None of
// the bytes is zero: some CPUs write lines of zeros several times faster than any others.
void streaming_ceiling(void* out, std::size_t n, int threads);

// Calls work() in the floating-point environment in which values are computed: round to nearest, subnormals kept.
void in_float_mode(const std::function<void()>& work);

// The instruction sets this build has kernels for. Names: baseline, avx2, avx512, neon.
std::vector<std::string_view> built_isas();      // narrowest first
std::vector<std::string_view> supported_isas();  // those this CPU can run
std::string_view active_isa();                   // what fills use: the widest supported one unless set
bool set_active_isa(std::string_view name);      // false if not supported; not while a fill runs

}  // namespace weightfill
