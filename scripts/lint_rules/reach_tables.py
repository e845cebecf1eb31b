# SPDX-License-Identifier: MIT
"""What the functions that run in a signal handler may reach: the exceptions of reach.py, each with
its reason. One that excuses nothing any more is reported."""

from __future__ import annotations

# Functions of other libraries.
ALLOWED = {
    "__errno_location": "the address of a thread-local variable; called only in threads with a thread block",
    "strerrorname_np": "indexes a table of constants",
    "getauxval": "reads a vector that the kernel wrote before the start; sets errno for a type that "
    "there is not, and AT_EXECFN there always is",
    "_dl_find_object": "lock-free; the C library's own unwinder calls it in handlers",
    "__stack_chk_fail": "nanopb is compiled with a stack protector; only the scribe runs it, whose thread "
    "block holds a canary",
}

# Calls through a pointer: the function that makes them, the functions that the pointer may mean
# besides those whose address is taken on the way (patterns of names), and why that is so.
CALLBACK = "the callback of a caller, which counts as called where its address is taken"
LIBUNWIND = "the library's own copy of libunwind, whose calls out are all to these"
ZLIB = "by the level that was asked for; memory comes from the functions that gzip.c gives"
NANOPB = "the callbacks of the fields, and of the stream, that protobuf.c sets"
READER = "the reader of memory that the caller of the walk gives"
SINK = "the sink that the caller gives"
SIGACTION = "the C library's sigaction, which POSIX lists as safe"
POINTERS: dict[str, tuple[tuple[str, ...], str]] = {
    "custom_each": ((), CALLBACK),
    "procfs_threads": ((), CALLBACK),
    "table_snapshot": ((), CALLBACK),
    "threads_each": ((), CALLBACK),
    "walk_and_keep": ((), CALLBACK),
    "walk_short_and_keep": ((), CALLBACK),
    "arch_call_on_stack": ((), CALLBACK),
    "arch_clone": ((), CALLBACK),
    "do_work": (("work_in_helper",), "the work that a process of ours is made for"),
    "helper_process_copy": ((), CALLBACK),
    "hold_stay": (("reap_ended",), "what scribe_start() gave hold_start()"),
    "check_find": (("load*", "page_readable"), READER),
    "readable": (("load*", "page_readable"), READER),
    "bytes_at": (("load*",), READER),
    "calls_constructors": (("load*",), READER),
    "check_function": (("load*", "page_readable"), READER),
    "follow": (("load*",), READER),
    "pair_at": (("load*",), READER),
    "step_over": (("load*",), READER),
    "access_mem": (("load*",), READER),
    "find_proc_info": ((), LIBUNWIND),
    "import_abort": ((), "leaves libunwind by __builtin_longjmp"),
    "pb_default_field_callback": ((), NANOPB),
    "query_step": (("find_on_stack", "import_*", "access_*", "find_proc_info"), LIBUNWIND),
    "create_space": (("import_*", "put_unwind_info", "get_dyn_info_list_addr"), LIBUNWIND),
    "newborn_meet": (("keeps_out",), "what hook_process.c gave newborn_start()"),
    "meet_once": (("meet_child",), "what hook_process.c gave newborn_start()"),
    "meet_child": (("api_cpu_fork_child",), "what init.c gave hook_process_start()"),
    "kinds_fork_child": (("fork_child",), "the column of kinds[]"),
    "kinds_stop": (("stop",), "the column of kinds[]"),
    "leave_forked": (("rebase",), "what a collector gave recorded_add() at the start"),
    "kind_snapshot": (("*_snapshot",), "the column of kinds[]"),
    "render_open": (("*_period", "period_one", "cpu_since"), "the columns of kinds[]"),
    "text_out_finish": (("*_write",), SINK),
    "put_n": (("*_write",), SINK),
    "write_kinds": (("folder_*", "descriptor_*"), SINK),
    "write_forms": (("folder_*", "descriptor_*"), SINK),
    "compress_bytes": (("*_write",), SINK),
    "deflate": (("deflate_*",), ZLIB),
    "deflateEnd": ((), ZLIB),
    "deflateInit2_": ((), ZLIB),
    "pb_encode": (("pb_default_field_callback",), NANOPB),
    "pb_write": ((), NANOPB),
    "encode_field": ((), NANOPB),
    "encode_basic_field": ((), NANOPB),
    "own_signals_install": ((), SIGACTION),
    "take_over": ((), SIGACTION),
    "on_dump": ((), "the program's own handler"),
    "on_fatal": ((), "the program's own handler"),
    "control_before_change": (("timer_signal_look",), "what control_start() was given"),
    "control_dump": (("timer_signal_look",), "what control_start() was given"),
    "control_tick": (("timer_signal_look",), "what control_start() was given"),
    "control_heap_grown": (("timer_signal_look",), "what control_start() was given"),
    "on_signal": ((), "what libc or the program has set for the signal"),
    "spare_stack_call": ((), CALLBACK),
}

# Functions whose address is taken but not called for that, or not on this way: by whom, and why.
NOT_CALLED = {
    "zcalloc": (("deflateInit2_",), "for callers that give no function of their own; gzip.c does"),
    "zcfree": (("deflateInit2_",), "for callers that give no function of their own; gzip.c does"),
}

# The check of the order of locks, which a build with DEBUG=1 has everywhere.
DEBUG_ONLY = "lock_check_"

# Where a walk from a function tagged HOT ends, besides at those tagged COLD.
HOT_ENDS = {
    "hashset_grow": "only a sampled event fills a table",
}
HOT_ALLOWED = {
    "__errno_location": "an address, for a semaphore whose wait was refused",
}
