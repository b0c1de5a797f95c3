/* log.c - one line each to stderr in klog's shape: "I1120 20:35:17.123456 area] text". */
#include "base/base.h"

#include <time.h>

enum log_level log_level_max = LOG_INFO;

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
    static const char letters[] = "EWID";
    struct timespec now;
    struct tm tm;
    char line[4096];
    int n, more;
    va_list ap;

    if (level > log_level_max)
        return;
    /* The log is the one place that reads the clock by itself: it must work before and after every loop. */
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    n = snprintf(line, sizeof line, "%c%02d%02d %02d:%02d:%02d.%06ld %s] ", letters[level],
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000,
                 area);
    va_start(ap, fmt);
    more = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    n = MIN(n + MAX(more, 0), (int)sizeof line - 2);
    /* A line must stay a line, whatever a client put into a name. */
    for (int i = 0; i < n; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[n++] = '\n';
    fwrite(line, 1, (size_t)n, stderr);
}
