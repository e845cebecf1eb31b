/* SPDX-License-Identifier: MIT
 *
 * Stands for libc++.so.1: a C++ runtime that is not libstdc++, with operators of its own.
 */
#include <stdlib.h>

void *_Znwm(size_t size); /* operator new(size_t) */
void _ZdlPv(void *p);     /* operator delete(void *) */

void *_Znwm(size_t size)
{
    return malloc(size);
}

void _ZdlPv(void *p)
{
    free(p);
}
