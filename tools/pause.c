/* pause.c - the process that holds a pod's namespaces open: waits, reaps what is orphaned to it, leaves on SIGTERM.
 *
 * Freestanding (no C library): every pod has one, so each page of it counts once per pod on the node. SIGTERM, SIGINT and SIGCHLD
 * are blocked and waited for, since a process 1 gets no signal that it neither handles nor blocks. */

#if defined(__x86_64__)
enum { SYS_RT_SIGPROCMASK = 14, SYS_WAIT4 = 61, SYS_RT_SIGTIMEDWAIT = 128, SYS_EXIT_GROUP = 231 };

static long syscall4(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}
#elif defined(__aarch64__)
enum { SYS_EXIT_GROUP = 94, SYS_RT_SIGPROCMASK = 135, SYS_RT_SIGTIMEDWAIT = 137, SYS_WAIT4 = 260 };

static long syscall4(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "pause.c: give this architecture its system calls"
#endif

enum {
    SIGNAL_INT = 2,
    SIGNAL_TERM = 15,
    SIGNAL_CHLD = 17,
    BLOCK = 0,
    NO_HANG = 1,
    SIGSET_BYTES = 8
};
#define BIT(signal) (1ul << ((signal)-1))

void _start(void);
void _start(void)
{
    unsigned long set = BIT(SIGNAL_INT) | BIT(SIGNAL_TERM) | BIT(SIGNAL_CHLD);

    syscall4(SYS_RT_SIGPROCMASK, BLOCK, (long)&set, 0, SIGSET_BYTES);
    for (;;) {
        long got = syscall4(SYS_RT_SIGTIMEDWAIT, (long)&set, 0, 0, SIGSET_BYTES);

        if (got == SIGNAL_INT || got == SIGNAL_TERM)
            syscall4(SYS_EXIT_GROUP, 0, 0, 0, 0);
        while (syscall4(SYS_WAIT4, -1, 0, NO_HANG, 0) > 0)
            ;
    }
}
