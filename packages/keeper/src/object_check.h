/*
 * Looks at a request for an object, as setup.h does at the items of a spawn: what is wrong with its bytes, if anything.
 */
#ifndef NURSERY_OBJECT_CHECK_H
#define NURSERY_OBJECT_CHECK_H

#include <stddef.h>

#include "protocol.h"

/* The longest path or name of a unix socket, without its NUL. */
#define SOCKET_PATH_MAX 107

/* `body` is what follows struct object_request. What is wrong with it, NULL when nothing is. */
const char *object_check(uint32_t kind, const char *body, size_t size);

#endif
