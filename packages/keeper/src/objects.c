/*
 * What is held for the owner between spawns: pipes that join two children, and sockets by which the owner talks to a child in
 * both directions. A socket cannot be opened through /proc, so the owner connects to one here, and names it by a number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"

struct object {
  int ends[2]; /* to read, to write; of a socket only the first; -1: none */
  int error;   /* why there are none */
  uint32_t next_free;
};

static struct object *object_at(uint32_t record) { return (struct object *)keeper->objects.at + record; }

static struct object *object_new(uint32_t id) {
  uint32_t record = keeper->free_object;
  if (id == 0 || map_get(&keeper->object_by_id, id) != MAP_NONE) return NULL;
  if (record == NO_RECORD) {
    if (!memory_grow(&keeper->objects, (keeper->object_count + 1) * sizeof(struct object))) return NULL;
    record = keeper->object_count++;
  } else {
    keeper->free_object = object_at(record)->next_free;
  }
  *object_at(record) = (struct object){{-1, -1}, 0, keeper->free_object};
  if (map_set(&keeper->object_by_id, id, record)) return object_at(record);
  keeper->free_object = record;
  return NULL;
}

void object_new_pipe(uint32_t id, uint32_t size) {
  struct object *object = object_new(id);
  if (object == NULL) {
    refuse(id, EEXIST, "this id is in use, or there is no memory for a pipe");
    return;
  }
  if (pipe2(object->ends, O_CLOEXEC) != 0) {
    object->error = errno;
    object->ends[0] = object->ends[1] = -1;
  } else if (size > 0) {
    fcntl(object->ends[0], F_SETPIPE_SZ, (int)size);
  }
}

int object_end(uint32_t id, uint32_t end, int *error) {
  uint32_t record = map_get(&keeper->object_by_id, id);
  *error = record == MAP_NONE || object_at(record)->error == 0 ? EBADF : object_at(record)->error;
  if (record == MAP_NONE || object_at(record)->ends[end] < 0) return -1;
  int copy = fcntl(object_at(record)->ends[end], F_DUPFD_CLOEXEC, 0);
  if (copy < 0) *error = errno;
  return copy;
}

void object_drop(uint32_t id) {
  uint32_t record = map_get(&keeper->object_by_id, id);
  if (record == MAP_NONE) return;
  struct object *object = object_at(record);
  for (int i = 0; i < 2; i++) {
    if (object->ends[i] >= 0) close(object->ends[i]);
  }
  *object = (struct object){{-1, -1}, 0, keeper->free_object};
  keeper->free_object = record;
  map_remove(&keeper->object_by_id, id);
}

/* A name that the kernel chooses in the abstract space: nothing in any file system, gone with the keeper. */
static int listen_once(void) {
  if (keeper->listener >= 0) return 0;
  if (getrandom(keeper->secret, sizeof keeper->secret, 0) != (ssize_t)sizeof keeper->secret) return EIO;
  int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made < 0) return errno;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t size = sizeof address;
  if (bind(made, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 || listen(made, 128) != 0 ||
      getsockname(made, (struct sockaddr *)&address, &size) != 0 || !watch(made, EPOLLIN)) {
    int error = errno;
    close(made);
    return error;
  }
  keeper->listener = made;
  keeper->spare = fcntl(keeper->null, F_DUPFD_CLOEXEC, 0);
  keeper->listener_name_size = (uint32_t)(size - offsetof(struct sockaddr_un, sun_path) - 1);
  memcpy(keeper->listener_name, address.sun_path + 1, keeper->listener_name_size);
  return 0;
}

void objects_listen(uint32_t request) {
  int error = listen_once();
  if (error != 0) {
    refuse(request, error, "cannot listen on a local socket");
    return;
  }
  reply_two(REPLY_LISTENING, request, keeper->secret, SECRET_SIZE, keeper->listener_name, keeper->listener_name_size);
}

/* Anybody may connect to an abstract name: only the owner's own process gets further, and only with the secret. */
static bool is_owner(int socket) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == keeper->owner;
}

/* Out of descriptors, it takes the spare one to turn the guest away: it would go on knocking, and wake us without end. */
static int accept_guest(void) {
  int socket = accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket >= 0 || (errno != EMFILE && errno != ENFILE)) return socket;
  close(keeper->spare);
  socket = accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC);
  if (socket >= 0) close(socket);
  keeper->spare = fcntl(keeper->null, F_DUPFD_CLOEXEC, 0);
  return -1;
}

static void accept_guests(void) {
  for (;;) {
    int socket = accept_guest();
    if (socket < 0) return;
    if (keeper->guest_count == GUESTS_MAX || !is_owner(socket) || !watch(socket, EPOLLIN)) {
      close(socket);
      continue;
    }
    keeper->guests[keeper->guest_count++] = (struct guest){.socket = socket};
  }
}

static void become_object(int socket, const char *greeting) {
  uint32_t id;
  memcpy(&id, greeting + SECRET_SIZE, sizeof id);
  struct object *object = memcmp(greeting, keeper->secret, SECRET_SIZE) == 0 ? object_new(id) : NULL;
  if (object == NULL) {
    close(socket);
    return;
  }
  /* The child gets a blocking socket, like any other descriptor. */
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  object->ends[0] = socket;
  /* Only now may the owner ask for a spawn that uses it: its requests come by another way. */
  if (send(socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) object_drop(id);
}

/* Reads no more than the greeting: what follows is for the child. */
static void read_greeting(int index) {
  struct guest *guest = &keeper->guests[index];
  ssize_t got = recv(guest->socket, guest->greeting + guest->length, GREETING_SIZE - guest->length, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) guest->length += (uint32_t)got;
  if (got > 0 && guest->length < GREETING_SIZE) return;
  struct guest ready = *guest;
  keeper->guests[index] = keeper->guests[--keeper->guest_count];
  unwatch(ready.socket);
  if (got <= 0) close(ready.socket);
  else become_object(ready.socket, ready.greeting);
}

bool objects_ready(int descriptor) {
  if (descriptor == keeper->listener) {
    accept_guests();
    return true;
  }
  for (int i = 0; i < keeper->guest_count; i++) {
    if (keeper->guests[i].socket != descriptor) continue;
    read_greeting(i);
    return true;
  }
  return false;
}
