/* SPDX-License-Identifier: MIT
 *
 * The plugin: in C, so that no libstdc++ comes along; it uses the operators by their symbols.
 */
#include <stddef.h>

void *_Znwm(size_t size); /* operator new(size_t) */
void _ZdlPv(void *p);     /* operator delete(void *) */

int plugin_work(void);
int plugin_work(void)
{
    void *p = _Znwm(10);
    _ZdlPv(p);
    return p != NULL;
}
