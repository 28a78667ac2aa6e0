using System.Runtime.CompilerServices;
using Hutch.Kvm.Abi;
using Xunit;

namespace Hutch.Tests.Kvm.Abi;

/// <summary>The mirrored structures have the sizes and offsets of linux/kvm.h on x86-64.</summary>
public sealed unsafe class LayoutTests
{
    [Fact]
    public void Structures_are_as_long_as_the_kernels()
    {
        Assert.Equal(2352, sizeof(KvmRun));
        Assert.Equal(144, sizeof(KvmRegs));
        Assert.Equal(24, sizeof(KvmSegment));
        Assert.Equal(16, sizeof(KvmTable));
        Assert.Equal(312, sizeof(KvmSregs));
        Assert.Equal(128, sizeof(KvmDebugRegs));
        Assert.Equal(392, sizeof(KvmXcrs));
        Assert.Equal(64, sizeof(KvmVcpuEvents));
        Assert.Equal(16, sizeof(KvmMsrEntry));
        Assert.Equal(40, sizeof(KvmCpuidEntry));
        Assert.Equal(32, sizeof(KvmMemoryRegion));
        Assert.Equal(16, sizeof(KvmDirtyLog));
        Assert.Equal(24, sizeof(KvmClearDirtyLog));
        Assert.Equal(16, sizeof(KvmDirtyPage));
        Assert.Equal(104, sizeof(KvmEnableCap));
        Assert.Equal(48, sizeof(KvmClockData));
        Assert.Equal(16, sizeof(KvmCoalescedZone));
        Assert.Equal(24, sizeof(KvmCoalescedStore));
        Assert.Equal(32, sizeof(KvmMsi));
        Assert.Equal(48, sizeof(KvmMsiRoute));
        Assert.Equal(32, sizeof(KvmIrqfd));
        Assert.Equal(64, sizeof(KvmIoeventfd));
    }

    /// <summary>An ioctl's number holds its structure's length in bits 16-29.</summary>
    [Theory]
    [InlineData(KvmIoctl.GetRegs, 144)]
    [InlineData(KvmIoctl.SetSregs, 312)]
    [InlineData(KvmIoctl.SetUserMemoryRegion, 32)]
    [InlineData(KvmIoctl.SignalMsi, 32)]
    [InlineData(KvmIoctl.EnableCap, 104)]
    [InlineData(KvmIoctl.GetVcpuEvents, 64)]
    [InlineData(KvmIoctl.ClearDirtyLog, 24)]
    [InlineData(KvmIoctl.Irqfd, 32)]
    [InlineData(KvmIoctl.Ioeventfd, 64)]
    [InlineData(KvmIoctl.GetClock, 48)]
    [InlineData(KvmIoctl.GetXsave, 4096)]
    [InlineData(KvmIoctl.GetLapic, 1024)]
    public void Request_numbers_carry_the_length(uint request, uint length) => Assert.Equal(length, (request >> 16) & 0x3fff);

    [Fact]
    public void Fields_inside_are_where_the_kernel_has_them()
    {
        KvmSregs system;
        KvmXcrs extended;
        KvmIoeventfd doorbell;
        KvmClockData clock;
        KvmMsiRoute route;
        Assert.Equal(96, (byte*)&system.Gs - (byte*)&system);
        Assert.Equal(224, (byte*)&system.Cr0 - (byte*)&system);
        Assert.Equal(16, (byte*)&extended.Xcr0 - (byte*)&extended);
        Assert.Equal(20, (byte*)&doorbell.EventFd - (byte*)&doorbell);
        Assert.Equal(16, (byte*)&clock.RealTime - (byte*)&clock);
        Assert.Equal(16, (byte*)&route.AddressLow - (byte*)&route);
        Assert.Equal(32, Unsafe.SizeOf<KvmSregs.Bitmap>());
    }
}
