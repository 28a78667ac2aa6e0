/*
 * One end of a TCP connection, as iperf makes it: net-load ADDRESS PORT send|receive
 * Sends or receives in blocks of 128 KiB until the other end closes.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char block[128 << 10];

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), sends = strcmp(argv[3], "send") == 0;
    if (fd < 0 || inet_pton(AF_INET, argv[1], &peer.sin_addr) != 1 || connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0) {
        perror("connect");
        return 1;
    }
    while ((sends ? write(fd, block, sizeof block) : read(fd, block, sizeof block)) > 0) continue;
    return 0;
}
