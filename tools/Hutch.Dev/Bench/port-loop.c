/* The least that a program can do for a guest that writes to a port: the raw ioctl in a loop. Prints CPU nanoseconds per exit. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

static long long cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    long exits = argc > 1 ? atol(argv[1]) : 100000, counted = 0;
    int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
    struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
    unsigned char *ram = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region slot = { .memory_size = 4 << 20, .userspace_addr = (unsigned long)ram };
    if (vm < 0 || ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) || ioctl(vm, KVM_ENABLE_CAP, &split) || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot)) { perror("kvm"); return 1; }
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    struct kvm_run *run = mmap(0, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
    memcpy(ram + 0x1000, "\xe6\x10\xeb\xfc", 4);                       /* again: out 0x10, al; jmp again */
    if (ioctl(vcpu, KVM_GET_SREGS, &sregs)) { perror("sregs"); return 1; }
    sregs.cs.base = sregs.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs)) { perror("regs"); return 1; }
    long long start = 0;
    for (long i = 0; i < exits + 1000; i++) {
        if (i == 1000) start = cpu_time();
        if (ioctl(vcpu, KVM_RUN, 0)) { perror("run"); return 1; }
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == 0x10) counted += run->io.count;
            break;
        default:
            fprintf(stderr, "exit %u\n", run->exit_reason);
            return 1;
        }
    }
    printf("%.1f\n", (double)(cpu_time() - start) / exits);
    return counted == exits + 1000 ? 0 : 1;
}
