using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Hutch.Core.Bus;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A random guest: reads and writes of registers, of configuration space and of memory. Those derived from it know how to bring a device to work.</summary>
internal class FuzzDriver
{
    // So many actions on the average a guest keeps its mood.
    private const int MoodActions = 150;
    private const int Vectors = 8, MostCapabilities = 48, Yields = 20;
    private const int Slots = 32, Functions = 8, BarWords = 6;
    private const int BarStart = 0x10, CommandRegister = 4;
    private const ulong IoapicIndex = 0xfec0_0000, IoapicData = 0xfec0_0010;
    private const uint FirstPin = 16, LastPin = 23;

    private readonly List<(ulong Config, uint[] Bars)> _functions = [];
    private bool _isCalm = true;

    /// <summary>Looks for the machine's PCI functions.</summary>
    internal FuzzDriver(FuzzMachine machine, Random random)
    {
        (Machine, Random) = (machine, random);
        for (int slot = 0; slot < Slots; slot++)
            for (int function = 0; function < Functions; function++)
            {
                ulong config = FuzzMachine.Ecam + ((ulong)slot << 15) + ((ulong)function << 12);
                if (machine.Services.Firmware is not null || (ushort)machine.Load(config, 2) == 0xffff) continue;
                _functions.Add((config, [.. Enumerable.Range(0, BarWords).Select(i => (uint)machine.Load(config + BarStart + ((ulong)i * 4), 4))]));
            }
    }

    /// <summary>The machine.</summary>
    private protected FuzzMachine Machine { get; }

    /// <summary>The story's luck.</summary>
    private protected Random Random { get; }

    /// <summary>Configuration space of the function that was added last.</summary>
    private protected ulong Config => _functions[^1].Config;

    /// <summary>Has the IOAPIC take the interrupt pins of PCI by their edges, so that each rise is an interrupt.</summary>
    private protected void UnmaskPins()
    {
        for (uint pin = FirstPin; pin <= LastPin; pin++)
        {
            Machine.Store(IoapicIndex, 0x10 + (2 * pin), 4);
            Machine.Store(IoapicData, 0x40 + pin, 4);
        }
    }

    /// <summary>Does one thing.</summary>
    internal void Act()
    {
        if (Random.Next(MoodActions) == 0 && (_isCalm = Random.Next(4) != 0))
        {
            PutBack();
            Begin();
        }
        // A device that is always broken shows only its first lines.
        switch (Random.Next(_isCalm ? 512 : 16))
        {
            case 0: Configure(); break;
            case < 3: Scribble(); break;
            case < 10: Touch(); break;
            default:
                Drive();
                // Now and then a driver waits for what it asked for.
                for (int i = Random.Next(4) == 0 ? Yields : 0; i > 0; i--) Thread.Yield();
                break;
        }
    }

    /// <summary>Brings the device from any state to where it works.</summary>
    private protected virtual void Begin() { }

    /// <summary>Does what a driver of the device does, not always rightly.</summary>
    private protected virtual void Drive() => Touch();

    /// <summary>Switches MSI-X on, with a message for each of the first vectors (PCI Local Bus 3.0 §6.8.2).</summary>
    private protected void UseMessages()
    {
        const uint capability = 0x11;
        foreach (ulong at in Capabilities())
        {
            if (Machine.Load(Config + at, 1) != capability) continue;
            uint place = (uint)Machine.Load(Config + at + 4, 4);
            ulong table = Bar((int)(place & 7) % BarWords) + (place & ~7u);
            for (ulong vector = 0; vector < Vectors; vector++)
            {
                Machine.Store(table + (vector * 16), 0xfee0_0000, 8);
                Machine.Store(table + (vector * 16) + 8, 0x40 + vector, 8);
            }
            Machine.Store(Config + at + 2, 0x8000, 2);
            return;
        }
    }

    /// <summary>Where its capabilities are. A function that is gone has some without an end.</summary>
    private protected IEnumerable<ulong> Capabilities()
    {
        ulong at = Machine.Load(Config + 0x34, 1);
        for (int i = 0; at != 0 && i < MostCapabilities; i++, at = Machine.Load(Config + at + 1, 1)) yield return at;
    }

    /// <summary>Where a BAR is when it is where it was at first.</summary>
    private protected ulong Bar(int index)
    {
        uint[] bars = _functions[^1].Bars;
        return (bars[index] & 6) == 4 && (bars[index] & 1) == 0 ? (bars[index] & ~15u) | ((ulong)bars[index + 1] << 32) : bars[index] & ~((bars[index] & 1) == 0 ? 15u : 3u);
    }

