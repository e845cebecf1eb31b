/* SPDX-License-Identifier: MIT
 *
 * The moment before the program itself begins: libc's __libc_start_main(), which calls the
 * program's own constructors and main(), and hands `environ` to them. Where the library has started
 * before libc had set that, the environment is made ready for child processes here. A shell makes
 * variables of its own of what it is handed.
 *
 * Without a frame of ours: every stack of the main thread ends below it.
 */
#include "collectors/base/arch/stubs.h"
#include "preload/config.h"
#include "preload/hooks/real.h"

HIDDEN void hook_main_begins(void); /* named in assembly */
void hook_main_begins(void)
{
    config_hand_down_late();
}

ARCH_STUB(EXPORT, __libc_start_main, real_other.start_main, hook_main_begins)
