using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Time;
using Hutch.Model.Control;
using static Hutch.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Hutch.Devices.Virtio.Balloon;

/// <summary>What the guest says of its memory (virtio 1.2 §5.5.6.4). Written by the device's worker, read by any thread.</summary>
internal sealed class BalloonStatistics(IClock clock)
{
    // By their tags.
    private static readonly ImmutableArray<string> Names =
    [
        "swapInBytes", "swapOutBytes", "majorFaults", "minorFaults", "freeBytes", "totalBytes", "availableBytes", "cacheBytes", "hugePageAllocations", "hugePageFailures",
    ];

    private readonly ulong[] _values = new ulong[Names.Length];
    private readonly System.Threading.Lock _lock = new();
    private uint _known;
    private long _taken;

    /// <summary>Takes what the driver sent. Tags that are not known are passed over.</summary>
    internal void Read(DescriptorChain chain)
    {
        Span<byte> one = stackalloc byte[StatisticBytes];
        lock (_lock)
        {
            // More than there are tags says nothing new.
            for (int i = 0; i < 2 * Names.Length && chain.TryRead(i * StatisticBytes, one); i++)
            {
                int tag = BinaryPrimitives.ReadUInt16LittleEndian(one);
                if (tag >= Names.Length) continue;
                _values[tag] = BinaryPrimitives.ReadUInt64LittleEndian(one[2..]);
                _known |= 1u << tag;
            }
            _taken = clock.MonotonicNanoseconds;
        }
    }

    /// <summary>The driver is gone.</summary>
    internal void Clear()
    {
        lock (_lock) _known = 0;
    }

    /// <summary>What is known, by name, and how old it is in seconds.</summary>
    internal (ImmutableArray<BalloonStatistic> Values, double AgeSeconds) Look()
    {
        lock (_lock)
        {
            ImmutableArray<BalloonStatistic>.Builder values = ImmutableArray.CreateBuilder<BalloonStatistic>();
            for (int tag = 0; tag < Names.Length; tag++)
                if ((_known >> tag & 1) != 0) values.Add(new BalloonStatistic(Names[tag], _values[tag]));
            return (values.ToImmutable(), _known == 0 ? 0 : (clock.MonotonicNanoseconds - _taken) / 1e9);
        }
    }
}
