/* SPDX-License-Identifier: MIT */
/*
 * Which imports are not simply the C library's, for the tables of imports.c: a line says OURS (a
 * function import_NAME), ENDS (a stub that ends the run) or DATA.
 */
#ifndef IMPORTS_OWN_H
#define IMPORTS_OWN_H

/* These would end in system calls: exits, messages, signals. */
#define SOURCE_abort              ~, ENDS
#define SOURCE_exit               ~, ENDS
#define SOURCE__exit              ~, ENDS
#define SOURCE__Exit              ~, ENDS
#define SOURCE___assert_fail      ~, ENDS
#define SOURCE___chk_fail         ~, ENDS
#define SOURCE___fortify_fail     ~, ENDS
#define SOURCE___stack_chk_fail   ~, ENDS
#define SOURCE___cxa_pure_virtual ~, ENDS

#define SOURCE___cpu_model     ~, DATA
#define SOURCE___cpu_features2 ~, DATA
#define SOURCE___dso_handle    ~, DATA

/* The C library's allocate by brk(2) and mmap(2). */
#define SOURCE_malloc             ~, OURS
#define SOURCE_calloc             ~, OURS
#define SOURCE_realloc            ~, OURS
#define SOURCE_reallocarray       ~, OURS
#define SOURCE_free               ~, OURS
#define SOURCE_aligned_alloc      ~, OURS
#define SOURCE_memalign           ~, OURS
#define SOURCE_posix_memalign     ~, OURS
#define SOURCE_malloc_usable_size ~, OURS
#define SOURCE_strdup             ~, OURS
#define SOURCE_strndup            ~, OURS
#define SOURCE_qsort              ~, OURS
#define SOURCE_qsort_r            ~, OURS

/* The C library's save the signal mask, or report by writing. */
#define SOURCE_setjmp               ~, OURS
#define SOURCE__setjmp              ~, OURS
#define SOURCE___sigsetjmp          ~, OURS
#define SOURCE_longjmp              ~, OURS
#define SOURCE__longjmp             ~, OURS
#define SOURCE___longjmp_chk        ~, OURS
#define SOURCE___memcpy_chk         ~, OURS
#define SOURCE___memmove_chk        ~, OURS
#define SOURCE___mempcpy_chk        ~, OURS
#define SOURCE___memset_chk         ~, OURS
#define SOURCE___explicit_bzero_chk ~, OURS
#define SOURCE___stpcpy_chk         ~, OURS
#define SOURCE___stpncpy_chk        ~, OURS
#define SOURCE___strcat_chk         ~, OURS
#define SOURCE___strcpy_chk         ~, OURS
#define SOURCE___strncat_chk        ~, OURS
#define SOURCE___strncpy_chk        ~, OURS

/* The compiler's call the C library's abort(3). */
#define SOURCE___absvdi2 ~, OURS
#define SOURCE___absvsi2 ~, OURS
#define SOURCE___absvti2 ~, OURS
#define SOURCE___addvdi3 ~, OURS
#define SOURCE___addvsi3 ~, OURS
#define SOURCE___addvti3 ~, OURS
#define SOURCE___subvdi3 ~, OURS
#define SOURCE___subvsi3 ~, OURS
#define SOURCE___subvti3 ~, OURS
#define SOURCE___mulvdi3 ~, OURS
#define SOURCE___mulvsi3 ~, OURS
#define SOURCE___mulvti3 ~, OURS
#define SOURCE___negvdi2 ~, OURS
#define SOURCE___negvsi2 ~, OURS
#define SOURCE___negvti2 ~, OURS

/* gcc's library lacks these of clang and later compilers. */
#define SOURCE___mulodi4      ~, OURS
#define SOURCE___mulosi4      ~, OURS
#define SOURCE___muloti4      ~, OURS
#define SOURCE___gnu_f2h_ieee ~, OURS
#define SOURCE___gnu_h2f_ieee ~, OURS
#define SOURCE___truncdfbf2   ~, OURS
#define SOURCE___truncsfbf2   ~, OURS

/* No destructor runs, and there is one thread, with one TLS block of ours. */
#define SOURCE_atexit                   ~, OURS
#define SOURCE___cxa_atexit             ~, OURS
#define SOURCE___cxa_finalize           ~, OURS
#define SOURCE___cxa_thread_atexit_impl ~, OURS
#define SOURCE___cxa_guard_acquire      ~, OURS
#define SOURCE___cxa_guard_release      ~, OURS
#define SOURCE___cxa_guard_abort        ~, OURS
#define SOURCE___cpu_indicator_init     ~, OURS
#define SOURCE___tls_get_addr           ~, OURS

/* Filled in by the compiler's library before main(); its names are hidden, so they can be had only
 * here. */
#define IMPORT_CPU_MODEL_BYTES     16
#define IMPORT_CPU_FEATURES2_BYTES 12
extern const char import_cpu_model[IMPORT_CPU_MODEL_BYTES] __asm__("__cpu_model");
extern const char import_cpu_features2[IMPORT_CPU_FEATURES2_BYTES] __asm__("__cpu_features2");

#endif
