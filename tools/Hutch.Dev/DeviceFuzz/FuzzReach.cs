using System.Threading;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>How far a guest's actions came: a guest that reaches nothing finds nothing. Any thread counts.</summary>
internal sealed class FuzzReach
{
    private long _disk, _out, _in, _interrupts;

    /// <summary>Requests that a disk got.</summary>
    internal long DiskRequests => Interlocked.Read(ref _disk);

    /// <summary>Frames or pieces of text that left.</summary>
    internal long Sent => Interlocked.Read(ref _out);

    /// <summary>Frames or pieces of text that a device took in.</summary>
    internal long Received => Interlocked.Read(ref _in);

    /// <summary>Messages of interrupts, those of the IOAPIC too, and edges of the PIC's output.</summary>
    internal long Interrupts => Interlocked.Read(ref _interrupts);

    internal void Disk() => Interlocked.Increment(ref _disk);

    internal void Out() => Interlocked.Increment(ref _out);

    internal void In() => Interlocked.Increment(ref _in);

    internal void Interrupt() => Interlocked.Increment(ref _interrupts);

    /// <inheritdoc/>
    public override string ToString() => $"{DiskRequests} disk requests, {Sent} sent, {Received} received, {Interrupts} interrupts";
}
