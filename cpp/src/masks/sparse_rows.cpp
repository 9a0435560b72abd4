// Rows of a sparse matrix, without a dense step.
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <variant>

#include "masks/fitting.hpp"
#include "masks/positions.hpp"
#include "writing/job.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

const Mask::Connections& connections_of(const Law& law) {
  const auto* connections = law.mask() ? std::get_if<Mask::Connections>(&law.mask()->pattern) : nullptr;
  if (connections == nullptr || connections->slices)
    throw std::invalid_argument("law must be under connections that were not drawn before, got another");
  return *connections;
}

// The index of a slice's first element.
std::uint64_t first_index(const Mask& mask, std::uint64_t slice) {
  return slice / mask.stride * (mask.stride * mask.count) + slice % mask.stride;
}

template <class Column>
void write_rows(const Law& law, Stream stream, const SparseRows& out, std::uint64_t begin, std::uint64_t end) {
  const Mask& mask = *law.mask();
  const std::uint64_t kept = std::get<Mask::Connections>(mask.pattern).kept;
  const std::size_t item_size = item_size_of(out.dtype);
  const Writer writer(law, out.dtype, stream);
  Positions positions(mask, stream.seed);
  auto* column = static_cast<Column*>(out.columns) + begin * kept;
  auto* value = static_cast<std::byte*>(out.values) + begin * kept * item_size;
  std::uint64_t indices[512];  // of values that are not yet written
  std::size_t count = 0;
  const auto write_values = [&] {
    writer.gather(indices, count, value);
    value += count * item_size;
    count = 0;
  };
  for (std::uint64_t row = begin; row < end; ++row) {
    const std::uint64_t first = first_index(mask, out.first_row + row);
    const auto keep = [&](std::uint64_t position) {
      *column++ = static_cast<Column>(position);
      indices[count++] = first + position * mask.stride;
      if (count == std::size(indices)) write_values();
    };
    const auto& listed = positions.of(out.first_row + row);
    if (positions.lists_kept()) {
      for (const std::uint64_t position : listed) keep(position);
    } else {
      auto next = listed.begin();
      for (std::uint64_t position = 0; position < mask.count; ++position) {
        if (next != listed.end() && *next == position) ++next;
        else keep(position);
      }
    }
  }
  write_values();
}

}  // namespace

bool fill_sparse(const Law& law, Stream stream, const SparseRows& out, const Execution& execution) {
  const std::uint64_t kept = connections_of(law).kept;
  if (out.rows == 0 || kept == 0) return true;
  check_mask(*law.mask());
  const std::size_t item_size = item_size_of(out.dtype) + (out.wide ? 8 : 4);
  const std::uint64_t elements = out.rows * kept;
  const std::uint64_t rows = std::max<std::uint64_t>(part_elements(elements, item_size, execution.threads) / kept, 1);
  return share(elements, rows * kept, execution, [&](auto begin, auto end) {
    if (out.wide) write_rows<std::int64_t>(law, stream, out, begin / kept, end / kept);
    else write_rows<std::int32_t>(law, stream, out, begin / kept, end / kept);
  });
}

}  // namespace weightfill
