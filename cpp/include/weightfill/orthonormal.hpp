// Orthonormal matrices from normal ones, by the routines of a LAPACK that are called by address.
#pragma once

#include <cstdint>

namespace weightfill {

// Fortran's: all arguments are pointers, matrices are in column order.
template <class T>
struct Lapack {
  using Geqrt3 = void (*)(int* m, int* n, T* a, int* lda, T* t, int* ldt, int* info);
  using Trmm = void (*)(char* side, char* uplo, char* trans, char* diag, int* m, int* n, T* alpha, T* a, int* lda, T* b,
                        int* ldb);
  using Gemm = void (*)(char* transa, char* transb, int* m, int* n, int* k, T* alpha, T* a, int* lda, T* b, int* ldb,
                        T* beta, T* c, int* ldc);
  Geqrt3 geqrt3;
  Trmm trmm;
  Gemm gemm;
};

// How many threads a LAPACK uses. Null where it cannot be told.
struct LapackThreads {
  int (*get)() = nullptr;
  void (*set)(int) = nullptr;
  bool of_each_thread = false;  // as of OpenMP; otherwise one number for the process
};

// Keeps a LAPACK to one thread while any such object exists. The number of before comes back with the last one, unless
// it was changed meanwhile.
class OneThread {
 public:
  explicit OneThread(const LapackThreads& threads);
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const LapackThreads& threads_;
  int before_ = 1;
};

// Turns a matrix A of normal elements in C order into gain * Q, where A = QR and R has a positive diagonal, or, if it
// has fewer rows than columns, into gain * Q.T, where A.T = QR. Sizes: 1 <= rows, columns < 2^31, the smaller below
// 46,341. Bits depend on the LAPACK, but on no number of threads. May throw std::bad_alloc.
template <class T>
void orthonormalize(const Lapack<T>& lapack, const LapackThreads& lapack_threads, T* matrix, std::int64_t rows,
                    std::int64_t columns, T gain, int threads);

}  // namespace weightfill
