// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: no aliases, no hidden names.
