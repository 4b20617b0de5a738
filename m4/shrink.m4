dnl SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause

dnl SHRINK_TRY_CFLAG(variable, flag): appends the flag where the compiler takes it
AC_DEFUN([SHRINK_TRY_CFLAG], [
  AS_VAR_PUSHDEF([cache], [shrink_cv_cflag_$2])
  AC_CACHE_CHECK([whether $CC takes $2], [cache], [
    shrink_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS=$shrink_save_CFLAGS
  ])
  AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
  AS_VAR_POPDEF([cache])
])

AC_DEFUN([SHRINK_WARNINGS], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [warnings are errors])])
  SHRINK_CFLAGS=
  m4_foreach_w([flag], [-std=gnu11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -fvisibility=hidden -fno-semantic-interposition -fno-common],
    [SHRINK_TRY_CFLAG([SHRINK_CFLAGS], flag)])
  AS_IF([test "x$enable_werror" = xyes], [SHRINK_CFLAGS="$SHRINK_CFLAGS -Werror"])
  AC_SUBST([SHRINK_CFLAGS])
])

AC_DEFUN([SHRINK_SANITIZER], [
  AC_ARG_ENABLE([sanitizer], [AS_HELP_STRING([--enable-sanitizer=LIST], [build with -fsanitize=LIST (thread; address,undefined)])])
  shrink_sanitizer=none
  AS_IF([test "x$enable_sanitizer" != x && test "x$enable_sanitizer" != xno], [
    shrink_sanitizer=$enable_sanitizer
    SHRINK_SANITIZER_FLAGS="-fsanitize=$enable_sanitizer -fno-omit-frame-pointer -g -O1"
  ])
  AC_SUBST([SHRINK_SANITIZER_FLAGS])
  AM_CONDITIONAL([SANITIZER], [test "x$shrink_sanitizer" != xnone])
])

dnl SHRINK_OPTIONAL(option, VARIABLE, pkg-config modules, what for)
AC_DEFUN([SHRINK_OPTIONAL], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [do without $1 ($4)])])
  shrink_report_$1="not built in (--without-$1)"
  shrink_have_$1=no
  AS_IF([test "x$with_$1" != xno], [
    PKG_CHECK_MODULES([$2], [$3], [
      shrink_have_$1=yes
      shrink_report_$1="yes ($4)"
      AC_DEFINE([HAVE_$2], [1], [$4])
    ], [
      AS_IF([test "x$with_$1" = xyes], [AC_MSG_ERROR([$1 asked for but not found])])
      shrink_report_$1="not built in ($3 not found)"
    ])
  ])
  AM_CONDITIONAL([HAVE_$2], [test $shrink_have_$1 = yes])
])

dnl SHRINK_OPTIONAL_HEADER(option, VARIABLE, header, what for)
AC_DEFUN([SHRINK_OPTIONAL_HEADER], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [do without $3 ($4)])])
  shrink_report_$1="not built in (--without-$1)"
  shrink_have_$1=no
  AS_IF([test "x$with_$1" != xno], [
    AC_CHECK_HEADER([$3], [
      shrink_have_$1=yes
      shrink_report_$1="yes ($3)"
      AC_DEFINE([HAVE_$2], [1], [$4])
    ], [
      AS_IF([test "x$with_$1" = xyes], [AC_MSG_ERROR([$3 asked for but not found])])
      shrink_report_$1="not built in ($3 not found)"
    ])
  ])
  AM_CONDITIONAL([HAVE_$2], [test $shrink_have_$1 = yes])
])

dnl SHRINK_BPF: clang that makes programs for the kernel, with the headers of libbpf
AC_DEFUN([SHRINK_BPF], [
  AC_ARG_ENABLE([bpf], [AS_HELP_STRING([--disable-bpf], [do without programs for the kernel (bridge:trace)])])
  AC_PATH_PROGS([CLANG], [clang clang-19 clang-16 clang-14])
  shrink_have_bpf=no
  shrink_report_bpf="not built in (--disable-bpf)"
  BPF_CFLAGS="-O2 -g -target bpf -Wall -I/usr/include/`$CC -print-multiarch 2>/dev/null`"
  AS_IF([test "x$enable_bpf" != xno], [
    AC_MSG_CHECKING([for clang -target bpf and the headers of libbpf])
    AS_IF([test -n "$CLANG" && printf '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\n#include <bpf/bpf_tracing.h>\n' >conftest.bpf.c && $CLANG $BPF_CFLAGS -c conftest.bpf.c -o conftest.bpf.o >/dev/null 2>&1], [
      shrink_have_bpf=yes
      shrink_report_bpf="yes (libbpf is loaded where bridge is on)"
      AC_DEFINE([HAVE_BPF], [1], [programs for the kernel are built in])
    ], [
      AS_IF([test "x$enable_bpf" = xyes], [AC_MSG_ERROR([bpf asked for, but clang or libbpf's headers were not found])])
      shrink_report_bpf="not built in (clang -target bpf or bpf/bpf_helpers.h not found)"
    ])
    rm -f conftest.bpf.c conftest.bpf.o
    AC_MSG_RESULT([$shrink_have_bpf])
  ])
  AC_SUBST([BPF_CFLAGS])
  AM_CONDITIONAL([HAVE_BPF], [test $shrink_have_bpf = yes])
])
