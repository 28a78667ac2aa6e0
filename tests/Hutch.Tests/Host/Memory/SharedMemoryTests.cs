using System;
using System.IO;
using Hutch.Host.Memory;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Hutch.Tests.Host.Memory;

/// <summary>Memory that another program has by its descriptor: here the test, by another way to the same file.</summary>
public sealed class SharedMemoryTests
{
    [Fact]
    public void Both_sides_see_the_same_bytes()
    {
        using SharedMemory memory = SharedMemory.Create(8192, "Test");
        using SafeFileHandle other = Open(memory);
        Assert.Equal(8192, memory.Bytes.Length);
        memory.Bytes[5000] = 7;
        byte[] read = new byte[1];
        Assert.Equal(1, RandomAccess.Read(other, read, 5000));
        Assert.Equal(7, read[0]);
        RandomAccess.Write(other, "abc"u8, 8189);
        Assert.Equal("abc"u8.ToArray(), memory.Bytes[8189..].ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    [InlineData(16384)]
    public void Nobody_changes_its_length(long length)
    {
        using SharedMemory memory = SharedMemory.Create(8192, "Test");
        using SafeFileHandle other = Open(memory);
        Assert.ThrowsAny<UnauthorizedAccessException>(() => RandomAccess.SetLength(other, length));
        Assert.Equal(8192, RandomAccess.GetLength(other));
    }

    private static SafeFileHandle Open(SharedMemory memory) => File.OpenHandle($"/proc/self/fd/{memory.Descriptor}", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
}
