/*
 * The frames between the owner (a Node program) and the keeper.
 *
 * This header is the single source: packages/process/src/internal/keeper/frames.ts says the same in TypeScript, and a test
 * compares the two, name by name and offset by offset.
 *
 * A frame is a header of 12 bytes and a payload. All numbers are little-endian and unaligned. `id` is chosen by the owner: a
 * process, an object or a request, all from one counter, so that no two living things share a number. Replies may come in any
 * order. A frame that breaks a rule is answered with REFUSED and has no other effect; a stream that can no longer be followed
 * (a length over FRAME_MAX) ends the connection, which is the same as the owner's death.
 */
#ifndef NURSERY_PROTOCOL_H
#define NURSERY_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_MAGIC 0x5953524eu /* "NRSY" */
#define PROTOCOL_VERSION 3u
#define FRAME_MAX (8u << 20) /* bytes of payload; the kernel refuses longer argument lists anyway */

struct frame_header {
  uint32_t size; /* of the payload, in bytes */
  uint16_t type;
  uint16_t zero;
  uint32_t id;
} __attribute__((packed));

/* From the owner to the keeper. */
enum request_type {
  REQUEST_HELLO = 1,   /* struct hello; answered by READY */
  REQUEST_SPAWN = 2,   /* struct spawn; id names the process; answered by STARTED or FAILED */
  REQUEST_CANCEL = 3,  /* no payload; id is a process: whatever its state, it is killed; answered by ENDED */
  REQUEST_SIGNAL = 4,  /* struct signal_request; answered by DONE */
  REQUEST_STOP = 5,    /* struct stop_policy; id is a process; answered by ENDED, UNKILLABLE before it where that is so */
  REQUEST_CLOSE = 6,   /* int32 each: descriptors lent by STARTED that the owner has opened or does not want */
  REQUEST_PIPE = 7,    /* uint32 size in bytes, or 0; id names a new pipe; a failure is told by the spawn that uses it */
  REQUEST_DROP = 8,    /* no payload, or uint32 enum object_end: let go of an object, or of one end of it */
  REQUEST_RELEASE = 9, /* no payload; id is a process: it may outlive scope and owner; answered by DONE with the same id */
  REQUEST_RETAIN = 10, /* no payload; undoes RELEASE; answered by DONE with the same id */
  REQUEST_ENVIRONMENT = 11, /* uint32 count, then that many NUL-terminated NAME=VALUE; id names it; replaces the last one */
  REQUEST_LISTEN = 12, /* no payload; answered by LISTENING */
  REQUEST_OBJECT = 13, /* struct object_request and what its kind needs; id names a new object; answered by OBJECT */
  REQUEST_SEAL = 14,   /* no payload; id is a memory: its bytes and size are final from now on; answered by OBJECT */
  REQUEST_RESIZE = 15  /* struct resize; answered by OBJECT */
};

/* From the keeper to the owner. */
enum reply_type {
  REPLY_READY = 64,      /* struct ready */
  REPLY_STARTED = 65,    /* struct started, then its lent descriptors */
  REPLY_FAILED = 66,     /* struct failed: nothing of the process is left */
  REPLY_EXITED = 67,     /* struct exited: the leader has been waited for */
  REPLY_ENDED = 68,      /* struct ended: nothing of the tree is left */
  REPLY_DONE = 69,       /* uint32 errno, 0 for success */
  REPLY_LOST = 70,       /* uint32 pid of the reaper that was killed: the status of the leader is not known; ENDED follows */
  REPLY_UNKILLABLE = 71, /* uint32 count of processes left, then up to 16 of their pids */
  REPLY_REFUSED = 72,    /* uint32 errno, then a text: the request was malformed */
  REPLY_LISTENING = 73,  /* 16 bytes of secret, then the name of an abstract unix socket (without its leading NUL) */
  REPLY_NOTIFY = 74,     /* struct notify, then a text that was sent to the socket of SPAWN_NOTIFY; between STARTED and the end */
  REPLY_OBJECT = 75,     /* struct object_told, then what the kind tells where it was made */
  REPLY_HANGUP = 76,     /* uint32; id is a pty: nothing comes from it any more; 0, or the pid of its relay, which was killed */
  REPLY_CGROUP = 80      /* struct cgroup_told; at LEVEL_CGROUP before EXITED, and again before an ENDED that follows it */
};

