// SPDX-License-Identifier: MIT
// Before each source of glibc's tests: the marks of its own build, which mean nothing outside.
#include <errno.h>
#include <limits.h>

#define attribute_hidden
#define libc_hidden_proto(...)
#define libc_hidden_def(...)
#define rtld_hidden_proto(...)
#define __timespec64 timespec
#define __set_errno(value) (errno = (value))
