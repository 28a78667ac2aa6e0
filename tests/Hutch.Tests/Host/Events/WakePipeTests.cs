using System;
using System.IO;
using Hutch.Host.Events;
using Xunit;

namespace Hutch.Tests.Host.Events;

public sealed class WakePipeTests
{
    [Fact]
    public void A_reader_that_never_comes_keeps_nobody_waiting()
    {
        using WakePipe pipe = WakePipe.Create("test");
        // More than a pipe holds.
        for (int i = 0; i < 20_000; i++) pipe.Signal();
        for (int i = 0; i < 20_000; i++) pipe.Drain();
        using FileStream end = new($"/proc/self/fd/{pipe.ReadDescriptor}", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        pipe.Signal();
        byte[] wake = new byte[16];
        Assert.Equal(8, end.Read(wake));
        Assert.Equal(1UL, BitConverter.ToUInt64(wake));
    }
}