struct hello {
  uint32_t magic;
  uint32_t version;
  uint32_t owner_death_grace; /* milliseconds: the most that any stop policy gets once the owner is dead */
  uint32_t spawn_deadline;    /* milliseconds from the request to a successful exec */
  uint32_t kill_deadline;     /* milliseconds from SIGKILL until a tree is reported as unkillable */
  uint32_t reapers;           /* how many idle reapers to keep ready */
} __attribute__((packed));

struct ready {
  uint32_t version;
  uint32_t keeper; /* pid */
  uint32_t guard;  /* pid */
  uint32_t features; /* enum feature */
  uint64_t time;   /* CLOCK_MONOTONIC, nanoseconds */
  /*
   * A descriptor of the keeper to be opened: a file of one uint64, the bytes of requests that it has begun to carry out. What
   * begins at that position or beyond it has had no effect when the keeper is gone. -1: none.
   */
  int32_t progress;
} __attribute__((packed));

enum feature {
  FEATURE_PIDFD = 1,         /* pidfd_open works: deep processes are killed directly, the owner's death is seen by pidfd */
  FEATURE_CHILDREN = 2,      /* the kernel lists children (CONFIG_PROC_CHILDREN); else /proc is scanned */
  FEATURE_REALTIME = 4,      /* kill walks may run at real-time priority */
  FEATURE_FILTERS = 8        /* the kernel takes filters of seccomp(2) */
};

#define LANDLOCK_SHIFT 24 /* of the features: in the bits above is the version of Landlock's interface, 0: none */

#define NO_DEADLINE 0xffffffffu /* for grace and linger: wait as long as it takes (bounded once the owner is dead) */

enum stop_reach { REACH_LEADER = 0, REACH_GROUP = 1, REACH_TREE = 2 };

struct stop_policy {
  uint8_t signal; /* 0: none, SIGKILL at once */
  uint8_t reach;  /* enum stop_reach */
  uint16_t zero;
  uint32_t grace;  /* milliseconds until SIGKILL */
  uint32_t linger; /* milliseconds that the rest of the tree gets once the leader has ended; it is sent `signal` then */
} __attribute__((packed));

struct signal_request {
  uint32_t process;
  uint8_t signal;
  uint8_t reach; /* enum stop_reach */
  uint16_t zero;
} __attribute__((packed));

enum spawn_level { LEVEL_TREE = 0, LEVEL_GROUP = 1, LEVEL_PID_NAMESPACE = 2, LEVEL_CGROUP = 3 };

enum spawn_session {
  SESSION_NEW = 0,   /* leader of a new session and group */
  SESSION_GROUP = 1, /* leader of a new group in the owner's session */
  SESSION_OWNER = 2  /* in the owner's session and group: a stop reaches the leader only */
};

enum spawn_flag {
  SPAWN_SHELL_FALLBACK = 1,   /* a text file without #! is run by /bin/sh (POSIX execvp) */
  SPAWN_GROUP_ON_FAILURE = 2, /* an exit other than 0 sends the stop signal to what is left of the group, at once */
  SPAWN_CLEAR_ENVIRONMENT = 4, /* start from an empty environment, not from the last ENVIRONMENT */
  SPAWN_NOTIFY = 8, /* NOTIFY_SOCKET names a socket of its own; WATCHDOG_USEC and WATCHDOG_PID of the owner are not inherited */
  SPAWN_LISTEN_PID = 16, /* the value of the variable LISTEN_PID, for which there is room of LISTEN_PID_ROOM, becomes its pid */
  SPAWN_STORE = 32, /* with SPAWN_NOTIFY: what its processes send with FDSTORE=1 becomes objects, sd_pid_notify_with_fds(3) */
  SPAWN_FOREGROUND = 64 /* with SESSION_GROUP: its group is that of the foreground of the owner's terminal until it ends or stops */
};

