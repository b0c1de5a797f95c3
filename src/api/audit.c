/* audit.c - placeholder */
#include "api/api_internal.h"
void audit_note(struct req *q, str key, str value)
{
    (void)q;
    (void)key;
    (void)value;
}
void audit_impersonated(struct req *q, const struct user *u, const char *constraint)
{
    (void)q;
    (void)u;
    (void)constraint;
}
