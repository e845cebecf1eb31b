/* SPDX-License-Identifier: MIT
 *
 * encoder/maps.h: this process's own mappings, with names and build ids, the program's first.
 */
#include "encoder/maps.h"

#include "test/unit/folder.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct maps *read_maps(void)
{
    return maps_read(getauxval(AT_PHDR)); /* if it is NULL, the tests find no mappings and fail */
}

static void test_main_program(void **state)
{
    (void)state;
    struct maps *maps = read_maps();
    char self[4096] = {0}, command[5000];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const struct mapping *first = maps_mapping(maps, 1);
    assert_string_equal(maps_text(maps, first->file), self);
    assert_int_equal(maps_find(maps, (uintptr_t)test_main_program), 1);
    assert_true(maps_find(maps, 0) == 0 && maps_find(maps, UINTPTR_MAX) == 0);
    bool vdso = false;
    for (uint32_t i = 1; i <= maps_count(maps); i++) {
        const struct mapping *m = maps_mapping(maps, i);
        assert_int_equal(maps_find(maps, m->start), i);
        assert_int_equal(maps_find(maps, m->limit - 1), i);
        assert_true(i <= 2 || m->start >= maps_mapping(maps, i - 1)->limit);
        if (strcmp(maps_text(maps, m->file), "[vdso]") == 0) {
            vdso = *maps_text(maps, m->build_id) != '\0';
        }
    }
    assert_true(vdso);
    snprintf(command, sizeof command, "readelf -n '%s' 2>&1", self);
    assert_true(strlen(maps_text(maps, first->build_id)) >= 16);
    assert_true(command_says(command, maps_text(maps, first->build_id)));
    maps_free(maps);
    /* If another object is given as the main program, its mapping is number 1, and all are found as
     * before. */
    maps = maps_read((uintptr_t)getauxval);
    assert_non_null(strstr(maps_text(maps, maps_mapping(maps, 1)->file), "libc"));
    for (uint32_t i = 1; i <= maps_count(maps); i++) {
        assert_int_equal(maps_find(maps, maps_mapping(maps, i)->start), i);
    }
    maps_free(maps);
}

/* A mapped file that is deleted, whose path is nearly as long as can be and has a newline in it.
 * The file is empty, so that reading the mapping would be SIGBUS. */
static void test_odd_names(void **state)
{
    const char *folder = *state;
    char path[4096] = "";
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 15; i++) {
        char part[251];
        memset(part, 'a' + (int)i, sizeof part - 1);
        part[250] = '\0';
        assert_int_equal(mkdirat(dir, part, 0700), 0);
        int inner = openat(dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(dir);
        dir = inner;
        strcat(strcat(path, "/"), part);
    }
    const char *name = "new\nline \\040";
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    void *p = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        skip(); /* the folder's file system is mounted noexec */
    }
    assert_int_equal(unlinkat(dir, name, 0), 0);
    close(fd);
    close(dir);
    struct maps *maps = read_maps();
    uint32_t id = maps_find(maps, (uintptr_t)p);
    assert_true(id > 1);
    const struct mapping *m = maps_mapping(maps, id);
    const char *text = maps_text(maps, m->file);
    assert_non_null(strstr(text, path));
    assert_string_equal(strrchr(text, '/') + 1, name);
    assert_string_equal(maps_text(maps, m->build_id), "");
    maps_free(maps);
    munmap(p, 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main_program),
        cmocka_unit_test(test_odd_names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