#define LISTEN_PID_ROOM 10 /* characters */

#define UMASK_OF_OWNER (-1)

/*
 * Followed by fd_count struct spawn_fd, then string_size bytes: NUL-terminated strings in the order program, cwd (empty: the
 * owner's), search path (for a program without a slash), argv (argc of them), environment changes (envc of them: NAME=VALUE
 * sets, NAME alone removes), file paths (as many as the descriptors name); then setup_size bytes of items, struct setup each.
 */
struct spawn {
  uint32_t flags; /* enum spawn_flag */
  uint8_t level;
  uint8_t session;
  uint16_t zero;
  struct stop_policy stop;
  int32_t umask; /* or UMASK_OF_OWNER */
  uint32_t argc;
  uint32_t envc;
  uint32_t filec;
  uint32_t fd_count;
  uint32_t string_size;
  uint32_t setup_size;
} __attribute__((packed));

#define SETUP_MAX 65536u /* bytes of all items of a spawn */

/* One thing that is arranged for the child before its exec. `size` bytes follow, which for most kinds are a struct setup_<kind>. */
struct setup {
  uint16_t kind; /* enum setup_kind */
  uint16_t size;
} __attribute__((packed));

enum setup_kind {
  SETUP_LIMIT = 1, /* struct setup_limit; more than one */
  SETUP_NICE = 16, /* struct setup_number: from -20 to 19 */
  SETUP_SCHEDULER = 17, /* struct setup_scheduler */
  SETUP_IO_PRIORITY = 18, /* struct setup_number, as of ioprio_set(2) */
  SETUP_AFFINITY = 19, /* a set of processors: a bit each, 8 bytes or a multiple; all of it or an error */
  SETUP_OOM_SCORE = 20, /* struct setup_number: from -1000 to 1000 */
  SETUP_CREDENTIALS = 21, /* struct setup_credentials, then its groups, uint32 each */
  SETUP_CAPABILITIES = 22, /* struct setup_capabilities */
  SETUP_NO_NEW_PRIVILEGES = 23, /* nothing */
  SETUP_SANDBOX = 24, /* struct setup_sandbox; one at most, and before what is allowed in it */
  SETUP_SANDBOX_PATH = 25, /* struct setup_sandbox_path, then an absolute path and its NUL */
  SETUP_SANDBOX_PORT = 26, /* struct setup_sandbox_port */
  SETUP_FILTER = 27, /* struct sock_filter each: a program of seccomp(2), which is the last to be installed */
  SETUP_NAMESPACES = 32, /* struct setup_namespaces; the items of these kinds are carried out in their order */
  SETUP_MOUNT = 33,      /* struct setup_mount, then source and target, each with its NUL */
  SETUP_HOSTNAME = 34,   /* the name, without NUL */
  SETUP_LOOPBACK = 35,   /* nothing: the loopback device goes up */
  SETUP_ENTER = 36,      /* struct setup_enter */
  SETUP_ENTER_PATH = 37, /* struct setup_enter_path, then the path of a namespace and its NUL */
  SETUP_VETH = 38,       /* struct setup_veth, then the names of the near and of the far device, each with its NUL */
  SETUP_ADDRESS = 39,    /* struct setup_address, then the name of the device and its NUL */
  SETUP_LINK_UP = 40,    /* the name of a device and its NUL */
  SETUP_ROUTE = 41,      /* struct setup_route, then the name of the device and its NUL */
  SETUP_CGROUP = 48,     /* an absolute path and its NUL: the group of the nursery, the same for all; at LEVEL_CGROUP, once */
  SETUP_CGROUP_FILE = 49, /* a file of the process's own group and what is written to it, each with its NUL; at LEVEL_CGROUP */
  SETUP_TERMINAL = 64    /* struct setup_terminal; with SESSION_NEW */
};

