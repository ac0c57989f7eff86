/*
 * The state of the keeper, and what its parts ask of each other. One thread, one loop (keeper.c); nothing blocks.
 *
 *   owner.c     the socket to the owner, and the owner's identity
 *   requests.c  what the owner asks for
 *   spawn.c     from a request to a job for a reaper
 *   pool.c      reapers: forking, events, death
 *   stop.c      stop policies and deadlines
 *   objects.c   what is held for the owner
 *   guests.c    sockets that the owner connects to
 *   notify.c    messages of children, sd_notify(3)
 *   foreground.c  the owner's terminal, while a process has its foreground
 */
#ifndef NURSERY_KEEPER_H
#define NURSERY_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <termios.h>

#include "frames.h"
#include "job.h"
#include "memory.h"

enum process_state {
  STATE_STARTING, /* handed to a reaper, no answer yet */
  STATE_RUNNING,
  STATE_STOPPING, /* the stop signal is sent, the grace period runs */
  STATE_KILLING,  /* the reaper was told to end everything */
  STATE_ADOPTED   /* its reaper died: the keeper itself ends what is left */
};

struct process {
  uint32_t id; /* 0: a free record */
  int32_t slot; /* of its reaper, -1: not known yet */
  pid_t pid;
  uint8_t state; /* enum process_state */
  uint8_t level;
  bool told;      /* STARTED was sent */
  bool exited;    /* the leader was collected */
  bool cancelled; /* nobody wants it any more */
  bool overdue;   /* the spawn deadline has passed */
  bool released;
  bool walking;     /* the reaper has confirmed that it is at it */
  bool unkillable;  /* reported */
  bool send_again;  /* a command has to wait until the one before it has been taken */
  bool waits;       /* its job has not been sent yet */
  uint8_t hurried;  /* how often its start was found to be late */
  int notify;       /* the socket of its messages, -1: none */
  bool stores;      /* what comes there with FDSTORE=1 is kept */
  uint16_t stored;  /* how many descriptors of it have been kept */
  struct stop_policy policy;  /* from the spawn */
  struct stop_policy current; /* of the stop that runs */
  int64_t deadline;  /* milliseconds of the monotonic clock, 0: none */
  int64_t grace_end; /* of the stop that runs, likewise */
  int64_t start_by;  /* of the spawn */
  uint32_t previous, next; /* in the list of deadlines, by record number */
  /* Ends of pipes for the owner, until STARTED. */
  uint32_t lent_count;
  struct lent_fd few[3];
  struct lent_fd *many; /* in place of `few`, when there are more; records move, so nothing points into them */
};

/* A signal on its way to a reaper, whose answer names it by number. */
struct pending {
  uint32_t process, request;
};

#define PENDING_MAX 4096

/* An owner that does not read gets no more of its requests read: what is kept for it is bounded by what it has started. */
#define OUTPUT_MAX ((size_t)4 << 20)

#define GUESTS_MAX 64
#define SECRET_SIZE 16
#define GREETING_SIZE (SECRET_SIZE + sizeof(uint32_t))

/* A connection that has not said yet which object it is. */
struct guest {
  int socket;
  uint32_t length;
  char greeting[GREETING_SIZE];
};

/* A descriptor that is closed when so much has been sent to the owner. */
struct barrier {
  int descriptor;
  uint64_t position;
};

#define BARRIERS_MAX 64

enum foreground_state {
  FOREGROUND_TAKEN, /* the process has it */
  FOREGROUND_BACK,  /* the process has stopped, and the owner is to */
  FOREGROUND_BEHIND /* the process runs, and somebody else has the terminal */
};

struct foreground {
  uint32_t process; /* 0: none */
  uint8_t state;    /* enum foreground_state */
  uint8_t looks;    /* how often the owner was found not to have stopped */
  int terminal;
  pid_t group;      /* the owner's */
  struct termios modes, its_modes; /* the owner's, and those of the process when it stopped */
  int64_t look_at;  /* milliseconds of the monotonic clock, 0: nothing to look at */
};

