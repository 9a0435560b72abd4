#include "masks/mending.hpp"

#include <algorithm>

#include "kernels/dispatch.hpp"

namespace weightfill {

void Mending::write_among_zeros(std::byte* data, std::size_t bytes) {
  constexpr std::size_t kLine = 64, kPiece = 8192;
  alignas(kLine) std::byte scratch[2][kPiece] = {};
  struct Piece {
    std::byte *out, *values;
    std::size_t size, begin, end;  // bytes; of places_
  };
  make_values();
  std::size_t done = 0, next = 0;
  const auto put_together = [&](std::byte* values) {
    std::byte* const out = data + done;
    const std::size_t off = reinterpret_cast<std::uintptr_t>(out) % kLine;
    std::size_t size = std::min(bytes - done, kPiece);
    if (off != 0) size = std::min(size, kLine - off);
    else if (size >= kLine) size = size / kLine * kLine;
    Piece piece{out, values, size, next, next};
    for (; next < places_.size() && places_[next] < out + size; ++next)
      store(values + (places_[next] - out), values_.data() + next * item_size_);
    piece.end = next;
    done += size;
    return piece;
  };
  const Kernels& kernels = active_kernels();
  for (Piece now = put_together(scratch[0]), then; now.size > 0; now = then) {
    then = put_together(now.values == scratch[0] ? scratch[1] : scratch[0]);
    if (now.size % kLine == 0) kernels.stream_copy(now.out, now.values, now.size);
    else std::memcpy(now.out, now.values, now.size);
    for (std::size_t i = now.begin; i < now.end; ++i) zero(now.values + (places_[i] - now.out));
  }
  finish_streaming();
  clear();
}

}  // namespace weightfill