enum namespace_flag {
  NAMESPACE_USER = 1, /* without privilege made for the others, asked for or not */
  NAMESPACE_PID = 2,  /* at LEVEL_PID_NAMESPACE only, whose init has those of user and mounts too */
  NAMESPACE_MOUNT = 4,
  NAMESPACE_NETWORK = 8,
  NAMESPACE_IPC = 16,
  NAMESPACE_UTS = 32,
  NAMESPACE_CGROUP = 64,
  NAMESPACE_TIME = 128
};

/* What a clock shows inside, less what it shows outside; negative as two's complement. */
struct clock_offset {
  uint64_t seconds;
  uint32_t nanoseconds;
} __attribute__((packed));

/* Made for the child. In a user namespace the owner's own user and group are all that there is, unless the owner says it. */
struct setup_namespaces {
  uint32_t flags; /* enum namespace_flag */
  uint32_t uid;   /* what the owner's own are called inside; or ID_KEEP, both: the owner is to write the maps */
  uint32_t gid;
  struct clock_offset monotonic; /* of a new time namespace */
  struct clock_offset boottime;
} __attribute__((packed));

enum mount_kind {
  MOUNT_TMPFS = 0,    /* at the target, no source; 01777 */
  MOUNT_BIND = 1,     /* the source at the target */
  MOUNT_BIND_READ_ONLY = 2,
  MOUNT_READ_ONLY = 3 /* the target, with all that is mounted below it; no source */
};

struct setup_mount {
  uint32_t kind; /* enum mount_kind */
} __attribute__((packed));

/* Those of the leader of a running process. Of a pid namespace: as a child of the reaper that does not belong to it. */
struct setup_enter {
  uint32_t process; /* on its way to the reaper: which of the descriptors is it */
  uint32_t flags;   /* enum namespace_flag */
} __attribute__((packed));

struct setup_enter_path {
  uint32_t flag; /* enum namespace_flag, one of them */
} __attribute__((packed));

#define DEVICE_NAME_MAX 15u /* bytes */

/*
 * A pair of devices: the near one in the network that the child is in by now, the far one in that of a process. It goes with either
 * network, and where an item after it fails.
 */
struct setup_veth {
  uint32_t process; /* as in struct setup_enter */
} __attribute__((packed));

/* Of INET the first 4 bytes, of INET6 all 16, in network order. */
struct internet_address {
  uint64_t start;
  uint64_t rest;
} __attribute__((packed));

struct setup_address {
  uint8_t family; /* ADDRESS_INET or ADDRESS_INET6 */
  uint8_t prefix; /* bits */
  uint16_t zero;
  struct internet_address address;
} __attribute__((packed));

struct setup_route {
  uint8_t family;
  uint8_t prefix; /* of the destination; 0: all others */
  uint8_t routed; /* 1: by a gateway; 0: what is there is a neighbour */
  uint8_t zero;
  struct internet_address destination;
  struct internet_address gateway;
} __attribute__((packed));

/* A descriptor of the child that becomes its controlling terminal. */
struct setup_terminal {
  int32_t target;
} __attribute__((packed));

#define CGROUP_PATH_MAX 3072 /* bytes of the path of SETUP_CGROUP */

#define LIMIT_INFINITY 0xffffffffffffffffu
#define LIMIT_KEEP 0xfffffffffffffffeu /* as it is; a soft one at most the hard one */

/* setrlimit(2). */
struct setup_limit {
  uint32_t resource; /* RLIMIT_* of the machine */
  uint32_t zero;
  uint64_t soft; /* or LIMIT_INFINITY, LIMIT_KEEP */
  uint64_t hard;
} __attribute__((packed));

struct setup_number {
  int32_t value;
} __attribute__((packed));

/* sched_setscheduler(2). */
struct setup_scheduler {
  uint32_t policy;   /* SCHED_* */
  uint32_t priority; /* of the real-time policies, else 0 */
} __attribute__((packed));

#define ID_KEEP 0xffffffffu /* of a user, a group, or a count of groups: as it is */

