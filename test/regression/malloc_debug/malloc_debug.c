// SPDX-License-Identifier: MIT
// libc_malloc_debug.so offers malloc only under the version that programs ask for, so a look-up
// that names no version does not find it: preloaded behind the library it was not called. With
// MALLOC_CHECK_ it knows sizes to the byte; libc's malloc rounds them up.
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
