/*
 * Sockets by which the owner talks to a child in both directions. A socket cannot be opened through /proc, so the owner connects to
 * one here, and names it by a number: what has been accepted becomes the object of that number.
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

void guests_listen(uint32_t request) {
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
  /* The child gets a blocking socket, like any other descriptor. */
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  if (memcmp(greeting, keeper->secret, SECRET_SIZE) != 0 || !object_adopt(id, socket)) {
    close(socket);
    return;
  }
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

bool guests_ready(int descriptor) {
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