/* Who leaves user 0, or any user for another one, leaves all capabilities behind, but those of a SETUP_CAPABILITIES. */
struct setup_credentials {
  uint32_t user;
  uint32_t group;
  uint32_t groups; /* that many follow: all supplementary groups */
} __attribute__((packed));

/* capabilities(7). */
struct setup_capabilities {
  uint64_t set;
  uint32_t mode; /* enum capability_mode */
  uint32_t bounded; /* 1: it may be that the bounding set has to stay as it is, for nothing can be gained by it */
} __attribute__((packed));

/* landlock(7): what is held back. With SETUP_NO_NEW_PRIVILEGES. */
struct setup_sandbox {
  uint64_t files;   /* LANDLOCK_ACCESS_FS_* */
  uint64_t network; /* LANDLOCK_ACCESS_NET_* */
  uint64_t scoped;  /* LANDLOCK_SCOPE_* */
} __attribute__((packed));

/* What of it is allowed below a path. */
struct setup_sandbox_path {
  uint64_t allowed;  /* LANDLOCK_ACCESS_FS_*, of which those count that the path can have */
  uint32_t optional; /* 1: left out where the path cannot be opened */
} __attribute__((packed));

struct setup_sandbox_port {
  uint64_t allowed; /* LANDLOCK_ACCESS_NET_* */
  uint64_t port;
} __attribute__((packed));

#define FILTER_INSTRUCTION 8u /* bytes */
#define FILTER_MAX 4096u /* instructions */

enum capability_mode {
  CAPABILITIES_KEEP = 0, /* these and no others, across the exec: permitted, effective, inheritable, ambient, bounding */
  CAPABILITIES_DROP = 1  /* these from all of the sets */
};

enum fd_kind {
  FD_NULL = 0,     /* /dev/null */
  FD_INHERIT = 1,  /* value: a descriptor number of the owner */
  FD_PIPE_IN = 2,  /* the child reads, the owner gets the other end; value: size in bytes, 0 for the kernel's default */
  FD_PIPE_OUT = 3, /* the child writes */
  FD_FILE = 4,     /* value: enum fd_file; extra: index of the path */
  FD_OBJECT = 5    /* value: id of an object; extra: enum object_end */
};

/* Of a pipe the first end is the one to read; what has only one descriptor has only the first. */
enum object_end {
  END_FIRST = 0,
  END_SECOND = 1,
  END_GIVEN = 2 /* besides, in a spawn: once it has started, the child has the only copy; one that fails leaves it here */
};

enum fd_file { FILE_READ = 0, FILE_TRUNCATE = 1, FILE_APPEND = 2 };

struct spawn_fd {
  int32_t target; /* the number in the child */
  uint32_t kind;  /* enum fd_kind */
  uint32_t value;
  uint32_t extra;
} __attribute__((packed));

/*
 * What is held for the owner until it is dropped, whatever becomes of those that have got copies of it. Followed by the struct
 * of its kind, and where that says so by bytes.
 */
struct object_request {
  uint32_t kind; /* enum object_kind */
} __attribute__((packed));

enum object_kind {
  OBJECT_PIPE = 1,       /* struct object_pipe */
  OBJECT_SOCKETPAIR = 2, /* struct object_socketpair */
  OBJECT_FILE = 3,       /* struct object_file, then the absolute path and its NUL */
  OBJECT_MEMORY = 4,     /* struct object_memory, then its first bytes; each spawn opens it anew, at its beginning */
  OBJECT_LISTEN = 5,     /* struct object_listen, then the absolute path or abstract name and its NUL, empty for others */
  OBJECT_PTY = 6         /* struct object_pty; the first end is its terminal, all that a spawn can get of it */
};

struct object_pipe {
  uint32_t size; /* in bytes, 0 for the kernel's default */
} __attribute__((packed));

enum socket_type { TYPE_STREAM = 0, TYPE_DATAGRAM = 1, TYPE_SEQPACKET = 2 };

