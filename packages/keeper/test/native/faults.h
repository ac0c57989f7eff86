/*
 * Makes system calls of the keeper fail on demand: included before each of its sources, it puts itself between them and libc. What
 * fails next stands in a file that the test writes and all helpers have mapped (faults.c).
 */
#ifndef NURSERY_FAULTS_H
#define NURSERY_FAULTS_H

/* The numbers are known to faults.test.ts. */
enum fault {
  FAULT_PIPE = 1,
  FAULT_FCNTL,
  FAULT_OPEN,
  FAULT_MEMFD,
  FAULT_SENDMSG,
  FAULT_RECVMSG,
  FAULT_FORK,
  FAULT_VFORK,
  FAULT_MMAP,
  FAULT_MREMAP,
  FAULT_MALLOC,
  FAULT_DUP2,
  FAULT_WRITE,
  FAULT_SIGQUEUE,
  FAULT_EPOLL,
  FAULT_SOCKET,
  FAULT_ACCEPT
};

/* Whether this call is the one that fails; errno is set then. */
int nursery_fault(enum fault call);

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#define NURSERY_FAULTS_UNDO
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef NURSERY_FAULTS_UNDO
#undef _GNU_SOURCE
#endif

#define pipe2(...) (nursery_fault(FAULT_PIPE) ? -1 : pipe2(__VA_ARGS__))
#define fcntl(...) (nursery_fault(FAULT_FCNTL) ? -1 : fcntl(__VA_ARGS__))
#define open(...) (nursery_fault(FAULT_OPEN) ? -1 : open(__VA_ARGS__))
#define memfd_create(...) (nursery_fault(FAULT_MEMFD) ? -1 : memfd_create(__VA_ARGS__))
#define sendmsg(...) (nursery_fault(FAULT_SENDMSG) ? -1 : sendmsg(__VA_ARGS__))
#define recvmsg(...) (nursery_fault(FAULT_RECVMSG) ? -1 : recvmsg(__VA_ARGS__))
#define fork(...) (nursery_fault(FAULT_FORK) ? -1 : fork(__VA_ARGS__))
#define vfork(...) (nursery_fault(FAULT_VFORK) ? -1 : vfork(__VA_ARGS__))
#define mmap(...) (nursery_fault(FAULT_MMAP) ? MAP_FAILED : mmap(__VA_ARGS__))
#define mremap(...) (nursery_fault(FAULT_MREMAP) ? MAP_FAILED : mremap(__VA_ARGS__))
#define malloc(...) (nursery_fault(FAULT_MALLOC) ? NULL : malloc(__VA_ARGS__))
#define realloc(...) (nursery_fault(FAULT_MALLOC) ? NULL : realloc(__VA_ARGS__))
#define dup2(...) (nursery_fault(FAULT_DUP2) ? -1 : dup2(__VA_ARGS__))
#define write(...) (nursery_fault(FAULT_WRITE) ? -1 : write(__VA_ARGS__))
#define sigqueue(...) (nursery_fault(FAULT_SIGQUEUE) ? -1 : sigqueue(__VA_ARGS__))
#define epoll_ctl(...) (nursery_fault(FAULT_EPOLL) ? -1 : epoll_ctl(__VA_ARGS__))
#define socket(...) (nursery_fault(FAULT_SOCKET) ? -1 : socket(__VA_ARGS__))
#define accept4(...) (nursery_fault(FAULT_ACCEPT) ? -1 : accept4(__VA_ARGS__))

#endif
