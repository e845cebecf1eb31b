// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: a name of the system's libc as old programs know it. On
// x86-64 every version up to 2.2.5 is that one.
#define OLDEST_GLIBC_2_0 "GLIBC_2.2.5"
#define OLDEST_GLIBC_2_1 "GLIBC_2.2.5"

#define TEST_COMPAT(library, introduced, obsoleted) 1
#define PTHREAD_IN_LIBC 1
#define compat_symbol_reference(library, local, symbol, version)                                   \
    __asm__(".symver " #local "," #symbol "@" OLDEST_##version)