struct object_socketpair {
  uint32_t type; /* enum socket_type */
} __attribute__((packed));

enum open_flag { OPEN_READ = 1, OPEN_WRITE = 2, OPEN_CREATE = 4, OPEN_EXCLUSIVE = 8, OPEN_TRUNCATE = 16, OPEN_APPEND = 32 };

struct object_file {
  uint32_t flags; /* enum open_flag */
  uint32_t mode;  /* of a file that is created, less the owner's umask */
} __attribute__((packed));

struct object_memory {
  uint32_t sealed; /* 1: its bytes and size are final */
  uint64_t size;   /* in bytes; what the first bytes do not fill is zero */
} __attribute__((packed));

enum address_family { ADDRESS_INET = 0, ADDRESS_INET6 = 1, ADDRESS_PATH = 2, ADDRESS_ABSTRACT = 3 };

enum listen_flag {
  LISTEN_REUSE_PORT = 1,   /* SO_REUSEPORT */
  LISTEN_ONLY_V6 = 2,      /* an INET6 socket takes no IPv4 */
  LISTEN_REPLACE_STALE = 4 /* a socket in the file system that nobody is bound to is removed first */
};

#define UNCHANGED 0xffffffffu /* for mode, uid and gid: as they come */

struct object_listen {
  uint8_t family; /* enum address_family */
  uint8_t type;   /* enum socket_type */
  uint16_t port;  /* 0: of the kernel's choice */
  uint32_t flags; /* enum listen_flag */
  uint32_t backlog;
  uint32_t mode; /* of a path, or UNCHANGED; likewise the next two */
  uint32_t uid;
  uint32_t gid;
  uint32_t scope;        /* of an INET6 address */
  uint64_t address;      /* of INET the first 4 bytes, of INET6 all 16, in network order */
  uint64_t address_rest;
} __attribute__((packed));

enum pty_flag {
  PTY_RAW = 1,    /* cfmakeraw(3) */
  PTY_NO_ECHO = 2
};

struct object_pty {
  uint16_t columns; /* from 1 on */
  uint16_t rows;
  uint32_t flags; /* enum pty_flag */
} __attribute__((packed));

struct resize {
  uint32_t pty;
  uint16_t columns; /* from 1 on */
  uint16_t rows;
} __attribute__((packed));

/* With errno 0 followed by what the kind tells: struct object_ends for those above. */
struct object_told {
  uint32_t errno_;
  uint32_t step; /* enum object_step */
} __attribute__((packed));

enum object_step {
  AT_REQUEST = 0,
  AT_CREDENTIALS = 1, /* the owner has changed its user since the keeper was started: it must not act for the old one */
  AT_CREATE = 2,
  AT_OPEN = 3,
  AT_WRITE = 4,
  AT_SEAL = 5,
  AT_OPTION = 6,
  AT_BIND = 7, /* EADDRINUSE: somebody is bound; ENOTSOCK: the path is there and is no socket */
  AT_STALE = 8, /* EADDRINUSE: the path is a socket that nobody is bound to */
  AT_OWNER = 9, /* chown */
  AT_LISTEN = 10
};

/* Of a pty: two pipes, one to read what it shows and one to write what is typed, to be opened and then to CLOSE. */
struct object_ends {
  int32_t first; /* their numbers in the keeper, to be opened there as long as the object lives; -1: none */
  int32_t second;
  uint32_t port; /* that is bound; of a pty its number in /dev/pts */
} __attribute__((packed));

/* Followed by `count` struct lent_fd: ends of pipes to open through /proc/<keeper>/fd and then to CLOSE. */
struct started {
  uint32_t pid;
  uint32_t reaper; /* pid */
  uint64_t time;   /* CLOCK_MONOTONIC, nanoseconds */
  uint32_t count;
} __attribute__((packed));

struct lent_fd {
  int32_t target;
  int32_t descriptor; /* its number in the keeper */
} __attribute__((packed));

