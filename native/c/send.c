/* One line to many sockets, in one call: what a job for thousands of rigs is. */
#include "headframe.h"

#ifdef _WIN32

uint32_t hf_send_all(uint32_t *taken, uint32_t *next, const int32_t *sockets, uint32_t count,
                     const uint8_t *data, size_t size)
{
    (void)next, (void)sockets, (void)data, (void)size;
    for (uint32_t i = 0; i < count; i++) {
        taken[i] = 0;
    }
    return 0;
}

#else

#include <sys/socket.h>
#include <sys/types.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS; Python ignores SIGPIPE everywhere */
#endif

/* Sockets that a call takes at a time: so many that threads seldom meet, so few that none
 * waits long for another's last ones. */
enum { PORTION = 8 };

uint32_t hf_send_all(uint32_t *taken, uint32_t *next, const int32_t *sockets, uint32_t count,
                     const uint8_t *data, size_t size)
{
    uint32_t whole = 0, first;
    while ((first = __atomic_fetch_add(next, PORTION, __ATOMIC_RELAXED)) < count) {
        uint32_t end = count - first < PORTION ? count : first + PORTION;
        for (uint32_t i = first; i < end; i++) {
            ssize_t sent = send(sockets[i], data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
            taken[i] = sent < 0 ? 0 : (uint32_t)sent;
            whole += taken[i] == size;
        }
    }
    return whole;
}

#endif
