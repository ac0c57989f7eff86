/*
 * What passes between keeper and reapers: jobs by a seqpacket socket, commands by queued signals, events by a pipe.
 */
#ifndef NURSERY_JOB_H
#define NURSERY_JOB_H

#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

/* A job up to this size travels in the message; a larger one in a sealed memory file, the first descriptor of the message. */
#define JOB_INLINE 65536
#define JOB_FDS 250

enum job_source { SOURCE_NULL = -1, SOURCE_FILE = -2 }; /* else an index into the descriptors of the message */

struct job_fd {
  int32_t target;
  int32_t source; /* enum job_source or an index */
  uint32_t mode;  /* enum fd_file */
  uint32_t inherited; /* 1: a descriptor of the owner, which may be nonblocking */
};

/* Who takes a job. */
enum reaper_kind {
  REAPER_TREE = 0,  /* of one process at a time */
  REAPER_GROUP = 1, /* of all processes of level `group` */
  REAPER_INIT = 2   /* of one process, the init of its pid namespace; forked for it */
};
#define REAPER_KINDS 3

enum job_kind { JOB_SPAWN = 1, JOB_RETIRE = 2 };

/* Followed by fd_count struct job_fd and the strings, as in struct spawn, but with the whole environment. */
struct job {
  uint32_t kind; /* enum job_kind */
  uint32_t size; /* of the whole job */
  uint32_t process;
  uint32_t flags; /* enum spawn_flag */
  uint8_t session;
  uint8_t stop_signal;
  uint8_t in_memory; /* 1: the message holds only this struct, the whole is in the memory file */
  uint8_t changes_identity;
  uint8_t in_init; /* it is for the init of a pid namespace */
  uint8_t in_cgroup; /* it gets a cgroup of its own */
  int32_t umask;
  uint32_t terminal; /* with SPAWN_FOREGROUND: which of the descriptors it is */
  uint32_t uid, gid;      /* with changes_identity: the owner dropped privileges */
  uint32_t groups;        /* that many uint32_t follow the items, at the next multiple of 4 */
  uint32_t argc, envc, filec, fd_count, string_size;
  uint32_t setup_size; /* of the items, which come after the strings */
};

/* A command is the value of a queued signal: it names the process, for the reaper may serve another one by now. */
enum command_kind {
  COMMAND_SIGNAL = 1,      /* send it */
  COMMAND_STOP_SIGNAL = 2, /* send it, and SIGCONT: a stopped process has to run to end */
  COMMAND_STOP_REST = 3,   /* the same to all but the group, which has had it: the leader has ended during a stop */
  COMMAND_KILL = 4,        /* end everything now */
  COMMAND_RELEASE = 5,
  COMMAND_RETAIN = 6
};

union command {
  struct {
    uint32_t process;
    uint16_t sequence; /* comes back in EVENT_DONE, 0 for none */
    uint8_t signal;
    uint8_t kind_and_reach; /* enum command_kind in the low 4 bits, enum stop_reach above */
  } parts;
  void *value;
};

_Static_assert(sizeof(union command) == sizeof(void *), "a command is the value of one signal");

#define SIGNAL_COMMAND (SIGRTMIN + 1)
#define SIGNAL_PARENT_DIED SIGUSR1
/* A command is in the ledger: the queue of signals, a quota of the user, is full. Unlike a queued signal this one always arrives. */
#define SIGNAL_COMMAND_WAITS SIGUSR2

enum event_kind {
  EVENT_STARTED = 1,
  EVENT_FAILED = 2, /* the reaper is idle again */
  EVENT_EXITED = 3, /* with `ended`: the reaper is idle again */
  EVENT_ENDED = 4,  /* the reaper is idle again */
  EVENT_DONE = 5,
  EVENT_WALKING = 6, /* the answer to COMMAND_KILL: the reaper is not stuck */
  EVENT_STOPPED = 7, /* a leader with SPAWN_FOREGROUND */
  EVENT_CGROUP = 16  /* with `cgroup` */
};

/* One write, smaller than PIPE_BUF: never torn, even by a SIGKILL in the middle. */
struct event {
  uint32_t kind;
  uint32_t slot;
  uint32_t process;
  int32_t pid;
  uint32_t step;
  uint32_t error;
  int32_t target;
  uint32_t sequence;
  uint32_t collected;
  union {
    struct exited exited;
    struct cgroup_told cgroup;
  };
};

#endif