enum spawn_step {
  STEP_REQUEST = 0,    /* the request itself */
  STEP_HELPER = 1,     /* forking a reaper, handing the job over */
  STEP_DESCRIPTOR = 2, /* pipes, files, the descriptor map */
  STEP_FORK = 3,
  STEP_SESSION = 4,
  STEP_CREDENTIALS = 5,
  STEP_CWD = 6,
  STEP_EXEC = 7,
  STEP_LIMITS = 8,
  STEP_NAMESPACE = 9,
  STEP_CONTAINMENT = 10,
  STEP_SANDBOX = 11,
  STEP_TERMINAL = 12
};

struct failed {
  uint32_t step;  /* enum spawn_step */
  uint32_t errno_; /* ETIMEDOUT: the spawn deadline; ECANCELED: a CANCEL came first */
  /* The descriptor that the step was about, or the setup item, counted from 0; of STEP_CONTAINMENT enum containment_part; -1: none. */
  int32_t target;
} __attribute__((packed));

/* What could not be done for LEVEL_PID_NAMESPACE or LEVEL_CGROUP. */
enum containment_part {
  CONTAINMENT_NAMESPACES = 0, /* making a pid and a mount namespace, and without privilege a user namespace */
  CONTAINMENT_IDS = 1,        /* mapping the owner's ids in the user namespace */
  CONTAINMENT_MOUNTS = 2,     /* separating the mounts from those of the machine */
  CONTAINMENT_CGROUPS = 3,    /* making the group of the nursery */
  CONTAINMENT_CGROUP = 4,     /* making that of the process */
  CONTAINMENT_ENTER = 5       /* entering it */
};

struct exited {
  int32_t status; /* as of wait(2) */
  uint32_t ended; /* 1: the tree is gone too, no ENDED follows */
  uint64_t time;
  uint64_t user_time;   /* microseconds */
  uint64_t system_time; /* microseconds */
  uint64_t max_resident; /* bytes */
  uint64_t minor_faults;
  uint64_t major_faults;
  uint64_t block_input;
  uint64_t block_output;
  uint64_t voluntary_switches;
  uint64_t involuntary_switches;
} __attribute__((packed));

#define CGROUP_UNKNOWN 0xffffffffffffffffu /* the controller is not there, or the kernel does not tell it */

/* What all processes of a group have used so far. */
struct cgroup_told {
  uint64_t cpu_time; /* microseconds, as the next three; cpu.stat */
  uint64_t user_time;
  uint64_t system_time;
  uint64_t throttled_time; /* in which cpu.max let none of them run */
  uint64_t memory_peak;    /* bytes; memory.peak */
  uint64_t read_bytes;     /* from all devices; io.stat */
  uint64_t written_bytes;
  uint32_t oom_kills;     /* how many of them were killed for want of memory; memory.events */
  uint32_t out_of_memory; /* 1: the leader was, as far as can be told */
} __attribute__((packed));

/* A text of `READY=1`, `STATUS=...` and so on, a line each: sd_notify(3). */
struct notify {
  uint32_t pid;   /* of the sender, as the kernel says; 0: it is not known here */
  uint8_t sender; /* enum notify_sender */
  uint8_t cut;    /* 1: the text was longer than NOTIFY_MAX, and is cut there */
  uint16_t stored; /* how many descriptors came with it and are kept, as objects of the numbers from `first` on */
  uint32_t first;
} __attribute__((packed));

enum notify_sender {
  SENDER_MEMBER = 0,   /* of the tree that the socket was made for */
  SENDER_STRANGER = 1, /* another process, which has learned the name of the socket */
  SENDER_GONE = 2      /* it has been collected already, and with it went what it was */
};

#define NOTIFY_MAX 4096 /* bytes of text */

/* Objects that the keeper makes by itself are numbered from here, those that the owner asks for below. */
#define STORED_FIRST 0x80000000u
#define STORED_MAX 1024 /* of one process, in its life; what comes after them is closed */

struct ended {
  uint64_t time;
  uint32_t collected; /* descendants that were waited for, the leader not counted */
} __attribute__((packed));

#endif
