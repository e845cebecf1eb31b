// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: what gnulib would ask for is there.
