using System;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// Reads the host's time stamp counter. The runtime has no intrinsic for RDTSC, so the instruction is emitted once into a page of its own.
/// Any thread.
/// </summary>
internal sealed unsafe class HostTsc : IDisposable
{
    private readonly ExecutableRegion _code;
    private readonly delegate* unmanaged[SuppressGCTransition]<ulong> _read;

    public HostTsc()
    {
        _code = ExecutableRegion.Allocate(4096, "Time stamp reader");
        // lfence; rdtsc; shl rdx, 32; or rax, rdx; ret. LFENCE keeps the read from moving before earlier loads (Intel SDM 2B, RDTSC).
        ReadOnlySpan<byte> code = [0x0f, 0xae, 0xe8, 0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3];
        code.CopyTo(new Span<byte>(_code.Writable, code.Length));
        // SAFETY: the code is a complete leaf function of a few dozen cycles that keeps the C ABI; the region lives as long as this.
        _read = (delegate* unmanaged[SuppressGCTransition]<ulong>)_code.Executable;
    }

    /// <summary>The counter now.</summary>
    public ulong Read() => _read();

    /// <inheritdoc/>
    public void Dispose() => _code.Dispose();
}