struct owner_state {
  int umask;
  bool identity_changed;
  bool unknown; /* it is gone, and what privileges it had given up cannot be told any more */
  uint32_t uid, gid, group_count;
  uint32_t groups[256];
};

struct keeper {
  pid_t owner, owner_group, guard;
  int owner_pidfd; /* -1 where there is none */
  int self;        /* a pidfd of the keeper, likewise */
  int owner_status; /* its /proc/<pid>/status */
  int socket;      /* -1 once the owner is gone */
  int poll, signals, events, event_writer;
  int jobs[2], group_jobs[2];
  int streams[3]; /* the owner's standard streams, at numbers out of the way */
  int null, spare;
  int progress; /* progress.h, -1: none */
  struct rlimit descriptors; /* as they were */
  struct hello options;
  bool greeted, closing, finishing, adopting, reading, fork_failed;
  struct queue input, output;
  struct memory processes, slots, lent; /* records, what the slots serve, a bitmap of lent descriptors */
  uint32_t process_count, process_capacity, free_process;
  struct map process_by_id, slot_by_pid;
  uint32_t first_deadline, last_deadline;
  int adopt_pause; /* milliseconds until the next pass over what was adopted */
  int32_t idle; /* reapers that wait, less the jobs on their way */
  uint32_t slot_limit;
  int32_t group_slot; /* -1: none */
  bool group_used;    /* there has been one */
  struct queue environment;
  uint32_t environment_count;
  struct queue job_bytes, waiting_jobs[REAPER_KINDS]; /* those that wait, by who is to take them */
  uint32_t forks_left;                     /* in this turn of the loop */
  int64_t finish_limit;
  struct owner_state owner_state;
  bool owner_state_known, write_waits;
  bool crowded;    /* a reaper could not fork */
  bool unprivileged; /* a pid namespace needs a user namespace */
  bool init_wanted;  /* there has been a job for an init, so one is kept ready for the next */
  int32_t init_slot; /* of the one that waits for a job, -1: none */
  int init_jobs;     /* where it gets that from */
  bool speechless; /* there was no memory for an answer */
  struct pending pending[PENDING_MAX];
  uint32_t pending_count, last_pending;
  struct memory objects;
  uint32_t object_count, free_object, last_stored;
  struct map object_by_id, pty_by_relay;
  struct queue gifts; /* ends of objects that are a child's once it has started */
  int listener; /* -1: none */
  char secret[SECRET_SIZE], listener_name[108];
  uint32_t listener_name_size;
  struct guest guests[GUESTS_MAX];
  int guest_count;
  uint32_t free_slot;
  int notify_poll; /* an epoll of its own for all sockets of messages, so that one call pauses them all */
  bool notify_watched;
  struct barrier barriers[BARRIERS_MAX]; /* in the order of their positions */
  int barrier_count;
  uint64_t output_sent; /* bytes, in all */
  struct foreground foreground;
};

/*
 * Not a static variable, but in memory that forks do not get: what the keeper writes all the time would otherwise be copied
 * page by page, once for every reaper.
 */
extern struct keeper *keeper;

#define NO_RECORD UINT32_MAX

/* keeper.c */
struct keeper_start {
  pid_t guard, owner;
  void *stack;
  size_t stack_size;
};
int run_keeper(void *start); /* struct keeper_start */
bool watch(int descriptor, uint32_t events);
void unwatch(int descriptor);

/* processes */
struct process *process_at(uint32_t record);
struct process *process_find(uint32_t id);
struct process *process_new(uint32_t id);
/* Forgets it, answers what still waits for it, and frees what was not told to the owner. */
void process_remove(struct process *process);
void set_deadline(struct process *process, int64_t deadline);
const struct lent_fd *lent_to(const struct process *process);

/* owner.c */
void owner_read(void);
void owner_write(void);
void owner_gone(void);
void reply(enum reply_type type, uint32_t id, const void *payload, size_t size);
void reply_two(enum reply_type type, uint32_t id, const void *head, size_t head_size, const void *tail, size_t tail_size);
void refuse(uint32_t id, int error, const char *problem);
/* As it is now; read once for all spawns that came together. */
const struct owner_state *owner_state(void);
void owner_state_forget(void);
/* Whether what the keeper does is what the owner may do: it has not changed its user since. */
bool acts_for_owner(void);

