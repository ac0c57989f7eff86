/*
 * How far the keeper has come with what its owner asks for, in a file in memory that outlives it: an owner whose keeper was killed
 * reads there which of its requests had certainly not been begun, and sends those to the next keeper.
 */
#ifndef NURSERY_PROGRESS_H
#define NURSERY_PROGRESS_H

#include <stddef.h>

/* Its descriptor, for the owner to open; -1 where there can be none. */
int progress_open(void);

/* The next request, of that many bytes, is being carried out from now on. */
void progress_begin(size_t bytes);

#endif
