// SPDX-License-Identifier: MIT
// In a child process the library looked the first lock up by dlsym, after which dlerror() no
// longer told of the program's own failure. Right: dlerror() still does.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    if (argc == 1) {
        execl(argv[0], argv[0], "child", (char *)NULL);
    }
    void *library = dlopen("/no such library.so", RTLD_NOW);
    pthread_mutex_lock(&mutex);
    const char *error = dlerror();
    pthread_mutex_unlock(&mutex);
    printf("%p %s\n", library, error ? error : "no error");
    return 0;
}
