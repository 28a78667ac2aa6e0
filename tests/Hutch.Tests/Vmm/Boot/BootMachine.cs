using System;
using System.Text;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Vmm.Boot;

namespace Hutch.Tests.Vmm.Boot;

/// <summary>Memory and a boot processor for a loader to fill.</summary>
internal sealed class BootMachine : IDisposable
{
    internal BootMachine(ulong memoryBytes = 64 << 20) => Memory = GuestMemory.Create(memoryBytes);

    internal GuestMemory Memory { get; }

    internal X86VcpuState Cpu { get; } = new();

    internal BootTarget Target(string commandLine = "console=ttyS0", ImageSource? initrd = null) => new()
    {
        Memory = Memory,
        Cpu = Cpu,
        Map = MemoryMap.Describe(Memory, 0xb000_0000, 0x1000_0000),
        RootPointer = 0xe_0000,
        CommandLine = commandLine,
        Initrd = initrd,
        RandomSeed = new byte[32],
    };

    internal byte[] Bytes(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        if (!Memory.TryCopyOut(address, bytes)) throw new ArgumentOutOfRangeException(nameof(address));
        return bytes;
    }

    internal T Read<T>(ulong address) where T : unmanaged =>
        Memory.TryRead(address, out T value) ? value : throw new ArgumentOutOfRangeException(nameof(address));

    internal string Text(ulong address)
    {
        byte[] bytes = Bytes(address, 256);
        return Encoding.UTF8.GetString(bytes, 0, Array.IndexOf(bytes, (byte)0));
    }

    public void Dispose() => Memory.Dispose();
}
