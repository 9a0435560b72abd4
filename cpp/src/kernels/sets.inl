// Kernels for sets of positions, written once. Included by kernels.inl.

void bound_words(const std::uint32_t* words, std::uint64_t bound, std::size_t n, std::uint64_t* drawn) {
  alignas(64) std::uint64_t lane[kLanes];
  for (int i = 0; i < kLanes; ++i) lane[i] = bound + static_cast<std::uint64_t>(i);
  u64v factor = load(lane);
  const u64v step = set64(kLanes);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const u64v w = load(words + 2 * i);
    const u64v low = multiply_low(w, factor), high = multiply_low(high_half(w), factor);
    store(drawn + i, high_half(add64(high, high_half(low))));
    factor = add64(factor, step);
  }
}

void pack_bytes(const unsigned char* bytes, std::size_t words, std::uint64_t* bits) {
  for (std::size_t i = 0; i < words; ++i) bits[i] = top_bits(bytes + 64 * i);
}

// For the elements of 64 bits: of each value of their bits, all ones in those whose bit is set.
template <class T>
struct Spread {
  static constexpr std::size_t kItems = 8 / sizeof(T), kValues = std::size_t{1} << kItems;
  std::uint64_t mask[kValues] = {};
  constexpr Spread() {
    for (std::size_t value = 0; value < kValues; ++value)
      for (std::size_t i = 0; i < kItems; ++i)
        mask[value] |= (value >> i & 1) * std::uint64_t{T(~T{0})} << (i * 8 * sizeof(T));
  }
};

// 32- and 64-bit elements a vector at a time, the others 64 bits at a time.
template <class T>
void keep_items(const std::uint64_t* bits, std::size_t n, std::byte* out) {
  std::size_t i = 0;
  if constexpr (sizeof(T) >= 4) {
    constexpr std::size_t kItems = kBytes / sizeof(T);
    for (; i + kItems <= n; i += kItems) {
      const std::uint64_t some = bits[i / 64] >> i % 64;
      u64v items;
      std::memcpy(&items, out + i * sizeof(T), kBytes);
      if constexpr (sizeof(T) == 4) items = and_(items, spread32(some));
      else items = and_(items, spread64(some));
      store(out + i * sizeof(T), items);
    }
  } else {
    static constexpr Spread<T> kSpread;
    for (; i + kSpread.kItems <= n; i += kSpread.kItems) {
      std::uint64_t items;
      std::memcpy(&items, out + i * sizeof(T), 8);
      items &= kSpread.mask[bits[i / 64] >> i % 64 & (kSpread.kValues - 1)];
      std::memcpy(out + i * sizeof(T), &items, 8);
    }
  }
  for (; i < n; ++i)
    if (!(bits[i / 64] >> i % 64 & 1)) std::memset(out + i * sizeof(T), 0, sizeof(T));
}

void keep_elements(const std::uint64_t* bits, std::size_t n, std::size_t item_size, void* elements) {
  auto* out = static_cast<std::byte*>(elements);
  if (item_size == 1) keep_items<std::uint8_t>(bits, n, out);
  else if (item_size == 2) keep_items<std::uint16_t>(bits, n, out);
  else if (item_size == 4) keep_items<std::uint32_t>(bits, n, out);
  else keep_items<std::uint64_t>(bits, n, out);
}
