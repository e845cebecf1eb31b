// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: what they ask about the stack, on x86-64.
#include <elf.h>

#define _STACK_GROWS_DOWN 1
#define DEFAULT_STACK_PERMS (PF_R | PF_W | PF_X)
