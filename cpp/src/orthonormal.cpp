#include "weightfill/orthonormal.hpp"

#include <algorithm>
#include <cfenv>
#include <functional>
#include <memory>
#include <mutex>

#include "float_mode.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

// Up to this width LAPACK factors alone; wider matrices are halved, and their products shared among threads.
constexpr int kPanel = 256;
constexpr int kChunk = 128;         // columns or rows of a product, for one thread; never a function of their number
constexpr int kMostThreads = 64;    // LAPACKs keep memory for so many callers at once
constexpr std::int64_t kTile = 32;  // of a transpose

std::mutex one_thread_mutex;
int holders = 0;
int threads_before = 1;

// Memory that is written before it is read.
template <class T>
std::unique_ptr<T[]> scratch(std::int64_t n) {
  return std::unique_ptr<T[]>(new T[static_cast<std::size_t>(n)]);
}

// Rounds to nearest on the x87 as well, where LAPACKs sum squares for a norm; put back at the end of the scope.
class NearestRounding {
 public:
  NearestRounding() : saved_(std::fegetround()) { std::fesetround(FE_TONEAREST); }
  ~NearestRounding() { std::fesetround(saved_); }
  NearestRounding(const NearestRounding&) = delete;
  NearestRounding& operator=(const NearestRounding&) = delete;

 private:
  int saved_;
};

// QR of an m x n matrix, m >= n, in the compact form Q = I - V T V', where V is unit lower trapezoidal below R and T is
// upper triangular: recursive halves, so that nearly all of it is matrix products (Elmroth and Gustavson 2000). The
// products are cut at fixed places, whatever the number of threads.
template <class T>
class Factorization {
 public:
  Factorization(const Lapack<T>& lapack, const LapackThreads& lapack_threads, T* a, int m, int n, int threads)
      : lapack_(lapack),
        lapack_threads_(lapack_threads),
        a_(a),
        m_(m),
        n_(n),
        threads_(std::min(threads, kMostThreads)),
        t_(scratch<T>(std::int64_t{n} * n)) {}

  // Replaces the matrix by Q times a diagonal of signs and gain.
  void replace_by_q(T gain) {
    factor(0, n_);
    const auto scale = scratch<T>(n_);
    for (int j = 0; j < n_; ++j) scale[static_cast<std::size_t>(j)] = *a(j, j) < 0 ? -gain : gain;
    for (int j = 0; j < n_; ++j) std::fill(t(j, j) + 1, t(0, j) + n_, T{0});  // nothing is said about what is there
    // T becomes -T V1', then the lower part of the matrix V2 times that, and the upper one V1 times that, plus I.
    in_chunks(n_, [&](int i, int count) { trmm('R', 'L', 'T', 'U', count, n_, -1, a(0, 0), m_, t(i, 0), n_); });
    in_chunks(m_ - n_,
              [&](int i, int count) { trmm('R', 'U', 'N', 'N', count, n_, 1, t_.get(), n_, a(n_ + i, 0), m_); });
    in_chunks(n_, [&](int j, int count) { trmm('L', 'L', 'N', 'U', n_, count, 1, a(0, 0), m_, t(0, j), n_); });
    in_chunks(n_, [&](int first, int count) {
      for (int j = first; j < first + count; ++j) {
        std::copy(t(0, j), t(0, j) + n_, a(0, j));
        *a(j, j) += 1;
        std::for_each(a(0, j), a(0, j) + m_, [by = scale[static_cast<std::size_t>(j)]](T& value) { value *= by; });
      }
    });
  }

 private:
  T* a(int i, int j) { return a_ + i + std::int64_t{j} * m_; }
  T* t(int i, int j) { return t_.get() + i + std::int64_t{j} * n_; }

  // Factors `n` columns from `first` on, from the row of that number down.
  void factor(int first, int n) {
    if (n <= kPanel) {
      int m = m_ - first, info = 0;
      lapack_.geqrt3(&m, &n, a(first, first), &m_, t(first, first), &n_, &info);
      return;
    }
    const int n1 = n / 2, n2 = n - n1, second = first + n1;
    factor(first, n1);
    in_chunks(n2, [&](int j, int count) { reflect(first, n1, second + j, count); });
    factor(second, n2);
    join(first, n1, second, n2);
  }

  // Applies Q' of the n1 columns from `first` on to `count` columns from `column` on.
  void reflect(int first, int n1, int column, int count) {
    const int second = first + n1, below = m_ - second;
    const auto w = scratch<T>(std::int64_t{n1} * count);
    for (int j = 0; j < count; ++j) {
      const T* const from = a(first, column + j);
      std::copy(from, from + n1, w.get() + std::int64_t{j} * n1);
    }
    trmm('L', 'L', 'T', 'U', n1, count, 1, a(first, first), m_, w.get(), n1);
    gemm('T', 'N', n1, count, below, 1, a(second, first), m_, a(second, column), m_, w.get(), n1);
    trmm('L', 'U', 'T', 'N', n1, count, 1, t(first, first), n_, w.get(), n1);
    gemm('N', 'N', below, count, n1, -1, a(second, first), m_, w.get(), n1, a(second, column), m_);
    trmm('L', 'L', 'N', 'U', n1, count, 1, a(first, first), m_, w.get(), n1);
    for (int j = 0; j < count; ++j) {
      T* const to = a(first, column + j);
      for (int i = 0; i < n1; ++i) to[i] -= w[static_cast<std::size_t>(i + std::int64_t{j} * n1)];
    }
  }

