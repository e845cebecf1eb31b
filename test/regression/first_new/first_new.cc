// SPDX-License-Identifier: MIT
//
// Whether an operator new comes back through malloc is found out at its first call, by setting the
// thread's countdown to 0 for it. An operator that is made of another one asked twice, the inner
// question spoilt the outer one's answer, and the small object was sampled: at the default rate, 16
// bytes counted for half a megabyte. Right: the first calls are sampled no more often than others.
//
// Makes one call of the variant that its argument names, the first of the process.

#include <cstdlib>
#include <cstring>
#include <new>

struct alignas(64) Wide {
    char c[64];
};

static void *volatile kept;

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    kept = std::malloc(1); // the thread's first gap is drawn here
    if (std::strcmp(what, "new[]") == 0)
        kept = new char[16];
    else if (std::strcmp(what, "nothrow new") == 0)
        kept = new (std::nothrow) char;
    else if (std::strcmp(what, "nothrow new[]") == 0)
        kept = new (std::nothrow) char[16];
    else if (std::strcmp(what, "aligned new[]") == 0)
        kept = new Wide[1];
    else if (std::strcmp(what, "aligned nothrow new") == 0)
        kept = new (std::nothrow) Wide;
    else if (std::strcmp(what, "aligned nothrow new[]") == 0)
        kept = new (std::nothrow) Wide[1];
    else
        return 2;
    return kept ? 0 : 1;
}
