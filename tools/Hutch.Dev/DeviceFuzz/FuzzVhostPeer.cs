using System;
using System.Collections.Generic;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A back end that does as luck has it, each time that the device looks for it: it is done with some requests, in any order, and rarely it breaks a rule or leaves.</summary>
internal sealed class FuzzVhostPeer(Func<int, int> luck, FuzzReach reach) : VhostPeer
{
    private const int MostInARow = 8, SeldomOneIn = 3000;

    private readonly List<(int Queue, ushort Head)> _taken = [];

    /// <inheritdoc/>
    public override int Receive(Span<byte> destination)
    {
        if (Rings.TryGetValue(QueueCount - 1, out VhostPeerRing? last) && last.IsEnabled && !HasLeft) Serve();
        return base.Receive(destination);
    }

    private void Serve()
    {
        for (int queue = 0; queue < QueueCount; queue++)
        {
            for (int count = luck(MostInARow); count > 0 && TryTake(queue, out ushort head); count--)
            {
                _taken.Add((queue, head));
                reach.Out();
            }
        }
        for (int count = luck(MostInARow); count > 0 && _taken.Count != 0; count--)
        {
            int which = luck(_taken.Count);
            (int queue, ushort head) = _taken[which];
            _taken.RemoveAt(which);
            Use(queue, head, (uint)Fill(queue, head));
            reach.In();
        }
        switch (luck(SeldomOneIn))
        {
            case 0: HasLeft = true; break;
            case 1: Say(1); break;
            case 2: Use(luck(QueueCount), (uint)luck(1 << 20), (uint)luck(1 << 20)); break;
            case 3: SetUsed(luck(QueueCount), (ushort)luck(1 << 16)); break;
        }
    }

    // Writes a part of what it may, and says how much.
    private long Fill(int queue, ushort head)
    {
        long total = 0;
        foreach ((ulong address, int length, bool isWritable) in Chain(queue, head))
        {
            if (!isWritable) continue;
            if (luck(2) == 0) Write(address, [(byte)luck(256)]);
            total += length;
        }
        return luck(4) == 0 ? luck((int)Math.Min(total, int.MaxValue - 1) + 1) : total;
    }
}