  // The block of T that joins two factored halves: -T1 V1' V2 T2.
  void join(int first, int n1, int second, int n2) {
    const int below = m_ - second - n2;
    in_chunks(n1, [&](int i, int count) {
      for (int j = 0; j < n2; ++j)
        for (int k = i; k < i + count; ++k) *t(first + k, second + j) = *a(second + j, first + k);
      T* const rows = t(first + i, second);
      trmm('R', 'L', 'N', 'U', count, n2, 1, a(second, second), m_, rows, n_);
      gemm('T', 'N', count, n2, below, 1, a(second + n2, first + i), m_, a(second + n2, second), m_, rows, n_);
      trmm('R', 'U', 'N', 'N', count, n2, 1, t(second, second), n_, rows, n_);
    });
    in_chunks(n2, [&](int j, int count) {
      trmm('L', 'U', 'N', 'N', n1, count, -1, t(first, first), n_, t(first, second + j), n_);
    });
  }

  // Calls body(first, count) for parts of [0, total): one part for a matrix that LAPACK factors alone.
  template <class Body>
  void in_chunks(int total, const Body& body) {
    if (total == 0) return;
    if (n_ <= kPanel) return body(0, total);
    const std::function<void(std::uint64_t, std::uint64_t)> part = [&](std::uint64_t begin, std::uint64_t end) {
      const OneThread alone(lapack_threads_);
      body(static_cast<int>(begin), static_cast<int>(end - begin));
    };
    share(static_cast<std::uint64_t>(total), kChunk, {threads_, {}}, part);
  }

  void trmm(char side, char uplo, char trans, char diag, int m, int n, T alpha, T* a, int lda, T* b, int ldb) {
    lapack_.trmm(&side, &uplo, &trans, &diag, &m, &n, &alpha, a, &lda, b, &ldb);
  }

  // c += alpha * a b
  void gemm(char transa, char transb, int m, int n, int k, T alpha, T* a, int lda, T* b, int ldb, T* c, int ldc) {
    T one = 1;
    if (k > 0) lapack_.gemm(&transa, &transb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &one, c, &ldc);
  }

  const Lapack<T>& lapack_;
  const LapackThreads& lapack_threads_;
  T* const a_;  // m x n in column order
  int m_, n_;
  const int threads_;
  const std::unique_ptr<T[]> t_;
};

// to[j][i] = from[i][j]
template <class T>
void transpose(const T* from, T* to, std::int64_t rows, std::int64_t columns, int threads) {
  const std::function<void(std::uint64_t, std::uint64_t)> part = [=](std::uint64_t first, std::uint64_t last) {
    const auto begin = static_cast<std::int64_t>(first), end = static_cast<std::int64_t>(last);
    for (std::int64_t i0 = begin; i0 < end; i0 += kTile)
      for (std::int64_t j0 = 0; j0 < columns; j0 += kTile)
        for (std::int64_t i = i0; i < std::min(i0 + kTile, end); ++i)
          for (std::int64_t j = j0; j < std::min(j0 + kTile, columns); ++j) to[j * rows + i] = from[i * columns + j];
  };
  share(static_cast<std::uint64_t>(rows), 32 * kTile, {threads, {}}, part);
}

}  // namespace

OneThread::OneThread(const LapackThreads& threads) : threads_(threads) {
  if (!threads_.set) return;
  if (threads_.of_each_thread) {
    before_ = threads_.get();
    if (before_ != 1) threads_.set(1);
    return;
  }
  const std::lock_guard lock(one_thread_mutex);
  if (holders++ > 0) return;
  threads_before = threads_.get();
  if (threads_before != 1) threads_.set(1);
}

OneThread::~OneThread() {
  if (!threads_.set) return;
  if (threads_.of_each_thread) {
    if (before_ != 1) threads_.set(before_);
    return;
  }
  const std::lock_guard lock(one_thread_mutex);
  if (--holders == 0 && threads_before != 1 && threads_.get() == 1) threads_.set(threads_before);
}

template <class T>
void orthonormalize(const Lapack<T>& lapack, const LapackThreads& lapack_threads, T* matrix, std::int64_t rows,
                    std::int64_t columns, T gain, int threads) {
  const NearestRounding rounding;
  const FloatMode mode;
  const OneThread alone(lapack_threads);
  if (rows <= columns) {  // in C order, it is the transpose in column order
    Factorization<T>(lapack, lapack_threads, matrix, static_cast<int>(columns), static_cast<int>(rows), threads)
        .replace_by_q(gain);
    return;
  }
  const auto turned = scratch<T>(rows * columns);
  transpose(matrix, turned.get(), rows, columns, threads);
  Factorization<T>(lapack, lapack_threads, turned.get(), static_cast<int>(rows), static_cast<int>(columns), threads)
      .replace_by_q(gain);
  transpose(turned.get(), matrix, columns, rows, threads);
}

template void orthonormalize(const Lapack<float>&, const LapackThreads&, float*, std::int64_t, std::int64_t, float,
                             int);
template void orthonormalize(const Lapack<double>&, const LapackThreads&, double*, std::int64_t, std::int64_t, double,
                             int);

}  // namespace weightfill