/* requests.c */
void handle_request(const struct request *request);
void lend(int descriptor);

/* signals that wait for an answer */
uint16_t pending_signal(uint32_t process, uint32_t request);
bool pending_is_of(uint16_t sequence, uint32_t process);
void pending_answer(uint16_t sequence, uint32_t error);
void pending_forget(uint32_t process);

/* spawn.c */
void spawn(uint32_t id, const struct spawn_request *request);
void send_waiting_jobs(void);
/* How many milliseconds from now jobs that wait can be sent again, -1: there are none. */
int jobs_wait(void);
/* The loop has gone round: so many more reapers may be forked. */
void new_turn(void);
int send_retirement(void);
/* Whether every job that was sent has been received by a reaper. */
bool jobs_taken(bool group);
void fail_spawn(struct process *process, enum spawn_step step, int error, int target);

/* pool.c */
bool pool_grow(void);
bool pool_group_reaper(void);
/* The init of a pid namespace for one process, whose job is in the socket already. `wanted`: NULL for the usual namespaces. */
bool pool_init(uint32_t process, int jobs, const struct setup_namespaces *wanted);
/* One of the usual namespaces, forked ahead of need. False: none is to be had for now. */
bool pool_prepare_init(void);
/* The job for it is in its socket. */
void pool_use_init(uint32_t process);
void pool_drop_init(void);
void pool_read_events(void);
void pool_reap(void);
void pool_retire(void);
void pool_adopt(void);
/* A reaper, or the relay of a pty. */
bool pool_is_helper(pid_t pid);
pid_t slot_pid(int32_t slot);
int32_t slot_of_starting(uint32_t id);
/* Kills the child of a reaper that hangs before its exec. */
void kill_half_started(int32_t slot);
bool pool_has_reapers(void);
void pool_kill_all(void);
/* Nobody serves it any more: the keeper ends what there may be of it. `reaper` is who did, 0 if that is not known. */
void lose(struct process *process, pid_t reaper);

/* stop.c */
void begin_stop(struct process *process, struct stop_policy policy);
void begin_kill(struct process *process);
void cancel(struct process *process);
void leader_ended_in_stop(struct process *process);
void confirm_walk(struct process *process);
/* Looks soon whether its job was lost with a reaper. */
void suspect_lost(struct process *process);
void pass_deadlines(int64_t now);
int send_command(const struct process *process, enum command_kind kind, uint8_t signal, enum stop_reach reach, uint16_t sequence);
void report_unkillable(struct process *process);

/* objects.c */
void object_make(const struct request *request);
void object_new_pipe(uint32_t id, uint32_t size);
/* A socket becomes the object of this number; false when it cannot. */
bool object_adopt(uint32_t id, int socket);
/* A copy, -1 with errno in `error`. */
int object_end(uint32_t id, uint32_t end, int *error);
/* A descriptor that a child has handed over becomes an object; its number, 0 when it cannot. */
uint32_t object_store(int descriptor);
void object_drop(uint32_t id);
void object_drop_end(uint32_t id, uint32_t end);
void object_seal(uint32_t id);
void object_resize(uint32_t request, const struct resize *resize);
bool object_is_relay(pid_t pid);
/* What waitid(2) has told about a child that may be the relay of a pty. */
void object_relay_changed(const siginfo_t *info);
/* The spawn of a process gives an end away, which is settled when it has started or failed. False without memory. */
bool gift_promise(uint32_t process, uint32_t object, uint32_t end);
void gifts_settle(uint32_t process, bool started);

/* foreground.c */
/* errno, 0: it is the one that is to have the foreground; `terminal` is a copy to take it by. */
int foreground_begin(uint32_t process, int *terminal);
/* It has ended, if it was the one: the owner has the terminal again. `crashed`: with the modes that it had before. */
void foreground_end(uint32_t process, bool crashed);
void foreground_stopped(const struct process *process);
void foreground_look(int64_t now);

/* guests.c */
void guests_listen(uint32_t request);
bool guests_ready(int descriptor);

#endif
