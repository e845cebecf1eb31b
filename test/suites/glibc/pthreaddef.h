// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: nothing that they use.
