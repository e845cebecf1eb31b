/* SPDX-License-Identifier: MIT
 * A program that replaces only some operators: its own plain new and delete put a header before
 * each block, so a delete that reaches the wrong one dies. new[] stays libstdc++'s, which
 * calls the replaced new; each request must be counted once. Run by e2e/heap_calls.py.
 */
#include "truth.h"
#include <new>

namespace
{
constexpr size_t HEADER = 32;
constexpr uint64_t MAGIC = 0x6d61676963212121;
constexpr int N = 1000;
void *kept[3][N];
long ours; /* calls of the replaced new */
} // namespace

/* A function with a mangled name, for e2e/names.py. */
namespace shelf
{
__attribute__((noipa)) void stock(size_t size)
{
    void *p = malloc(size);
    keep(p);
}
} // namespace shelf

void *operator new(size_t size)
{
    auto *p = static_cast<uint64_t *>(malloc(size + HEADER));
    if (p == nullptr)
        throw std::bad_alloc();
    *p = MAGIC;
    ours++;
    return reinterpret_cast<char *>(p) + HEADER;
}

void operator delete(void *p) noexcept
{
    if (p == nullptr)
        return;
    auto *block = reinterpret_cast<uint64_t *>(static_cast<char *>(p) - HEADER);
    must(*block == MAGIC, "our own delete for our own new");
    *block = 0;
    free(block);
}

void operator delete(void *p, size_t) noexcept
{
    operator delete(p);
}

SITE void site_replaced(void)
{
    for (auto &p : kept[0])
        p = ::operator new(100);
    for (int i = 0; i < N / 2; i++)
        ::operator delete(kept[0][i]);
    requests("site_replaced", 100 + HEADER, N, N - N / 2);
}

SITE void site_array(void)
{
    long before = ours;
    for (auto &p : kept[1])
        p = ::operator new[](200);
    for (int i = 0; i < N / 4; i++)
        ::operator delete[](kept[1][i]);
    /* The new[] of an allocator such as jemalloc does not call the replaced new. */
    requests("site_array", ours > before ? 200 + HEADER : 200, N, N - N / 4);
}

SITE void site_aligned(void)
{
    for (auto &p : kept[2])
        p = ::operator new (320, std::align_val_t{64});
    for (int i = 0; i < N / 8; i++)
        ::operator delete (kept[2][i], std::align_val_t{64});
    requests("site_aligned", 320, N, N - N / 8);
}

int main()
{
    shelf::stock(400);
    site_replaced();
    site_array();
    site_aligned();
    print_sites();
    return 0;
}