    /// <summary>Small numbers, bits, places in memory, noise: each finds other paths.</summary>
    private protected ulong Value() => Random.Next(6) switch
    {
        0 => (ulong)Random.Next(16),
        1 => 1UL << Random.Next(64),
        2 => Place(),
        3 => ulong.MaxValue,
        4 => (ulong)Random.Next(0x1_0000),
        _ => (ulong)Random.NextInt64(),
    };

    /// <summary>An address where rings and buffers are; seldom another one.</summary>
    private protected ulong Place() => Random.Next(32) switch
    {
        0 => Machine.Memory.LowBytes - (ulong)Random.Next(64),
        1 => (ulong)Random.NextInt64(),
        2 => 0,
        3 => FuzzMachine.Arena + (ulong)Random.Next((int)FuzzMachine.RingBytes) / 16 * 16,
        _ => FuzzMachine.Arena + FuzzMachine.RingBytes + (ulong)Random.Next((int)(FuzzMachine.ArenaBytes - FuzzMachine.RingBytes)) / 16 * 16,
    };

    /// <summary>A length, mostly of a buffer as drivers have it.</summary>
    private protected uint Length() => Random.Next(8) switch
    {
        0 => (uint)Random.Next(64),
        1 => 512u << Random.Next(8),
        2 => (uint)Random.Next(),
        3 => 0,
        4 => (uint)Random.Next(2048),
        _ => 512 * (uint)Random.Next(1, 9),
    };

    /// <summary>Fills a buffer with words that look like headers.</summary>
    private protected void Fill(ulong place, int bytes)
    {
        for (int at = 0; at < bytes; at += 4) Machine.Memory.TryWrite<uint>(place + (ulong)at, Random.Next(8) switch { 0 => (uint)Value(), < 4 => (uint)Random.Next(16), _ => 0 });
    }

    private void Touch()
    {
        bool ports = Random.Next(2) == 0;
        AddressBus bus = ports ? Machine.Services.Ports : Machine.Services.Mmio;
        BusRegion? region = Pick(bus) ?? Pick(ports ? Machine.Services.Mmio : Machine.Services.Ports);
        if (region is not { IsMapped: true }) return;
        ulong last = region.LengthBytes - 1;
        ulong offset = Random.Next(6) switch
        {
            0 => (ulong)Random.NextInt64((long)Math.Min(last, long.MaxValue - 1) + 1),
            1 => (ulong)Random.Next(0x4000) & ~3UL,
            2 => (ulong)Random.Next(0x400) & ~3UL,
            3 => last - (ulong)Random.Next(8),
            _ => (ulong)Random.Next(0x100),
        };
        if (offset > last) offset %= region.LengthBytes;
        int width = 1 << Random.Next(ports ? 3 : 4);
        // Nothing crosses a range's end: the bus would not pass it on.
        if ((ulong)width > region.LengthBytes - offset) width = 1;
        ulong address = region.Start + offset;
        if (Random.Next(3) == 0) _ = ports ? Machine.In((ushort)address, width) : Machine.Load(address, width);
        else if (ports) Machine.Out((ushort)address, (uint)Value(), width);
        else Machine.Store(address, Value(), width);
    }

    private BusRegion? Pick(AddressBus bus)
    {
        IReadOnlyList<BusRegion> regions = bus.Regions;
        if (regions.Count == 0) return null;
        // Mostly the device's own, wherever it begins to look.
        if (Machine.Own.Count == 0 || Random.Next(16) == 0) return regions[Random.Next(regions.Count)];
        int start = Random.Next(regions.Count);
        for (int i = 0; i < regions.Count; i++)
            if (Machine.Own.Contains(regions[(start + i) % regions.Count])) return regions[(start + i) % regions.Count];
        return null;
    }

    private void Configure()
    {
        if (_functions.Count == 0) return;
        (ulong config, _) = _functions[Random.Next(3) == 0 ? Random.Next(_functions.Count) : ^1];
        ulong register = (ulong)Random.Next(Random.Next(8) == 0 ? 4096 - 4 : Random.Next(2) == 0 ? 0x100 : 0x40);
        int width = 1 << Random.Next(3);
        if (Random.Next(3) == 0) _ = Machine.Load(config + register, width);
        else Machine.Store(config + register, Value(), width);
        // A device that cannot be reached shows nothing.
        if (Random.Next(4) != 0) PutBack();
    }

    // Everything is where it was at first.
    private void PutBack()
    {
        foreach ((ulong config, uint[] bars) in _functions)
        {
            for (int i = 0; i < BarWords; i++) Machine.Store(config + BarStart + ((ulong)i * 4), bars[i], 4);
            Machine.Store(config + CommandRegister, 7, 2);
        }
    }

    private void Scribble()
    {
        ulong place = Place();
        for (int i = Random.Next(16); i >= 0; i--) Machine.Memory.TryWrite(place + ((ulong)i * 8), Value());
    }
}
