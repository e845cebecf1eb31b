// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: the start files define it.
extern void *__dso_handle;
