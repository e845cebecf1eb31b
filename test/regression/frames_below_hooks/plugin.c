/* SPDX-License-Identifier: MIT
 *
 * Calls the program back when it is unloaded.
 */
void (*plugin_at_end)(void);

__attribute__((destructor)) static void plugin_end(void)
{
    if (plugin_at_end)
        plugin_at_end();
}
