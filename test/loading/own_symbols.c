/* SPDX-License-Identifier: MIT
 *
 * A program that opens libraries which find libc's malloc and free before any that is put in front,
 * and exchanges memory with them; its record says what was allocated and what stays. Run by
 * e2e/library_deepbind.py: `own_symbols HOW LIBRARY…`, where HOW is
 *   lazy, now        with RTLD_DEEPBIND
 *   again            the same, ten times, and closed each time but the last
 *   threads          four libraries at once, by a thread each
 *   space            in a namespace of its own, with a libc of its own
 *   early            opened by the constructor of a library that the program is linked with
 *   libc             the program asks libc itself for its functions
 *   forbidden        the kernel refuses to make memory writable
 */
#include "own_symbols.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

__attribute__((weak)) void *early_library;

static const char *const names[KINDS] = {
    "site_malloc",   "site_calloc", "site_realloc", "site_posix",  "site_aligned",
    "site_memalign", "site_valloc", "site_array",   "site_shrunk", "site_new",
};
static void *blocks[KINDS + 1][BLOCKS]; /* the last row: the program's own */

static void *found(void *handle, const char *name)
{
    void *p = handle ? dlsym(handle, name) : NULL;
    if (!p) {
        printf("%s\n", dlerror());
        exit(1);
    }
    return p;
}

SITE void *site_program(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

/* What a library's constructor allocates and frees, in so many libraries. */
static void note_constructors(int n)
{
    requests("allocate_early", 777, n, n);
    requests("allocate_early", 778, n, 0);
}

/* The library allocates by all its functions, the program by its own. Each frees of the blocks with
 * an even number those that the other has made; where the library has a heap of its own, each frees
 * what it has made itself. Of one kind the library makes and frees all. */
static void exchange(void *handle, int one_heap)
{
    make_function *make = (make_function *)found(handle, "plugin_make");
    unmake_function *unmake = (unmake_function *)found(handle, "plugin_unmake");
    for (int i = 0; i < BLOCKS; i++) {
        blocks[KINDS][i] = site_program(size_of(i));
        for (int kind = 0; kind < KINDS; kind++)
            blocks[kind][i] = make(kind, size_of(i));
    }
    for (int i = 0; i < BLOCKS; i += 2) {
        for (int kind = 0; kind < KINDS; kind++) {
            if (one_heap && kind != 0 && kind != KINDS - 1)
                free(blocks[kind][i]);
            else
                unmake(kind, blocks[kind][i]);
        }
        if (one_heap)
            unmake(0, blocks[KINDS][i]);
        else
            free(blocks[KINDS][i]);
    }
    note_half("site_program", BLOCKS);
    for (int kind = 0; one_heap && kind < KINDS; kind++) {
        note_half(names[kind], BLOCKS);
        if (kind == 2) /* realloc: the first block has come and gone */
            requests(names[kind], 16, BLOCKS, 0);
        for (int i = 0; kind == 8 && i < BLOCKS; i++)
            requests(names[kind], size_of(i) + 4096, 1, 0);
    }
}

/* Opened and closed again, once with what it has made still there. */
static void again(const char *file)
{
    for (int round = 0; round < 10; round++) {
        void *handle = dlopen(file, RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND);
        make_function *make = (make_function *)found(handle, "plugin_make");
        unmake_function *unmake = (unmake_function *)found(handle, "plugin_unmake");
        void *theirs[40];
        void *ours[40];
        for (int i = 0; i < 40; i++) {
            theirs[i] = make(0, size_of(i));
            ours[i] = site_program(size_of(i));
        }
        for (int i = 0; i < 40; i += 2) {
            free(theirs[i]);
            unmake(0, ours[i]);
        }
        note_half("site_malloc", 40);
        note_half("site_program", 40);
        note_constructors(1);
        must(round == 9 || dlclose(handle) == 0, "dlclose");
    }
}

static pthread_barrier_t all_are_there;

static void *open_and_free(void *file)
{
    pthread_barrier_wait(&all_are_there);
    void *handle = dlopen((char *)file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    unmake_function *unmake = (unmake_function *)found(handle, "plugin_unmake");
    for (int i = 0; i < BLOCKS; i++)
        if (i & 1)
            site_program(size_of(i));
        else
            unmake(0, site_program(size_of(i)));
    return NULL;
}

static void threads(int n, char **files)
{
    pthread_t thread[8];
    pthread_barrier_init(&all_are_there, NULL, (unsigned)n);
    for (int i = 0; i < n; i++)
        must(pthread_create(&thread[i], NULL, open_and_free, files[i]) == 0, "pthread_create");
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < n; i++)
        note_half("site_program", BLOCKS);
    note_constructors(n);
}

/* What the program's own references and the library's symbols mean is the same function. */
static void ask_libc(const char *file)
{
    void *libc = dlopen(file, RTLD_LAZY);
    void (*their_free)(void *) = (void (*)(void *))found(libc, "free");
    printf("%d %d\n", (void *)their_free == (void *)free, found(libc, "malloc") == (void *)malloc);
    for (int i = 0; i < BLOCKS; i++) {
        void *p = site_program(size_of(i));
        if (!(i & 1))
            their_free(p);
    }
    note_half("site_program", BLOCKS);
}

static void forbid_writable_memory(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "PR_SET_SECCOMP");
}

/* The permissions of libc's memory, neighbours with the same ones as one. */
static void print_permissions(void)
{
    char line[600];
    char last[5] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char permissions[5];
        if (strstr(line, "/libc.so") && sscanf(line, "%*s %4s", permissions) == 1 &&
            strcmp(permissions, last) != 0) {
            printf("%s ", permissions);
            strcpy(last, permissions);
        }
    }
    fclose(maps);
    printf("\n");
}

int main(int argc, char **argv)
{
    must(argc > 2, "usage");
    const char *how = argv[1];
    int binding = strcmp(how, "now") == 0 ? RTLD_NOW : RTLD_LAZY;
    if (strcmp(how, "forbidden") == 0)
        forbid_writable_memory();
    if (strcmp(how, "again") == 0)
        again(argv[2]);
    else if (strcmp(how, "threads") == 0)
        threads(argc - 2, argv + 2);
    else if (strcmp(how, "libc") == 0)
        ask_libc(argv[2]);
    else if (strcmp(how, "space") == 0)
        exchange(dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW), 0);
    else {
        exchange(strcmp(how, "early") == 0 ? early_library
                                           : dlopen(argv[2], binding | RTLD_LOCAL | RTLD_DEEPBIND),
                 1);
        note_constructors(1);
    }
    print_permissions();
    print_sites();
    return 0;
}
