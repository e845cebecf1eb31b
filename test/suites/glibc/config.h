// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: nothing that configure finds out matters to them.
