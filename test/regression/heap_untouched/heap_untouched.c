// SPDX-License-Identifier: MIT
// A look-up that failed while the library started left its error message in the program's heap,
// and so created that heap. Right: before its first allocation a program has no heap.
#include <malloc.h>
#include <stdio.h>

int main(void)
{
    struct mallinfo2 heap = mallinfo2();
    printf("%zu bytes from the kernel, %zu in use\n", heap.arena, heap.uordblks);
    return 0;
}
