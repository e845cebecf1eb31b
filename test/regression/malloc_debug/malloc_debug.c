// SPDX-License-Identifier: MIT
// libc_malloc_debug.so offers malloc under the version that programs ask for alone, hidden from a
// look-up that names none: behind the library it was passed over. With MALLOC_CHECK_ it knows sizes
// to the byte; libc's malloc rounds them up.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    void *p = malloc(7);
    printf("%zu\n", malloc_usable_size(p));
    free(p);
    return 0;
}
