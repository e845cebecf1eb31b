/* SPDX-License-Identifier: MIT
 * The heap truth in C++: the amounts of heap_sites.c through operators and containers. Run by
 * e2e/heap_sites.py and long/heap_seeds.py.
 */
#include "truth.h"
#include <new>
#include <string>
#include <vector>

namespace
{
constexpr size_t KIB = 1024, MIB = 1024 * KIB;

struct Piece {
    char bytes[KIB];
};

struct alignas(256) Wide {
    char bytes[4 * KIB];
};

Piece *pieces[64 * KIB];
char *arrays[32];
std::vector<char> grown[16];
Wide *wide[8 * MIB / sizeof(Wide)];
std::string texts[8 * MIB / 2048];
} // namespace

SITE void site_new(void)
{
    for (auto &p : pieces) {
        p = new Piece;
        p->bytes[0] = 1;
    }
    requests("site_new", sizeof(Piece), 64 * KIB, 64 * KIB);
}

SITE void site_new_array_nothrow(void)
{
    for (auto &p : arrays) {
        p = new (std::nothrow) char[MIB];
        p[0] = 1;
    }
    requests("site_new_array_nothrow", MIB, 32, 32);
}

/* Growth by reserve is a new block of exactly that size, then the delete of the old one. */
SITE void site_vector(void)
{
    for (auto &v : grown)
        for (size_t size = 64 * KIB; size <= MIB; size *= 2) {
            v.reserve(size);
            requests("site_vector", size, 1, size == MIB);
        }
}

SITE void site_new_aligned(void)
{
    for (auto &p : wide) {
        p = new Wide;
        must(reinterpret_cast<uintptr_t>(p) % alignof(Wide) == 0, "aligned new");
    }
    requests("site_new_aligned", sizeof(Wide), 8 * MIB / sizeof(Wide), 8 * MIB / sizeof(Wide));
}

/* A string of n characters in an empty one asks for n + 1 bytes. */
SITE void site_string(void)
{
    for (auto &s : texts)
        s = std::string(2047, 'x');
    requests("site_string", 2048, 8 * MIB / 2048, 8 * MIB / 2048);
}

SITE void site_churn_sized(void)
{
    for (size_t i = 0; i < 64 * KIB; i++) {
        void *p = ::operator new(4 * KIB);
        keep(p);
        ::operator delete(p, 4 * KIB);
    }
    requests("site_churn_sized", 4 * KIB, 64 * KIB, 0);
}

int main()
{
    site_new();
    site_new_array_nothrow();
    site_vector();
    site_new_aligned();
    site_string();
    site_churn_sized();
    print_sites();
    _Exit(0); /* the containers stay live */
}
