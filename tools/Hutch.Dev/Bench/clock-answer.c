/*
 * Answers each datagram to UDP port 9 with CLOCK_REALTIME in nanoseconds, eight bytes in the order of this machine.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

int main(void)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(9) }, peer;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0) return 1;
    for (;;) {
        char question[64];
        socklen_t length = sizeof peer;
        if (recvfrom(fd, question, sizeof question, 0, (struct sockaddr *)&peer, &length) < 0) return 1;
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t answer = now.tv_sec * 1000000000ll + now.tv_nsec;
        sendto(fd, &answer, sizeof answer, 0, (struct sockaddr *)&peer, length);
    }
}
