/* SPDX-License-Identifier: MIT
 *
 * What the storm loads and unloads: code through which it is called back.
 */
int plugin_run(int depth, int (*back)(int), int arg);

static __attribute__((noinline)) int through(int depth, int (*back)(int), int arg)
{
    volatile char room[48];
    room[0] = (char)depth;
    int got = depth > 0 ? through(depth - 1, back, arg) : back(arg);
    return got + room[0];
}

int plugin_run(int depth, int (*back)(int), int arg)
{
    return through(depth, back, arg) + 1;
}
