/* SPDX-License-Identifier: MIT
 * Each of the 8 C++ operators new and 12 operators delete once, in pairs, and a new that fails. Run
 * by e2e/heap_calls.py at rate 1, above each allocator ("no-fail" above mimalloc 2.0, which aborts
 * the program there). Aligned sizes are multiples of the alignment: libstdc++ asks malloc for that
 * much anyway.
 */
#include "truth.h"
#include <new>

namespace
{
constexpr std::align_val_t WIDE{128};
constexpr int N = 10;
void *kept[8][N];
volatile size_t huge = SIZE_MAX / 2 - 4096;

void used(void *p, size_t size, size_t alignment)
{
    must(p != nullptr && reinterpret_cast<uintptr_t>(p) % alignment == 0, "aligned memory");
    memset(p, 0x5a, size);
}
} // namespace

/* A site: N blocks stay, and one block for each kind of delete is freed. */
#define STAY(row, size, alignment, ...)                                                            \
    for (int i = 0; i < N; i++)                                                                    \
    used(kept[row][i] = __VA_ARGS__, size, alignment)
#define GO(size, alignment, get, ...)                                                              \
    do {                                                                                           \
        void *p = get;                                                                             \
        used(p, size, alignment);                                                                  \
        __VA_ARGS__;                                                                               \
    } while (0)

SITE void site_new(void)
{
    STAY(0, 1000, 16, ::operator new(1000));
    GO(1000, 16, ::operator new(1000), ::operator delete(p));
    GO(1000, 16, ::operator new(1000), ::operator delete (p, size_t{1000}));
    requests("site_new", 1000, N + 2, N);
}

SITE void site_new_nothrow(void)
{
    STAY(1, 1001, 16, ::operator new(1001, std::nothrow));
    GO(1001, 16, ::operator new(1001, std::nothrow), ::operator delete(p, std::nothrow));
    requests("site_new_nothrow", 1001, N + 1, N);
}

SITE void site_new_aligned(void)
{
    STAY(2, 1024, 128, ::operator new(1024, WIDE));
    GO(1024, 128, ::operator new(1024, WIDE), ::operator delete(p, WIDE));
    GO(1024, 128, ::operator new(1024, WIDE), ::operator delete (p, size_t{1024}, WIDE));
    requests("site_new_aligned", 1024, N + 2, N);
}

SITE void site_new_aligned_nothrow(void)
{
    STAY(3, 1152, 128, ::operator new(1152, WIDE, std::nothrow));
    GO(1152, 128, ::operator new(1152, WIDE, std::nothrow),
       ::operator delete(p, WIDE, std::nothrow));
    requests("site_new_aligned_nothrow", 1152, N + 1, N);
}

SITE void site_array(void)
{
    STAY(4, 1004, 16, ::operator new[](1004));
    GO(1004, 16, ::operator new[](1004), ::operator delete[](p));
    GO(1004, 16, ::operator new[](1004), ::operator delete[](p, size_t{1004}));
    requests("site_array", 1004, N + 2, N);
}

SITE void site_array_nothrow(void)
{
    STAY(5, 1005, 16, ::operator new[](1005, std::nothrow));
    GO(1005, 16, ::operator new[](1005, std::nothrow), ::operator delete[](p, std::nothrow));
    requests("site_array_nothrow", 1005, N + 1, N);
}

SITE void site_array_aligned(void)
{
    STAY(6, 1280, 128, ::operator new[](1280, WIDE));
    GO(1280, 128, ::operator new[](1280, WIDE), ::operator delete[](p, WIDE));
    GO(1280, 128, ::operator new[](1280, WIDE), ::operator delete[](p, size_t{1280}, WIDE));
    requests("site_array_aligned", 1280, N + 2, N);
}

SITE void site_array_aligned_nothrow(void)
{
    STAY(7, 1408, 128, ::operator new[](1408, WIDE, std::nothrow));
    GO(1408, 128, ::operator new[](1408, WIDE, std::nothrow),
       ::operator delete[](p, WIDE, std::nothrow));
    requests("site_array_aligned_nothrow", 1408, N + 1, N);
}

SITE void fail(void)
{
    must(::operator new(huge, std::nothrow) == nullptr, "nothrow new gives NULL");
    try {
        keep(::operator new(huge));
        must(0, "new throws");
    } catch (const std::bad_alloc &) {
    }
}

int main(int argc, char **argv)
{
    site_new();
    site_new_nothrow();
    site_new_aligned();
    site_new_aligned_nothrow();
    site_array();
    site_array_nothrow();
    site_array_aligned();
    site_array_aligned_nothrow();
    if (argc < 2 || strcmp(argv[1], "no-fail") != 0)
        fail();
    print_sites();
    return 0;
}
